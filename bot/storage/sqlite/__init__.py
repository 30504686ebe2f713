"""A folder in; each store of `bot.storage` in SQLite files there out, for one process."""
