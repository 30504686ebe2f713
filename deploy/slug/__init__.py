"""Makes what is deployed: lock files go in, a folder comes out that Python runs, and its archive.

`install` fills site-packages, `trim` takes out what deploy/trim.toml lists, `pack` adds the bot and makes the archive,
`report` says what it all weighs. Heroku and the container image use the same steps.
"""


class SlugError(Exception):
    """It cannot be made; the message says why."""
