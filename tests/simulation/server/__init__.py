"""Telegram and the wires to it: what it answers, holds and hands over, drawn from a seed."""
