"""What Grafana and Prometheus are given, as files in the package.

They are here and not made on demand, so that an installed stream-cl, and its image, hands them
out without the library that renders them, and everybody gets those that were tested.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from stream_cl.observe.alerts import RUNBOOKS

FOLDER: Final = Path(__file__).parent


def files(runbooks: str = RUNBOOKS) -> dict[str, str]:
    """Every file: its path, with `/`, and its text.

    Args:
        runbooks: the address that links to runbooks lead to.
    """
    found = (path for path in sorted(FOLDER.rglob("*")) if path.suffix in {".json", ".yml"})
    return {
        path.relative_to(FOLDER).as_posix(): path.read_text("utf-8").replace(RUNBOOKS, runbooks)
        for path in found
    }
