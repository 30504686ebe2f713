"""The environment in; the bot's settings, checked, or a sentence that says which one is wrong, out."""
