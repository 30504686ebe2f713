"""What the bot's process takes: time to start, memory after many photos, and the processor while it waits."""
