"""The commands beside the bot itself: classify, doctor, new."""
