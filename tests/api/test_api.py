"""The interface for notebooks: what a user types, and what is said when it is wrong.

Longer than other files, because half of it is a table of mistakes.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

import stream_cl
from stream_cl import api, api_config
from stream_cl.config import Config
from stream_cl.core.errors import CheckpointCorrupt, StateIncompatible
from stream_cl.testing.driver import TestDriver

MODULES = [
    "stream_cl", "stream_cl.api", "stream_cl.api_records", "stream_cl.api_log",
    "stream_cl.api_frames", "stream_cl.api_html",
]  # fmt: skip
SMALL = {"encoder": {"kind": "hashing", "width": 8}, "seed": 3}


def events(n: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"x": float(i % 7), "even": i % 2 == 0} for i in range(start, start + n)]


def answered(pipeline: stream_cl.Pipeline, n: int) -> stream_cl.Pipeline:
    """After n events, each question answered after the step that asked it."""
    done = int(pipeline.counts.get("predictions", 0))
    for event in events(n, done):
        pipeline.feed([event])
        pipeline.answer({r.id: str(r.features["even"]) for r in pipeline.requests})
    return pipeline


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name: str) -> None:
    """They are what a newcomer copies first."""
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_every_public_name_has_an_example() -> None:
    for name in ("Pipeline", "Prediction", "LabelRequest"):
        assert ">>>" in inspect.getdoc(getattr(stream_cl, name)), name
    for name, member in vars(api.Pipeline).items():
        function = getattr(member, "__func__", getattr(member, "fget", member))
        if not name.startswith("_") and callable(function):
            assert ">>>" in (function.__doc__ or ""), name


def test_every_name_of_all_is_there_and_no_other_is_invented() -> None:
    assert {name for name in stream_cl.__all__ if getattr(stream_cl, name) is None} == set()
    assert set(stream_cl.__all__) <= set(dir(stream_cl))
    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        _ = stream_cl.Pipelin


def test_import_stream_cl_waits_for_nothing_heavy() -> None:
    """Else every command, `--help` too, takes a second to begin."""
    heavy = "{'numpy', 'pydantic', 'torch', 'river', 'orjson'}"
    program = f"import sys, stream_cl; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_section_is_an_argument_or_needs_a_log() -> None:
    """A section that is neither could be set in a file only."""
    arguments = set(inspect.signature(stream_cl.Pipeline).parameters)
    no_log = {key for key in api_config.LOG_ONLY if "." not in key}
    assert arguments | no_log == set(Config.model_fields)
    assert not arguments & no_log


# --- the steps ---


def test_it_predicts_what_the_pipeline_over_a_log_predicts(tmp_path: Path) -> None:
    """A notebook that shows other figures than production is worse than none."""
    config = {**SMALL, "step": {"max_events": 4}, "budget": {"fraction": 0.5}}
    pipeline = stream_cl.Pipeline(**config)
    rows = events(40)
    found = pipeline.feed(rows)
    with TestDriver(config, tmp_path) as driver:
        driver.events(rows)
        driver.settle()
        published = [record.value for record in driver.read("predictions")]
    assert [(p.id, p.asked, p.propensity, p.reason) for p in found] == [
        (v["id"], v["asked"], v["propensity"], v["reason"]) for v in published
    ]
    fields = set(published[0]) - {"v"}
    assert fields == set(stream_cl.Prediction.__dataclass_fields__)


def test_one_by_one_and_saved_in_between_it_is_the_same_run(tmp_path: Path) -> None:
    """Who closes the notebook and goes on tomorrow must not get another stream."""
    whole = answered(stream_cl.Pipeline(**SMALL), 120)
    half = answered(stream_cl.Pipeline(**SMALL), 60)
    half.save(tmp_path / "half.safetensors")
    again = answered(stream_cl.Pipeline.load(str(tmp_path / "half.safetensors")), 60)
    assert again.snapshot()["digest"] == whole.snapshot()["digest"]
    assert again.counts == whole.counts
    assert again.figures() == whole.figures()
    assert again.feed(events(50)) == whole.feed(events(50))


def test_open_questions_survive_saving(tmp_path: Path) -> None:
    pipeline = stream_cl.Pipeline(**SMALL)
    pipeline.feed(events(8))
    pipeline.save(tmp_path / "p")
    again = stream_cl.Pipeline.load(tmp_path / "p")
    assert again.requests == pipeline.requests
    assert again.requests
    assert again.answer(again.requests[0].id, 1) == {"learned": 1}
    assert len(again.requests) == len(pipeline.requests) - 1


def test_the_memory_of_a_rehearsing_learner_is_saved(tmp_path: Path) -> None:
    config = {**SMALL, "learner": {"kind": "replay_mlp"}, "memory": {"kind": "reservoir"}}
    pipeline = answered(stream_cl.Pipeline(**config), 40)
    pipeline.save(tmp_path / "p")
    again = stream_cl.Pipeline.load(tmp_path / "p")
    assert answered(again, 20).feed(events(5)) == answered(pipeline, 20).feed(events(5))


def test_questions_expire_by_the_number_of_records() -> None:
    pipeline = stream_cl.Pipeline(**SMALL, labels={"ttl_s": 0.01})
    pipeline.feed(events(1))
    assert [r.id for r in pipeline.requests] == ["0"]
    pipeline.feed(events(40))
    assert "0" not in [r.id for r in pipeline.requests]
    assert pipeline.answer("0", "a") == {"late": 1}
    assert pipeline.dead_letters[-1].code == "late_label"


def test_requests_forgotten_by_the_reader_stay_bounded() -> None:
    config = {**SMALL, "budget": {"fraction": 1.0}, "step": {"max_events": 2}}
    labels = {"pending_capacity": 5, "ttl_s": 0.004}
    pipeline = stream_cl.Pipeline(**config, labels=labels)
    pipeline.feed(events(500))
    assert len(pipeline._requests) <= 2 * 5 + 2
    assert len(pipeline.requests) <= 5


def test_numbers_of_numpy_and_vectors_are_taken() -> None:
    """Notebooks hold arrays; a row of one is an event, and its label is a numpy number."""
    pipeline = stream_cl.Pipeline(encoder={"kind": "vector", "width": 3})
    assert len(pipeline.feed(np.eye(3))) == 3
    assert len(pipeline.feed([[1, 2, 3], (4.0, 5.0, 6.0)])) == 2
    assert pipeline.answer({"0": np.int64(4), "1": np.str_("a")}) == {"learned": 2}
    assert pipeline.answer("2", np.bool_(True)) == {"learned": 1}
    assert set(pipeline.feed([{"vector": np.ones(3)}])[0].probabilities) == {"4", "a", "true"}
    columns = stream_cl.Pipeline(encoder={"kind": "columns", "columns": ["x"]})
    assert len(columns.feed([{"x": np.float32(1.5)}, {"x": np.nan}, {"x": np.int8(1)}])) == 3


def test_records_bring_their_labels() -> None:
    pipeline = stream_cl.Pipeline(**SMALL)
    records = [{"id": f"e{i}", "features": {"x": i % 2}, "label": i % 2} for i in range(4)]
    assert [p.reason for p in pipeline.feed(records)] == ["not_allowed"] * 4
    assert pipeline.counts["labels.learned"] == 4
    assert set(pipeline.feed([{"x": 1}])[0].probabilities) == {"0", "1"}


def test_what_cannot_be_used_is_a_dead_letter_and_the_rest_goes_on() -> None:
    pipeline = stream_cl.Pipeline(**SMALL)
    found = pipeline.feed([{"id": 5, "features": {}}, {"x": 1.0}, {"id": "1", "features": {}}])
    assert [p.id for p in found] == ["1"]
    assert [letter.code for letter in pipeline.dead_letters] == ["bad_id", "duplicate_id"]
    assert pipeline.counts["dead_letters.bad_id"] == 1


# --- what is wrong is said in a line ---


class Table:
    """Like a data frame: iterating gives the names of its columns."""

    def iterrows(self) -> None: ...

    def __iter__(self) -> Any:
        return iter(["x", "y"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"x": 1}, "give a list of events"),
        ("text", "give a list of events"),
        (5, "give a list of events"),
        (None, "give a list of events"),
        (Table(), "to_dict"),
        (["x"], r"events\[0\]: 'x' is of type str; give a dict"),
        ([{"x": 1}, None], r"events\[1\]: None is of type NoneType"),
        ([{"x": {1, 2}}], r"events\[0\]: feature 'x' is of type set"),
        ([{"x": [1]}], r"feature 'x' is of type list"),
        ([{"x": float("inf")}], "feature 'x' is infinite"),
        ([{"x": np.float32("-inf")}], "feature 'x' is infinite"),
        ([{"x": 1, "label": "a"}], "`label` among the features"),
        ([{1: 2}], r"events\[0\]: cannot be written as JSON"),
        ([{"x": "\ud800"}], "cannot be written as JSON"),
        ([{"x": 2**70}], "cannot be written as JSON"),
        ([{"vector": [object()]}], "cannot be written as JSON"),
    ],
)
def test_no_event_at_all_is_a_user_error(wrong: Any, said: str) -> None:
    """A traceback from inside says nothing; and a batch is taken whole or not at all."""
    pipeline = stream_cl.Pipeline(**SMALL)
    with pytest.raises(stream_cl.UserError, match=said):
        pipeline.feed(wrong)
    with pytest.raises(stream_cl.UserError):
        pipeline.feed([{"x": 1.0}, *([object()] if not isinstance(wrong, list) else wrong)])
    assert pipeline.counts == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (({0: "a"},), "the id 0 is of type int"),
        (("0",), "an id and a label"),
        ((7,), "give a dict of id → label"),
        (({"0": "a"}, "b"), "give a dict of id → label"),
        (({"0": ""},), "`label` is empty"),
        (({"0": float("nan")},), "None to abstain"),
        (({"0": ["a"]},), "not a string"),
        (({"0": "a" * 1000},), "longer than 256 bytes"),
        (({"\ud800": "a"},), "cannot be written as JSON"),
        (({"0": "\ud800"},), "cannot be written as JSON"),
        (({"0": 2**70},), "cannot be written as JSON"),
        ((["0"], "a"), "is of type list"),
        (({"0": object()},), "of type|not a string"),
    ],
)
def test_a_wrong_answer_is_a_user_error(arguments: Any, said: str) -> None:
    pipeline = stream_cl.Pipeline(**SMALL)
    pipeline.feed([{"x": 1}])
    with pytest.raises(stream_cl.UserError, match=said):
        pipeline.answer(*arguments)
    assert len(pipeline.requests) == 1


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"seed": -1}, "seed: -1 is out of bounds"),
        ({"budget": {"fractoin": 0.1}}, "budget.fractoin: no such key; did you mean fraction"),
        ({"learner": "softmax"}, "learner: "),
        ({"learner": {"kind": "replay_mlp"}}, "memory.kind: none"),
        ({"step": {"poll_ms": 3.0}}, "step.poll_ms: has no effect without a log"),
        ({"encoder": {"kind": "columns"}}, "encoder.columns: is missing"),
    ],
)
def test_a_wrong_setting_is_named(sections: Any, said: str) -> None:
    with pytest.raises(stream_cl.ConfigError) as caught:
        stream_cl.Pipeline(**sections)
    assert said in str(caught.value)


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(stream_cl.ConfigError) as caught:
        stream_cl.Pipeline(seed=-1, step={"max_ms": 1.0, "max_events": 0})
    assert len(caught.value.mistakes) == 3


def test_a_config_file_gives_the_same_pipeline(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "seed: 3\nencoder: {kind: hashing, width: 8}\nhttp: {port: 9000}\ntopics: {prefix: a.}\n"
    )
    rows = events(20)
    from_file = stream_cl.Pipeline.from_config(file)
    assert from_file.feed(rows) == stream_cl.Pipeline(**SMALL).feed(rows)
    assert from_file.requests


def test_a_file_that_is_no_saved_pipeline_is_named(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_bytes(b"nothing")
    with pytest.raises(CheckpointCorrupt, match=r"p: not a checkpoint"):
        stream_cl.Pipeline.load(file)
    with pytest.raises(stream_cl.UserError, match="cannot be written"):
        stream_cl.Pipeline().save(tmp_path / "no" / "folder")
    with pytest.raises(stream_cl.UserError, match="cannot be read"):
        stream_cl.Pipeline.load(tmp_path)


def test_a_snapshot_of_another_pipeline_is_refused_and_changes_nothing() -> None:
    pipeline = answered(stream_cl.Pipeline(**SMALL), 10)
    before = pipeline.snapshot()
    with pytest.raises(stream_cl.UserError, match="another budget, encoder, seed"):
        pipeline.restore(stream_cl.Pipeline(budget={"fraction": 0.5}).snapshot())
    for change, error in (
        ({"format": 99}, StateIncompatible),
        ({"state": {}}, StateIncompatible),
        ({"config": {"gone": 1}}, StateIncompatible),
        ({"digest": "0-0"}, CheckpointCorrupt),
    ):
        with pytest.raises(error):
            pipeline.restore({**before, **change})
    with pytest.raises(CheckpointCorrupt):
        pipeline.restore({})
    assert orjson.dumps(pipeline.counts) == orjson.dumps(before["state"]["scalars"]["counts"])
    assert pipeline.snapshot()["digest"] == before["digest"]
