"""A Redis' address in; each store of `bot.storage` in it out, for any number of replicas."""
