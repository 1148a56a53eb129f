"""`make bench-asking`: what it computes from runs, and the streams that it reads."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from load_tests import streams
from load_tests.asking import PARTS
from load_tests.asking_arrays import ask
from load_tests.asking_grid import Wanted, reached, spend_off
from load_tests.asking_peer import WAYS, PeerJob, paired
from load_tests.page import as_table, put
from load_tests.report import MissingData
from stream_cl.cli.compare_cells import Cell, Job
from stream_cl.config import Config
from stream_cl.config.sections import Step


def test_the_rate_that_reaches_a_goal_is_interpolated() -> None:
    """The promise is about labels saved: no rate may be called reached before it is."""
    points = [(0.02, 0.6), (0.01, 0.5), (0.05, 0.7)]
    assert reached(points, 0.55) == pytest.approx(0.015)
    assert reached(points, 0.7) == pytest.approx(0.05)
    assert reached(points, 0.4) == 0.01
    assert reached(points, 0.71) == float("inf")
    # Of a curve that falls in between, the first crossing counts.
    assert reached([(0.01, 0.5), (0.02, 0.6), (0.03, 0.5), (0.05, 0.7)], 0.55) == pytest.approx(
        0.015
    )


def made(strategy: str, seed: int, labels: int) -> tuple[Cell, dict[str, Any]]:
    cell = Cell("s", strategy, "fraction", 0.1, seed, Job("", None, (), ()))
    return cell, {"labels_asked": labels}


def test_a_gain_that_was_bought_shows() -> None:
    """1 % or 10 labels more than random are allowed, for each seed alone."""
    runs = [made("random", 0, 2000), made("a", 0, 2020), made("random", 1, 500)]
    assert spend_off([*runs, made("a", 1, 495)])[0] == pytest.approx(1.0)
    assert spend_off([*runs, made("a", 1, 520)])[0] == pytest.approx(2.0)


def test_figures_stand_between_their_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n")
    put(page, "x", as_table(["k", "v"], [["a\\1", "2"]]))
    put(None, "x", "nothing")
    assert page.read_text() == (
        "a\n<!-- x -->\n| k | v |\n| --- | ---: |\n| a\\1 | 2 |\n<!-- /x -->\n"
        "b\n<!-- y -->\n<!-- /y -->\n"
    )


def test_a_job_of_the_peer_is_written_whole() -> None:
    job = PeerJob("k", None, ("a=1",), ("f",), None, None, "Split", 0.05)
    assert b'"strategy":"Split","rate":0.05' in job.written()
    assert PeerJob(**asdict(job)) == job


def test_a_strategy_that_draws_nothing_is_one_run_against_all_of_ours() -> None:
    """Its one number is what each of our seeds is held against; those that draw go by seed."""

    def runs(*accuracies: float) -> list[dict[str, Any]]:
        return [
            {"accuracy": one, "events": 1000, "labels_asked": 50, "cpu_s": 0.5}
            for one in accuracies
        ]

    ours = {f"Split/{way}": runs(0.8, 0.9) for way in WAYS}
    alone, by_seed = (
        paired("Split", theirs, ours).gains[next(iter(WAYS))][0]
        for theirs in (runs(0.8), runs(0.7, 0.8))
    )
    assert (alone.value, by_seed.value) == pytest.approx((5.0, 10.0))
    assert alone.half is not None
    assert by_seed.half == pytest.approx(0.0, abs=1e-6)
    assert paired("Split", runs(0.8), ours).per_s == 2000


@pytest.mark.parametrize("step", [1, 7])
def test_asking_over_arrays_learns_what_it_asks(step: int) -> None:
    """The rate and the accuracy beside the peer's are of a learner that does learn."""
    draws = np.random.default_rng(0)
    y = draws.integers(0, 2, 2000)
    x = np.zeros((2000, Config().encoder.width), dtype=np.float32)
    x[:, 0] = np.where(y == 1, 1.0, -1.0) + draws.normal(0.0, 0.3, 2000)
    got = ask(Config(step=Step(max_events=step)), x, y)
    assert got.accuracy > 0.95
    assert abs(got.labels - 100) <= 20
    assert got.cpu_s > 0


def test_a_stream_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"elec2\.csv\.gz"):
        streams.stream("elec2", tmp_path)


def test_images_are_one_mixed_order(tmp_path: Path) -> None:
    """The same for every seed and process: what is compared must have seen the same stream."""
    x = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((28, 28), dtype=np.uint8)
    np.savez(
        tmp_path / "mnist.npz", X_train=x[:4], y_train=x[:4, 0, 0], X_test=x[4:], y_test=x[4:, 0, 0]
    )
    stream = streams.stream("mnist", tmp_path)
    rows = list(streams.rows(stream.files))
    assert rows == list(streams.rows(stream.files))
    assert sorted(row.label or "" for row in rows) == ["0", "1", "2", "3", "4", "5"]
    for row in rows:
        assert row.features == [round(int(row.label or 0) / 255, 4)] * 784
    assert list(streams.rows(stream.files, 2)) == rows[:2]
    assert stream.digest != streams.stream("mnist", tmp_path, 2).digest


def test_a_stream_of_two_files_is_one(data_dir: Path) -> None:
    stream = streams.stream("nsl_kdd", data_dir, 25_200)
    rows = list(streams.rows(stream.files, stream.limit))
    assert len(rows) == 25_200
    assert streams.stream("airlines", data_dir).limit == 100_000


@pytest.mark.parametrize("name", ["intervals", "conformal", "crowd", "cifar10n", "novelty"])
def test_what_make_bench_has_of_asking_is_a_part_too(tmp_path: Path, name: str) -> None:
    """It looks for its data where it is told; missing data is a reason, not a failure."""
    wanted = Wanted(tmp_path, tmp_path, (), 2, 1, None, (), (), (), None)
    with pytest.raises(MissingData):
        PARTS[name](wanted)
