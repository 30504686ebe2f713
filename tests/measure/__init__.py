"""Speed, memory and size."""
