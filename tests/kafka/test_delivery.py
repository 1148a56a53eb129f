"""What `run` says of the guarantees that a config gives up."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from stream_cl.testing.kafka_broker import KafkaBroker


@pytest.mark.parametrize(("delivery", "said"), [("exactly_once", 0), ("at_least_once", 1)])
def test_giving_up_exactly_once_is_said_at_every_start(
    kafka_broker: KafkaBroker, tmp_path: Path, delivery: str, said: int
) -> None:
    """Else somebody takes over a config and counts on guarantees that it does not give."""
    config = tmp_path / "c.yaml"
    prefix = uuid.uuid4().hex[:8]
    config.write_text(
        f"transport: kafka://{kafka_broker.bootstrap}\ndelivery: {delivery}\n"
        f"topics: {{prefix: {prefix}-}}\n"
    )
    command = [sys.executable, "-m", "stream_cl.cli.main", "run", str(config), "--until-idle", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("outputs may come twice") == said
