"""Chats that cannot be written to, downloads that stall, people who press without end; and what others notice."""
