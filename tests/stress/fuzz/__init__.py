"""Photos go in, mutated by the ten thousand; out comes a line that says how the bot's decoder bore them.

`python -m tests.stress.fuzz --help`
"""
