"""A photo's bytes in, a prediction out; nothing of Telegram."""
