"""The versions in uv.lock as pip constraints, so that pip installs what uv would.

Usage: python constraints.py uv.lock > constraints.txt
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def constraints(lock: str) -> list[str]:
    """`name==version`, with the marker where another Python gets another version."""
    lines = []
    for package in tomllib.loads(lock)["package"]:
        if "registry" in package["source"]:
            markers = package.get("resolution-markers", [])
            condition = f" ; {' or '.join(f'({marker})' for marker in markers)}" if markers else ""
            lines.append(f"{package['name']}=={package['version']}{condition}")
    return lines


if __name__ == "__main__":
    print("\n".join(constraints(Path(sys.argv[1]).read_text(encoding="utf-8"))))
