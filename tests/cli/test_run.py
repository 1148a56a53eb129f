"""`run`, `drain` and `inspect` as processes: started, stopped, killed and started again."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from stream_cl.core.errors import UserError
from tests.cli.processes import Place, place, until

ASKING: dict[str, Any] = {"budget": {"fraction": 0.2}}
LONG: dict[str, Any] = {**ASKING, "step": {"max_events": 2}, "checkpoint": {"every_steps": 200}}
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
        producer = here.start("produce", "--data", here.data, "--rate", 600)
        annotator = here.start("annotate", "--truth", here.data, "--delay", "lognormal:0.1,1")
        for life in range(5):
            before = here.count("manifest")
            pipeline = here.start("run")
            if life % 2 == 0:
                until(lambda than=before: here.count("manifest") > than, "a life's first record")
            # While it starts, or while it takes steps or replays.
            time.sleep(draw.uniform(0.1, 1.2))
            assert pipeline.poll() is None, pipeline.communicate()
            pipeline.kill()
            pipeline.communicate()
        assert producer.wait(60) == 0
        here.ok("run", "--until-idle", 0.5)
        asked = here.count("label-requests")
        until(lambda: here.count("labels") == asked, "the last answers")
        annotator.terminate()
        assert annotator.wait(30) == 0
        here.quick("run", "--until-idle", 0)
        times = Counter(one["id"] for one in here.values("predictions"))
        assert set(times) == set(here.truth)
        assert set(times.values()) == {1}
        requests = Counter(one["id"] for one in here.values("label-requests"))
        assert set(requests.values()) == {1}
        assert len(requests) == pytest.approx(1000, abs=20)
        found = here.inspected()
        assert found["incarnation"] >= 5, "three were killed after they had begun"
        assert found["lag"] == 0
        assert found["counts"]["labels"] == len(requests)


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


RIVER = {"kind": "river", "model": "tree.HoeffdingAdaptiveTreeClassifier"}


def test_a_river_tree_is_replayed_in_another_process(tmp_path: Path) -> None:
    """Its state differs with the hash seed, which every process draws anew; `run` fixes it."""
    sections = {"labels": {"join": "every"}, "learner": RIVER, "seed": 3}
    with place(tmp_path, rows=500, **sections) as here:
        here.quick("produce", "--data", here.data, "--with-label")
        pipeline = here.start("run")
        until(lambda: here.count("predictions") > 200, "some predictions")
        assert psutil.Process(pipeline.pid).environ()["PYTHONHASHSEED"] == "0"
        pipeline.kill()
        pipeline.communicate()
        done = here.run("run", "--until-idle", 0)
        assert done.returncode == 0, done.stderr
        assert re.search(r"checkpoint=None .* replayed=[1-9]", done.stderr)
        assert here.count("predictions") == 500


@pytest.mark.parametrize(
    "command", [("run",), ("drain",), ("inspect",), ("evaluate", "--data", "any.csv")]
)
def test_whatever_replays_or_learns_fixes_the_hash_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    class Replaced(UserError):
        """The process would be another one now."""

    def execve(program: str, line: list[str], environ: dict[str, str]) -> None:
        raise Replaced(f"seed {environ['PYTHONHASHSEED']}")

    monkeypatch.setattr(os, "execve", execve)
    flags = SimpleNamespace(hash_randomization=1)
    named = SimpleNamespace(flags=flags, executable=sys.executable, argv=sys.argv)
    monkeypatch.setattr("stream_cl.cli.run.sys", named)
    with place(tmp_path, rows=3, learner=RIVER) as here:
        # A file that is not there: the seed must be fixed before anything is read.
        assert here.here(*command).stderr == "stream-cl: seed 0\n"


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
        done = here.run("run", "--set", "transport=kafka://127.0.0.1:1")
        assert (done.returncode, done.stdout) == (1, "")
        assert "kafka://127.0.0.1:1: nothing listens there" in done.stderr.splitlines()[-1]
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
