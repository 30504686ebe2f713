"""Measured figures in, the report out."""
