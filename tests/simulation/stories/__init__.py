"""Plans written by hand: one trouble and its people in; what the bot does about it is compared with what it should."""
