"""Photos that people let the bot keep, in a folder or a bucket."""
