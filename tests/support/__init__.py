"""What tests share: the Bot API double, the bot process, models and photos."""
