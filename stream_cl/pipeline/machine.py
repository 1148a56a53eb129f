"""What floating-point results depend on besides the program: processor and libraries."""

from __future__ import annotations

import platform
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Final

_LIBRARIES: Final = ("numpy", "numba", "llvmlite", "river", "torch")
_CPU_LINES: Final = ("model name", "flags", "Features", "CPU implementer", "CPU part")


def fingerprint() -> str:
    """Short text that is equal where the same program gives the same bits."""
    hasher = blake2b(digest_size=8)
    hasher.update(platform.machine().encode() + platform.python_version().encode())
    for line in _cpu():
        hasher.update(line.encode())
    libraries = ",".join(f"{name}={version(name)}" for name in _LIBRARIES)
    return f"{hasher.hexdigest()} {libraries}"


def _cpu() -> list[str]:
    """The lines that tell one processor model from another, each once."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return [platform.processor()]
    return sorted({line for line in lines if line.startswith(_CPU_LINES)})
