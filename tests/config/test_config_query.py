"""Strategies around strategies: what a config may say, and what is said where it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stream_cl import build
from stream_cl.config import Config, public
from stream_cl.config.file import load
from stream_cl.config.queries import UncertaintyQuery
from stream_cl.config.template import json_schema, template
from stream_cl.core.errors import ConfigError

NESTED = """\
query:
  kind: class_balance
  strength: 0.5
  of:
    kind: stochastic
    of: {measure: entropy}
"""


def read(folder: Path, text: str, *sets: str) -> Config:
    (folder / "c.yaml").write_text(text)
    return load(folder / "c.yaml", sets, {})


def mistakes(folder: Path, text: str, *sets: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read(folder, text, *sets)
    return str(raised.value).replace(f"{folder}/", "").splitlines()


def test_a_strategy_in_a_strategy_in_a_strategy(tmp_path):
    """With the default kind where none is given, and called by all of them in a request."""
    config = read(tmp_path, NESTED)
    assert config.query.of.of == UncertaintyQuery(measure="entropy")
    built = build.strategy(config.query, 4, 0, 10)
    expected = "class_balance_of_stochastic_of_uncertainty"
    assert built.name == build.strategy_name(config.query) == expected


def test_a_wrapper_alone_is_around_the_default(tmp_path):
    config = read(tmp_path, "query: {kind: cost_aware}")
    assert config.query.of == UncertaintyQuery()
    assert read(tmp_path, "query: {kind: cost_aware, of: }") == config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "query:\n  kind: class_balance\n  of:\n    kind: cost_aware\n    of:\n"
            "      kind: class_balance",
            ["c.yaml:6: query.of.of.kind: class_balance is around itself; give each of them once"],
        ),
        (
            "query:\n  kind: class_balance\n  strength: 99\n  of:\n    kind: burst_on_drift\n"
            "    signal: sometimes\n    of:\n      kind: uncertanty",
            [
                "c.yaml:3: query.strength: 99 is out of bounds; give a number from 0 to 10",
                "c.yaml:6: query.of.signal: 'sometimes' is not among them; there are uncertainty, "
                "error",
                "c.yaml:8: query.of.of.kind: 'uncertanty' is not among them; did you mean "
                "uncertainty?",
            ],
        ),
        (
            "query: {kind: class_balance, of: random}",
            ["c.yaml:1: query.of: 'random' is text; give a mapping of keys"],
        ),
        (
            "query: {kind: class_balance, of: {kind: random, measure: margin}}",
            ["c.yaml:1: query.of.measure: no such key; there is kind"],
        ),
    ],
)
def test_mistakes_inside_are_found_at_their_place(tmp_path, text, expected):
    assert mistakes(tmp_path, text) == expected


def test_another_kind_inside_leaves_out_what_the_old_one_was_given(tmp_path):
    """As it does outside: one `--set` compares two strategies in the same wrapper."""
    text = "query: {kind: class_balance, of: {kind: uncertainty, measure: entropy}}"
    assert read(tmp_path, text, "query.of.kind=random").query.of.kind == "random"
    assert read(tmp_path, NESTED, "query.kind=random").query.kind == "random"
    assert read(tmp_path, NESTED, "query.of.of.measure=margin").query.of.of.measure == "margin"


def test_a_file_written_from_such_a_config_gives_it_again(tmp_path):
    config = read(tmp_path, NESTED)
    text = template(config)
    assert public(read(tmp_path, text)) == public(config)
    assert all(len(line) <= 100 for line in text.splitlines())


def test_the_schema_knows_what_may_stand_inside(tmp_path):
    schema = json_schema(read(tmp_path, NESTED))
    definition = schema["$defs"]["ClassBalanceQuery"]
    inside = definition["properties"]["of"]["discriminator"]["mapping"]
    assert set(inside) == set(schema["properties"]["query"]["discriminator"]["mapping"])
    assert "kind" in definition["required"]


def test_absurd_depth_is_one_mistake(tmp_path):
    """And no traceback."""
    deep = {"kind": "random"}
    for _ in range(150):
        deep = {"kind": "class_balance", "of": deep}
    found = mistakes(tmp_path, yaml.safe_dump({"query": deep}))
    assert len(found) == 1
    assert "is around itself" in found[0]
