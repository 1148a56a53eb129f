"""Compiled kernels that are never older than what they call.

numba keeps a compiled kernel until the file that it stands in is changed. Calls of other files'
kernels, and their constants, are compiled into it, so that a change of those alone would have no
effect. The loop of the budgets is spread over several files, a concept each; everywhere else a
kernel calls kernels of its own file only.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any


def not_before(kernel: Any, *others: ModuleType) -> None:
    """Forget what was compiled of the module of `kernel` before one of `others` was changed.

    To be called before the kernel is. Compiled code is found where numba keeps it, one index file
    for each kernel; where that cannot be removed, it stays as it is.
    """
    changed_ns = max(Path(str(other.__file__)).stat().st_mtime_ns for other in others)
    module = kernel.py_func.__module__.rsplit(".", 1)[-1]
    for index in Path(kernel.stats.cache_path).glob(f"{module}.*.nbi"):
        with suppress(OSError):
            if index.stat().st_mtime_ns < changed_ns:
                index.unlink()
