"""`python -m bot doctor`: settings in; a line for all that the bot needs, and what to do where it is missing, out."""
