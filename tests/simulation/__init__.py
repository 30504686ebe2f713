"""Deterministic simulation: the whole bot on virtual time, against a Telegram, a disk and deaths drawn from a seed.

In goes a number, out come the invariants that its run broke, and a trace that is the same each time. Everything of the
bot is real: composition, HTTP client and server, SQLite, Redis' scripts, handlers, the net. Only the network, the clock
and the threads are stood in for. After FoundationDB's and TigerBeetle's simulators.
"""
