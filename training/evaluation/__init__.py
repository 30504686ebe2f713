"""Answers in, figures out, for the report, the card and `verify` alike: what they share is computed here alone.

`answers` is what a net or a file says of photos, `evaluate` every figure about them, as one frozen dataclass.
"""
