"""`annotate` and `evaluate` as processes: who answers how, and figures that can be repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import Place, place, until

ASKING: dict[str, Any] = {"budget": {"fraction": 0.25}}
FIGURES = {
    "events",
    "labels_asked",
    "accuracy",
    "accuracy_ci",
    "accuracy_unbiased",
    "accuracy_unbiased_ci",
    "kappa",
    "baseline_no_change",
    "events_per_second",
}
MORE = {
    "accuracy_sequence_ci",
    "calibration_error",
    "set_coverage",
    "set_coverage_ci",
    "gain_next_1000",
    "gain_next_1000_ci",
}
"""Beside those that others read."""


def asked(here: Place) -> list[str]:
    """A log with questions: the ids that were asked for."""
    here.quick("produce", "--data", here.data)
    here.quick("run", "--until-idle", 0)
    return [one["id"] for one in here.values("label-requests")]


def answers(here: Place, topic: str = "labels") -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in here.values(topic)}


def test_an_annotator_that_is_killed_loses_no_request(tmp_path: Path) -> None:
    """A label that was paid for and never came: the event would wait until it expires."""
    with place(tmp_path, rows=400, **ASKING) as here:
        requests = asked(here)
        slow = ("annotate", "--truth", here.data, "--delay", "lognormal:0.5,1")
        for _ in range(2):
            before = here.count("labels")
            annotator = here.start(*slow)
            until(lambda least=before: here.count("labels") > least + 5, "some answers")
            annotator.kill()
            annotator.communicate()
        assert len(answers(here)) < len(requests), "it was to be killed before it was done"
        here.ok("annotate", "--truth", here.data, "--until-idle", 0)
        given = answers(here)
        assert set(given) == set(requests)
        assert all(one["label"] == here.truth[id_] for id_, one in given.items())
        here.quick("run", "--until-idle", 0)
        counts = here.inspected()["counts"]
        assert counts["labels.learned"] + counts["labels.held_out"] == len(requests)


def test_annotators_err_at_the_rate_that_was_asked_for(tmp_path: Path) -> None:
    """Load tests compare runs: who answers what must be the same in each."""
    with place(tmp_path, rows=400, **ASKING) as here:
        requests = asked(here)
        crowd = ("annotate", "--error-rate", 0.3, "--annotators", 3, "--delay", "0.05")
        here.ok(*crowd, "--truth", here.data, "--until-idle", 0)
        first = answers(here)
        wrong = {id_ for id_, one in first.items() if one["label"] != here.truth[id_]}
        assert set(first) == set(requests)
        assert 0.15 < len(wrong) / len(requests) < 0.45
        names = {one["annotator"] for one in first.values()}
        assert names == {"annotator-0", "annotator-1", "annotator-2"}
        assert {one["request"] for one in first.values()} == {f"{id_}/1" for id_ in requests}
        with place(_made(tmp_path / "again"), rows=400, **ASKING) as again:
            assert asked(again) == requests
            again.quick(*crowd, "--truth", here.data, "--until-idle", 0)
            same = answers(again)
            for field in ("label", "annotator"):
                assert {i: o[field] for i, o in same.items()} == {
                    i: o[field] for i, o in first.items()
                }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_rows_without_a_label_are_not_answered(tmp_path: Path) -> None:
    """Real files have holes; they must not end the annotator."""
    with place(tmp_path, rows=4, budget={"cold_start": 4}) as here:
        assert len(asked(here)) == 4
        here.data.write_text("a,b,label\n1,2,down\n1,2,\n1,2,\n1,2,down\n")
        done = here.here("annotate", "--truth", here.data, "--until-idle", 0)
        assert done.exit_code == 0, done.output
        assert done.stderr.startswith("2 answers, 2 requests for events that")
        judged = here.here("evaluate", "--data", here.data)
        assert judged.exit_code == 2
        assert judged.stderr.startswith(f"stream-cl: {here.data}:3: `label` is missing")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--delay", "soon"), "--delay soon: give seconds"),
        (("--delay", "-1"), "--delay -1: give seconds"),
        (("--delay", "nan"), "--delay nan: give seconds"),
        (("--delay", "lognormal:0,1"), "--delay lognormal:0,1: give seconds"),
        (("--delay", "lognormal:1"), "--delay lognormal:1: give seconds"),
        (("--error-rate", "1.5"), "--error-rate"),
        (("--annotators", "0"), "--annotators"),
        (("--truth", "no.csv"), "no.csv: there is no such file"),
        (("--id", "none"), "--id none"),
    ],
)
def test_mistakes_of_annotate_are_named(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    with place(tmp_path, rows=3) as here:
        truth = () if "--truth" in options else ("--truth", here.data)
        done = here.here("annotate", *truth, *options)
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr
        assert not (tmp_path / "log.db").exists(), "a mistake leaves nothing behind"


def test_evaluate_gives_the_figures_that_others_read(tmp_path: Path) -> None:
    with place(tmp_path, rows=400, **ASKING) as here:
        one = json.loads(here.ok("evaluate", "--data", here.data, "--json"))
        assert set(one) == {*FIGURES, *MORE, "overflow_keys", "details", "seeds"}
        assert [{k: v for k, v in one.items() if k != "seeds"}] == one["seeds"]
        assert one["events"] == 400
        assert one["labels_asked"] == pytest.approx(100, abs=10)
        low, high = one["accuracy_ci"]
        assert 0.5 < low < one["accuracy"] < high < 1
        three = json.loads(
            here.quick("evaluate", "--data", here.data, "--seeds", 3, "--limit", 300, "--json")
        )
        assert [set(run) >= FIGURES for run in three["seeds"]] == [True] * 3
        assert {run["events"] for run in three["seeds"]} == {300}
        mean = sum(run["accuracy"] for run in three["seeds"]) / 3
        assert three["accuracy"] == pytest.approx(mean)
        assert len({json.dumps(run["accuracy_unbiased"]) for run in three["seeds"]}) > 1
        table = here.quick("evaluate", "--data", here.data)
        told = {line.split()[0] for line in table.splitlines()}
        assert told == {*FIGURES, *MORE, "overflow_keys", "recall", "next_1000_labels"}
        classes = {*here.truth.values()}
        assert set(one["details"]["classes"]) == classes
        assert sum(line.startswith("recall of ") for line in table.splitlines()) == len(classes)


def test_figures_that_nothing_is_known_of_are_shown_as_a_dash(tmp_path: Path) -> None:
    with place(tmp_path, rows=3, budget={"cold_start": 0}) as here:
        done = here.here("evaluate", "--data", here.data)
        assert done.exit_code == 0, done.output
        assert "accuracy_unbiased        –\n" in done.stdout


def test_an_encoder_that_is_too_narrow_is_told(tmp_path: Path) -> None:
    """Else a width without room for the interactions shows as a worse accuracy alone."""
    with place(tmp_path, rows=50, encoder={"interactions": [["a", "b"]]}) as here:
        evaluate = ("evaluate", "--data", here.data, "--json", "--set")
        told = [
            json.loads(here.quick(*evaluate, f"encoder.width={width}"))["overflow_keys"]
            for width in (2, 64)
        ]
    assert told == [50, 0]


def test_mistakes_of_evaluate_are_named(tmp_path: Path) -> None:
    with place(tmp_path, rows=3) as here:
        unlabelled = tmp_path / "plain.csv"
        unlabelled.write_text("a,b\n1,2\n")
        for options, message in (
            ((), "--data"),
            (("--data", tmp_path / "no.csv"), "no.csv: there is no such file"),
            (("--data", unlabelled), "plain.csv: has no column `label`"),
            (("--data", here.data, "--limit", 0), "--limit"),
        ):
            done = here.here("evaluate", *options)
            assert (done.exit_code, done.stdout) == (2, "")
            assert message in done.stderr


def test_river_gives_the_same_figures_in_every_process(tmp_path: Path) -> None:
    """Benchmarks are compared; what depends on the hash seed must not show in them."""
    learner = {"kind": "river", "model": "tree.HoeffdingAdaptiveTreeClassifier"}
    with place(tmp_path, rows=400, learner=learner, budget={"fraction": 0.5}) as here:
        runs = [json.loads(here.ok("evaluate", "--data", here.data, "--json")) for _ in range(2)]
        first, second = ({k: r[k] for k in FIGURES - {"events_per_second"}} for r in runs)
        assert first == second
