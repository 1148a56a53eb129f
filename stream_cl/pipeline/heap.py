"""Python's garbage collector in a process that takes steps for months.

What was made at the start (libraries, the state) stays for good, and a step makes some ten
thousand short-lived objects that go by themselves. With Python's defaults the collector looks
through all of it again and again: 50 to 150 ms at a time, in the middle of a step.
"""

from __future__ import annotations

import gc
from typing import Final

_YOUNG: Final = 50_000
_OLD: Final = (20, 50)


def settle() -> None:
    """What is there now is looked at no more, and what comes later less often.

    Cycles are still collected, so memory stays bounded. For the whole process: to be called by a
    program, not by a library.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *_OLD)
