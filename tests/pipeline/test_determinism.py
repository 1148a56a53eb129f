"""Two runs with one seed over the same inputs are equal to the bit, whatever process runs them.

When this fails, a recovered pipeline goes on from another state than the one that was lost,
and nobody can repeat what they measured.

    python -m tests.pipeline.test_determinism FOLDER LEARNER

runs the pipeline of one learner over the log in FOLDER and prints its digests: the other
process of the tests below.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.testing.driver import TestDriver
from tests.pipeline.streams import SMALL, filled, outputs

_ROOT: Final = Path(__file__).resolve().parents[2]
_EVENTS: Final = 400
LEARNERS: Final[dict[str, dict[str, Any]]] = {
    "softmax": {"kind": "softmax"},
    "prototype": {"kind": "prototype"},
    "river": {"kind": "river", "model": "tree.HoeffdingTreeClassifier"},
}
HASH_SEEDS: Final = {"softmax": ("1", "2"), "prototype": ("1", "2"), "river": ("0", "0")}
"""PYTHONHASHSEED of the two processes. `run` fixes it to 0 for river, which depends on it."""


def config(learner: str) -> dict[str, Any]:
    return {**SMALL, "learner": LEARNERS[learner], "budget": {"kind": "fraction", "fraction": 0.5}}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log that holds events, labels, duplicates and rubbish."""
    folder = tmp_path_factory.mktemp("inputs")
    filled(folder, events=_EVENTS).log.close()
    return folder


@pytest.mark.parametrize("learner", list(LEARNERS))
def test_two_processes_give_the_same_outputs_and_the_same_state(
    tmp_path: Path, inputs: Path, learner: str
) -> None:
    processes = []
    for number, hash_seed in enumerate(HASH_SEEDS[learner]):
        folder = tmp_path / str(number)
        shutil.copytree(inputs, folder)
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.pipeline.test_determinism", str(folder), learner],
                cwd=_ROOT,
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
                stdout=subprocess.PIPE,
            )
        )
    found = [orjson.loads(process.communicate()[0]) for process in processes]
    assert found[0] == found[1]
    assert found[0]["predictions"] == _EVENTS
    assert found[0]["learned"] > _EVENTS / 10, "an untrained learner agrees with anything"


def test_the_step_size_changes_no_draw(tmp_path: Path, inputs: Path) -> None:
    """With a strategy that looks at nothing, whether an event is asked for, why and with which
    probability follows from seed, id and the events before it: at every step size the same."""
    one, *others = (asked(inputs, tmp_path, size) for size in (64, 7, 1))
    for other in others:
        assert other == one


def asked(inputs: Path, scratch: Path, size: int) -> list[tuple[str, bool, float, str]]:
    """Every event's id, whether it was asked for, its propensity and the reason."""
    folder = scratch / f"steps of {size}"
    shutil.copytree(inputs, folder)
    sections = {"step": {"max_events": size}, "query": {"kind": "random"}}
    with TestDriver({**SMALL, **sections}, folder) as driver:
        driver.settle()
        values = [read.value for read in driver.read("predictions")]
    assert any(value["asked"] for value in values)
    return [(v["id"], v["asked"], v["propensity"], v["reason"]) for v in values]


def main(folder: Path, learner: str) -> None:
    """Run over the log in `folder` until it is read, with the machine's own clock."""
    settings = Config.model_validate(config(learner)).beside(folder)
    clock = SystemClock()
    log = build.open_transport(settings, clock)
    pipeline = build.pipeline(settings, log, clock)
    pipeline.start()
    while pipeline.step(expiry=False):
        pass
    pipeline.close()
    log.close()
    with TestDriver(config(learner), folder) as driver:
        published = repr(outputs(driver))
    found = {
        "predictions": pipeline.state.counts["predictions"],
        "learned": pipeline.state.learned,
        "outputs": blake2b(published.encode()).hexdigest(),
        "state": str(pipeline.state.fingerprint()),
    }
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
