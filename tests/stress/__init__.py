"""The bot under kills, faults, floods and damaged files."""
