"""The memory that the process takes, and gives back."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""Of mallopt(3): from malloc.h."""
NO_GLIBC = (OSError, AttributeError, TypeError)
"""What the calls below raise elsewhere: macOS has other names, Windows names no library of the process itself."""


def limit_heaps() -> None:
    """Have glibc keep one heap for all threads, and no large piece in it. Before threads start; elsewhere, nothing.

    Otherwise each thread has a heap, and photos and models leave holes in them that are not given back.
    """
    with suppress(*NO_GLIBC):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, 128 * 1024)


def settle_memory() -> None:
    """Give back what the start has left, and never look through the rest of it again."""
    gc.unfreeze()
    give_back_memory()
    gc.freeze()


def give_back_memory() -> None:
    """Collect garbage, and return what is free in glibc's heap to the kernel; elsewhere, that is not done."""
    gc.collect()
    with suppress(*NO_GLIBC):
        ctypes.CDLL(None).malloc_trim(0)
