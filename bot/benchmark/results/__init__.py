"""Samples in; figures with their intervals out, as a table, a page, CSV, Markdown and JSON."""
