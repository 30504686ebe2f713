"""The root of every error that Labelgram raises on purpose. Each package has one exception of its own below it."""


class LabelgramError(Exception):
    """Something is wrong that a person can put right; the message says what, where and how."""
