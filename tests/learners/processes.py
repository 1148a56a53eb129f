"""Running a program in a Python process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any


def in_new_process(program: str, *arguments: str, hash_seed: str = "0") -> Any:
    """What `program` prints as JSON in a Python process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
