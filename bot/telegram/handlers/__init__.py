"""What the bot does with each kind of message; a router a module."""
