"""Updates in from Telegram, each at least once; calls out to it, paced and tried again."""
