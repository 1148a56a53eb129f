"""What docs/architecture.md promises, on a real Kafka broker that is broken meanwhile.

When one of these fails, a crash, a hung process, a broker that went down or a network that was
cut loses events, publishes them twice, or leaves another state than the one that the log tells
of. `make chaos` does the same on a larger scale.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from load_tests.chaos.run import Amounts, chaos
from load_tests.chaos.toxiproxy import NoToxiproxy, find_toxiproxy
from stream_cl.testing.kafka_source import Software

_NOTHING = Amounts(
    events=0, seed=0, kills=0, zombies=0, broker_restarts=0, cuts=0, kills_beforehand=0
)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_stopped_and_without_its_broker(tmp_path: Path, kafka_software: Software) -> None:
    """Every event predicted once, every question asked once, nothing of a fenced zombie behind
    its successor's OPEN; (a) the manifest gives the run again; (b) killed or not, it is equal."""
    amounts = _NOTHING._replace(
        events=30_000, kills=8, zombies=2, broker_restarts=1, kills_beforehand=4
    )
    assert not chaos(amounts, tmp_path, None, kafka_software)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_cut_off_and_slowed(tmp_path: Path, kafka_software: Software) -> None:
    """The same where the path to the broker is dropped, swallows data, or hardly lets any pass."""
    try:
        program = find_toxiproxy()
    except NoToxiproxy as error:
        pytest.skip(str(error))
    amounts = _NOTHING._replace(events=10_000, kills=2, cuts=4)
    assert not chaos(amounts, tmp_path, program, kafka_software)
