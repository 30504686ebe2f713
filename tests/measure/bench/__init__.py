"""`make bench`: every figure of speed, memory and size from one run, beside the tutorials' way and other engines.

`__main__` has the benchmark, the footprint and the slug measured, each by the command that anyone can run, and `report`
writes BENCHMARKS.md and its pictures from what they found.
"""
