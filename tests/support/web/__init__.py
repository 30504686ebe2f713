"""The preview's process, and its page in a browser."""
