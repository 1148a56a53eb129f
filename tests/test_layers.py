"""The rules of the house that a reader cannot check by eye: who imports whom, where time,
randomness and the environment are read, and how long a file may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]
MODULES: Final = sorted((ROOT / "stream_cl").rglob("*.py"))
OTHERS: Final = sorted([*(ROOT / "load_tests").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])

MODULE_LINES, FUNCTION_LINES = 300, 70
REASON_LINES: Final = 15
"""A longer module or function says why in its first lines, with the word `longer`."""

ONLY: Final = {"core": {"core"}, "config": {"core", "config"}}
"""What these may import; a domain folder (any part that is not named here or below) may
import core and itself."""
NOT: Final = {
    "pipeline": {"cli", "api", "build", "testing", "config"},
    "build": {"cli", "api", "testing"},
    "testing": {"cli", "api"},
    "api": {"cli", "testing"},
    "cli": {"api"},
}
"""What these may not import; the rest they may."""

CLOCK: Final = "stream_cl/core/clock.py"
FORBIDDEN: Final = {
    r"time\.(time|monotonic|perf_counter|process_time)(_ns)?": CLOCK,
    r"datetime\.(datetime|date)\.(now|utcnow|today)": CLOCK,
    # A generator that is made from a seed is nobody else's; the functions share one.
    r"random\.(?!Random$)\w+": "nowhere",
    r"numpy\.random\.(?!Generator$|default_rng$|SeedSequence$|PCG64$|Philox$)\w+": "nowhere",
    # The name of a lineage: drawn before the first step, and read from the manifest ever after.
    r"(uuid\.uuid[14]|os\.urandom)": "stream_cl/pipeline/story.py",
    # What sessions are signed with: nothing of a step, and nobody may guess it.
    r"secrets\.\w+": "stream_cl/cli/label.py",
    r"os\.(environ|environb|getenv|putenv)": "stream_cl/config/model.py",
    r"hash": "nowhere",
}
"""What may be named in one module only, because a step must not depend on it."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def part_of(module: str) -> str:
    """`stream_cl.labels.join` → labels; `stream_cl.config.yaml` → config; stream_cl → core."""
    parts = module.split(".")
    if len(parts) < 2:
        return "core"
    return {"config": "config", "api": "api"}.get(parts[1].split("_")[0], parts[1])


def imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every module of stream_cl that is imported anywhere in the file, and the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, (
                f"line {node.lineno}: relative imports hide where things come from"
            )
            module = node.module or ""
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                at_root = module == "stream_cl" and (ROOT / inner.replace(".", "/")).exists()
                is_file = (ROOT / f"{inner.replace('.', '/')}.py").exists()
                yield (inner if at_root or is_file else module), node.lineno


def allowed(part: str, target: str) -> bool:
    if part in NOT:
        return target not in NOT[part]
    return target in ONLY.get(part, {"core", part})


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    """A domain folder that imports another cannot be replaced, or read, alone."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    # The package hands the API out; to those who import it, it is its version only.
    part = "api" if module == "stream_cl.__init__" else part_of(module.removesuffix(".__init__"))
    wrong = [
        f"{name_of(path)}:{line}: {part} imports {target}; it may not"
        for target, line in imported(ast.parse(path.read_text()))
        if target.split(".")[0] == "stream_cl" and not allowed(part, part_of(target))
    ]
    assert not wrong, "\n".join(wrong)


def names_used(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every dotted name that is read, as it is called outside: `np.random.rand` is
    `numpy.random.rand`, whatever numpy was imported as."""
    outside: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                outside[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                outside[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            parts: list[str] = []
            inner: ast.expr = node
            while isinstance(inner, ast.Attribute):
                parts.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name):
                known = inner.id in outside
                if known or not parts:
                    first = outside.get(inner.id, inner.id)
                    yield ".".join([first, *reversed(parts)]), node.lineno


def forbidden_in(text: str, module: str) -> list[str]:
    return [
        f"{module}:{line}: {name} belongs to {home}"
        for name, line in names_used(ast.parse(text))
        for pattern, home in FORBIDDEN.items()
        if re.fullmatch(pattern, name) and module != home
    ]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_time_randomness_and_the_environment_stay_at_home(path: Path) -> None:
    """A step that reads any of them is not a function of the log, and cannot be replayed."""
    wrong = forbidden_in(path.read_text(), name_of(path))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.time()",
        "import time as t\nt.monotonic_ns()",
        "from time import perf_counter\nperf_counter()",
        "from datetime import datetime\ndatetime.now()",
        "import datetime as d\nd.datetime.utcnow()",
        "import random\nrandom.shuffle([])",
        "from random import choice\nchoice([1])",
        "import numpy as np\nnp.random.rand(3)",
        "from numpy import random\nrandom.seed(1)",
        "import os\nos.environ['A']",
        "from os import environ\nenviron['A']",
        "hash('a')",
        "key = hash",
    ],
)
def test_the_rule_sees_what_it_forbids(text: str) -> None:
    assert forbidden_in(text, "stream_cl/x.py")


@pytest.mark.parametrize(
    "text",
    [
        "import random\nrandom.Random(3).random()",
        "import numpy as np\nnp.random.default_rng(3)",
        "def hash_of(x): return x.hash",
        "clock.time.time()",
        "import os\nos.path.join('a')",
    ],
)
def test_the_rule_lets_the_rest_pass(text: str) -> None:
    assert not forbidden_in(text, "stream_cl/x.py")


@pytest.mark.parametrize("path", [*MODULES, *OTHERS], ids=name_of)
def test_what_is_long_says_why(path: Path) -> None:
    """A function fits on a screen, a module in a sitting; longer ones give a reason."""
    text = path.read_text()
    lines = text.splitlines()
    wrong = []
    if len(lines) > MODULE_LINES and not reason(lines[:REASON_LINES]):
        wrong.append(f"{name_of(path)}: {len(lines)} lines, and no word of why it is longer")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            body = lines[node.lineno - 1 : node.body[0].lineno + REASON_LINES]
            if length > FUNCTION_LINES and not reason(body):
                place = f"{name_of(path)}:{node.lineno}"
                wrong.append(f"{place}: {node.name} has {length} lines, and no word of why")
    assert not wrong, "\n".join(wrong)


def reason(lines: list[str]) -> bool:
    return any("longer" in line.lower() for line in lines)


def test_building_a_pipeline_imports_no_learner_that_is_not_used() -> None:
    """A numpy learner must not wait seconds for torch or river."""
    program = (
        "import sys, stream_cl.build;print(sorted({'torch', 'river', 'kafka'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
