"""The bot as people meet it on Telegram: updates in, answers out."""
