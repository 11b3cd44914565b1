"""Python's cyclic garbage collector, set for a process that lives long and takes work in batches."""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 50_000
"""Objects made before the youngest are looked through. The default, 700, is a few events: a batch was looked through
dozens of times while all of it was still needed, a fifth of the ledger's time."""


def relax_collector() -> None:
    """Call once everything is imported: what is here now stays, and is never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
