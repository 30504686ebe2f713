"""A net whose layers all learn in; the best of its epochs out, after one cycle that can be stopped and resumed."""
