"""Compiled kernels follow every file that they are made of: no change is without effect."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

from numba.core.dispatcher import Dispatcher

import stream_cl

CALLER = """
import numba
import called
from called import value
from stream_cl.budget._fresh import not_before

@numba.njit(cache=True)
def twice():
    return 2 * value()

not_before(twice, called)
print(twice(), sum(twice.stats.cache_hits.values()))
"""
CALLED = """
import numba

@numba.njit(cache=True)
def value():
    return {}
"""


def twice(folder: Path) -> list[int]:
    """What the caller prints: its value, and how often that was compiled before."""
    run = [sys.executable, "-c", "import caller"]
    done = subprocess.run(run, check=False, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_a_kernel_is_compiled_again_when_a_file_that_it_calls_is_changed(tmp_path):
    (tmp_path / "caller.py").write_text(CALLER)
    (tmp_path / "called.py").write_text(CALLED.format(3))
    assert twice(tmp_path) == [6, 0]
    assert twice(tmp_path) == [6, 1], "it is compiled at every start"
    (tmp_path / "called.py").write_text(CALLED.format(50))
    assert twice(tmp_path) == [100, 0], "what runs is older than the code"


def test_no_other_kernels_call_those_of_another_file():
    root = Path(stream_cl.__file__).parent
    crossing = set()
    for path in root.rglob("*.py"):
        if "njit" not in path.read_text() and "@compiled" not in path.read_text():
            continue
        module = import_module(".".join(path.relative_to(root.parent).with_suffix("").parts))
        own, all_of_it = module.__name__, vars(module)
        for kernel in [one for one in all_of_it.values() if isinstance(one, Dispatcher)]:
            called = [all_of_it.get(name) for name in kernel.py_func.__code__.co_names]
            if kernel.py_func.__module__ == own and any(
                isinstance(one, Dispatcher) and one.py_func.__module__ != own for one in called
            ):
                crossing.add(own)
    known = {"stream_cl.budget._chance", "stream_cl.budget._loop"}
    assert crossing == known, "their compiled code may be older than what they call: `not_before`"
