"""docs/quickstart.md is walked through as a newcomer would: a block that fails loses them."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "quickstart.md"
BLOCK: Final = re.compile(r"^```(python|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def python(code: str, names: dict[str, Any], line: int) -> str:
    """Run a block like a doctest, in `names`; what differed, as text."""
    test = doctest.DocTestParser().get_doctest(code, names, PAGE.name, str(PAGE), line)
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    assert test.examples, f"line {line}: a block of Python without >>>"
    return "".join(said)


def shell(code: str, folder: Path, line: int) -> str:
    """Run a block in bash, all its commands; stdout and stderr together."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{PAGE.name}:{line}: {done.returncode}\n{done.stdout}"
    return done.stdout


def test_every_block_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, kinds, said, wrong = PAGE.read_text(), [], "", ""
    names: dict[str, Any] = {}
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        kinds.append(block[1])
        if block[1] == "python":
            wrong += python(block[2], names, line)
        else:
            said += shell(block[2], tmp_path, line)
    assert not wrong, wrong
    assert kinds.count("python") >= 5
    assert kinds.count("bash") >= 3
    # The processes did what the page says that they do.
    assert "config.yaml: no mistakes" in said
    assert "produced 3000 events to events" in said
    assert "unbiased" in said
    assert names["stream_cl"].__name__ == "stream_cl"


def test_no_block_of_another_language_is_left_out() -> None:
    """A block that is neither is not run, and rots."""
    languages = re.findall(r"^```(\w*)$", PAGE.read_text(), re.MULTILINE)[::2]
    assert set(languages) == {"python", "bash"}
