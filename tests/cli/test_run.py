"""`run`, `drain` and `inspect` as processes: started, stopped, killed and started again."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.processes import Place, place, until

ASKING = {"budget": {"fraction": 0.2}}
LONG = {**ASKING, "step": {"max_events": 2}, "checkpoint": {"every_steps": 200}}
"""Steps so small that a run of some thousand events takes seconds."""


def test_what_is_produced_is_predicted_once(tmp_path: Path) -> None:
    """The three commands that everyone types first."""
    with place(tmp_path, rows=300, **ASKING) as here:
        here.quick("produce", "--data", here.data)
        assert here.run("run", "--until-idle", 0.1).stdout == "", "talk goes to stderr"
        assert [one["id"] for one in here.consumed("predictions")] == list(here.truth)
        asked = {one["id"] for one in here.consumed("predictions") if one["asked"]}
        assert {one["id"] for one in here.consumed("label-requests")} == asked
        assert len(asked) == pytest.approx(60, abs=8)
        here.ok("annotate", "--truth", here.data, "--until-idle", 0)
        here.quick("run", "--until-idle", 0.1)
        counts = here.inspected()["counts"]
        assert counts["labels"] == len(asked)
        assert counts["labels.learned"] + counts["labels.held_out"] == len(asked)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_between_two_steps(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and an orchestrator's stop must leave nothing to replay."""
    with place(tmp_path, rows=5000, **LONG) as here:
        here.quick("produce", "--data", here.data)
        pipeline = here.start("run")
        until(lambda: here.count("predictions"), "the first prediction")
        pipeline.send_signal(number)
        _, said = pipeline.communicate(timeout=30)
        assert pipeline.returncode == 0, said
        assert "Traceback" not in said
        found = here.inspected()
        assert found["checkpoint_step"] == found["step"]
        assert 0 < found["step"] < 2500, "it was to be stopped in the middle"
        assert found["positions"]["events[0]"] == here.count("predictions")


def test_killed_again_and_again_every_event_is_predicted_once(tmp_path: Path) -> None:
    """The promise of the project, with real kills of a real process."""
    draw = random.Random(20)
    sections = {**LONG, "step": {"max_events": 8}, "checkpoint": {"every_steps": 50}}
    with place(tmp_path, rows=5000, **sections) as here:
        here.start("produce", "--data", here.data, "--rate", 600)
        annotator = here.start("annotate", "--truth", here.data, "--delay", "lognormal:0.1,1")
        for _ in range(4):
            pipeline = here.start("run")
            # Some of these moments are before it takes a step, some in a replay.
            with pytest.raises(TimeoutError):
                _wait(pipeline, draw.uniform(0.8, 2.5))
            pipeline.kill()
            pipeline.communicate()
        here.ok("run", "--until-idle", 1)
        annotator.terminate()
        annotator.communicate(timeout=30)
        times = Counter(one["id"] for one in here.values("predictions"))
        assert set(times) == set(here.truth)
        assert set(times.values()) == {1}
        requests = Counter(one["id"] for one in here.values("label-requests"))
        assert set(requests.values()) == {1}
        assert len(requests) == pytest.approx(1000, abs=20)
        here.quick("run", "--until-idle", 0.1)
        found = here.inspected()
        assert found["incarnation"] >= 3, "it was to be killed after it had begun"
        assert found["lag"] == 0
        assert found["counts"]["labels"] == len(requests)


def _wait(process: object, seconds: float) -> None:
    from subprocess import Popen, TimeoutExpired

    assert isinstance(process, Popen)
    try:
        process.wait(seconds)
    except TimeoutExpired:
        raise TimeoutError from None


def test_the_older_of_two_runs_stops(tmp_path: Path) -> None:
    """Two writers at once would publish everything twice."""
    with place(tmp_path, rows=2000, **ASKING) as here:
        here.start("produce", "--data", here.data, "--rate", 100, "--loop")
        older = here.start("run")
        until(lambda: here.count("predictions"), "the first prediction")
        newer = here.start("run")
        _, said = older.communicate(timeout=30)
        assert older.returncode == 1
        last = [line for line in said.splitlines() if line.startswith("stream-cl: ")]
        assert len(last) == 1
        assert "Traceback" not in said
        assert newer.poll() is None, "the newer one is the writer"
        until(lambda: here.values("manifest")[-1]["incarnation"] == 2, "a step of the newer one")
        newer.terminate()
        newer.communicate(timeout=30)
        assert newer.returncode == 0


def test_a_changed_budget_needs_a_drained_state(tmp_path: Path) -> None:
    """Steps that were taken with one budget cannot be replayed with another."""
    with place(tmp_path, rows=1500, **LONG) as here:
        here.quick("produce", "--data", here.data)
        pipeline = here.start("run")
        until(lambda: here.count("predictions") > 300, "some predictions")
        pipeline.kill()
        pipeline.communicate()
        changed = ("--set", "budget.fraction=0.5", "--until-idle", 0.1)
        refused = here.here("run", *changed)
        assert refused.exit_code == 1
        assert "stream-cl drain" in refused.stderr.splitlines()[-1]
        assert "budget.fraction" in refused.stderr.splitlines()[-1]
        before = here.count("predictions")
        said = here.ok("drain")
        assert said.startswith("step "), said
        assert here.count("predictions") == before, "drain takes no step"
        here.quick("run", *changed)
        times = Counter(one["id"] for one in here.values("predictions"))
        assert set(times) == set(here.truth)
        assert set(times.values()) == {1}


def test_a_river_tree_is_replayed_in_another_process(tmp_path: Path) -> None:
    """River's trees walk over sets: without a fixed hash seed a recovery would be refused."""
    learner = {"kind": "river", "model": "tree.HoeffdingAdaptiveTreeClassifier"}
    sections = {"labels": {"join": "every"}, "learner": learner, "seed": 3}
    with place(tmp_path, rows=600, **sections) as here:
        here.quick("produce", "--data", here.data, "--with-label")
        pipeline = here.start("run")
        until(lambda: here.count("predictions") > 200, "some predictions")
        pipeline.kill()
        pipeline.communicate()
        found = json.loads(here.ok("inspect", "--json"))
        assert found["checkpoint_step"] is None, "everything is to be replayed"
        here.ok("run", "--until-idle", 0.1)
        assert here.count("predictions") == 600


def test_inspect_says_what_others_rely_on(tmp_path: Path) -> None:
    with place(tmp_path, rows=100, **ASKING) as here:
        nothing = here.here("inspect", "--json")
        assert (nothing.exit_code, nothing.stdout) == (2, "")
        assert len(nothing.stderr.splitlines()) == 1
        assert here.here("drain").exit_code == 2
        assert list(tmp_path.iterdir()) == [here.config, here.data], "looking makes no log"
        here.quick("produce", "--data", here.data)
        here.quick("run", "--until-idle", 0)
        other = here.here("inspect", "--set", "topics.prefix=other-")
        assert other.exit_code == 2
        assert "other-events" in other.stderr
        found = json.loads(here.ok("inspect", "--json"))
        assert {"step", "incarnation", "digest", "positions", "lag", "stores"} <= set(found)
        assert found["stores"]["memory"] == {"fill": 0, "capacity": 0}
        assert found["stores"]["pending"] == {"fill": found["counts"]["asked"], "capacity": 10_000}
        assert found["positions"] == {"control[0]": 0, "events[0]": 100, "labels[0]": 0}
        assert len(found["digest"].split("-")) == 2
        assert found == here.inspected(), "looking changes nothing"
        assert "digest: " in here.quick("inspect")


def test_a_log_that_is_not_there_yet_is_a_mistake(tmp_path: Path) -> None:
    with place(tmp_path, **ASKING) as here:
        done = here.run("run", "--set", "transport=kafka://localhost:9092")
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert "kafka://" in line
        assert here.here("run", "--role", "scorer").exit_code == 2


def test_until_idle_waits_for_what_comes_late(tmp_path: Path) -> None:
    """A finite run must not leave while its producer pauses for less than it was told."""
    with place(tmp_path, rows=5, **ASKING) as here:
        here.quick("produce", "--data", here.data, "--limit", 1)
        pipeline = here.start("run", "--until-idle", 2)
        until(lambda: here.count("predictions"), "the first prediction")
        _more(here)
        pipeline.communicate(timeout=30)
        assert pipeline.returncode == 0
        assert here.count("predictions") == 3


def _more(here: Place) -> None:
    here.quick("produce", "--data", here.data, "--limit", 2, "--loop")
