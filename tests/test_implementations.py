"""Every implementation is whole: its file, its config model, its arm in `build`, its line in the
contract suite. A half one would be found by the first user who names it in a config."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stream_cl import build
from stream_cl.config import (
    Config,
    budgets,
    encoding,
    kinds,
    learning,
    queries,
    section,
    sections,
)

ROOT = Path(__file__).resolve().parents[1]
BUILD = ast.parse((ROOT / "stream_cl" / "build.py").read_text())


class Family(NamedTuple):
    """What implements one protocol: where, how its classes are known, and their contract."""

    folder: str
    methods: frozenset[str]
    contract: str
    section: str | None


FAMILIES = (
    Family("learners", frozenset({"predict", "learn"}), "LearnerContract", "learner"),
    Family("query", frozenset({"utility"}), "StrategyContract", "query"),
    Family("budget", frozenset({"decide", "commit"}), "BudgetContract", "budget"),
    Family("memory", frozenset({"add", "sample"}), "MemoryContract", "memory"),
    Family("decode", frozenset({"encode", "commit"}), "EncoderContract", "encoder"),
    Family("decode", frozenset({"events", "labels"}), "DecoderContract", "format"),
    Family("transport", frozenset({"create_topic", "writer"}), "TransportContract", None),
)
NOT_BY_KIND = {
    "EveryLabel": "labels.join: every",
    "SqliteTransport": "transport: sqlite:///…",
    "KafkaTransport": "transport: kafka://…",
}
"""Classes that another key than a `kind` chooses."""
BUILDS_NOTHING = {"NoMemory"}
REQUIRED: dict[str, dict[str, Any]] = {
    "avro": {"registry": "http://127.0.0.1:1"},  # no record of these tests needs one
    "columns": {"columns": ["a"]},
    "vector": {"width": 3},
}
"""Settings without a default, by kind."""
REHEARSING: dict[str, Any] = {
    "learner": {"kind": "replay_mlp"},
    "memory": {"kind": "reservoir"},
}
"""A memory and the learner that rehearses from it come together."""


class Implementation(NamedTuple):
    family: Family
    file: Path
    name: str


def implementations() -> Iterator[Implementation]:
    """Every class of a family's folder that has the protocol's methods."""
    for family in FAMILIES:
        methods: dict[str, set[str]] = {}  # private files come first: others inherit from them
        for file in sorted((ROOT / "stream_cl" / family.folder).glob("*.py")):
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    named = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
                    named.update(*(methods.get(ast.unparse(base), ()) for base in node.bases))
                    methods[node.name] = named
                    protocol = any("Protocol" in ast.unparse(base) for base in node.bases)
                    if family.methods <= named and not protocol and file.stem[0] != "_":
                        yield Implementation(family, file, node.name)


ALL = list(implementations())
NAMES = {implementation.name for implementation in ALL}


def imported_by_build() -> set[str]:
    return {
        alias.name
        for node in ast.walk(BUILD)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def arms() -> list[tuple[str, set[str]]]:
    """(config model, implementations named in the arm) of every `match` in build."""
    found = []
    for match in (node for node in ast.walk(BUILD) if isinstance(node, ast.Match)):
        for case in match.cases:
            model = ast.unparse(case.pattern).partition("(")[0].rpartition(".")[2]
            used = {node.id for line in case.body for node in ast.walk(line)
                    if isinstance(node, ast.Name)}  # fmt: skip
            found.append((model, used & NAMES))
    return found


def contract_lines() -> dict[str, set[str]]:
    """contract → implementations that a test class of it names, in its body, or by a subclass
    that stands in its file."""
    found: dict[str, set[str]] = {family.contract: set() for family in FAMILIES}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        contracts: dict[str, str] = {name: name for name in found}
        bases: dict[str, set[str]] = {}
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {ast.unparse(base) for base in node.bases}
                for base in node.bases:
                    contract = contracts.get(ast.unparse(base))
                    if contract:
                        contracts[node.name] = contract
                        names = {i.id for i in ast.walk(node) if isinstance(i, ast.Name)}
                        found[contract] |= names.union(*(bases.get(n, ()) for n in names))
    return found


def test_the_families_are_found():
    """A guard against a test that finds nothing and says that all is well."""
    assert {"Softmax", "RandomSampling", "FractionBudget", "EveryLabel", "HashingEncoder",
            "SqliteTransport"} <= NAMES  # fmt: skip


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_an_implementation_can_be_named_in_a_config(one):
    """Code that no config reaches is dead."""
    by_kind = one.name in {name for _, used in arms() for name in used}
    assert by_kind or (one.name in NOT_BY_KIND and one.name in imported_by_build()), (
        f"{one.file.relative_to(ROOT)}: {one.name} has no arm in a `match` of stream_cl/build.py"
    )


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_an_implementation_stands_in_the_contract_suite(one):
    """What every other implementation promises is tested for this one too."""
    assert one.name in contract_lines()[one.family.contract], (
        f"{one.file.relative_to(ROOT)}: no test class of {one.family.contract} makes {one.name}"
    )


MODELS = [
    (family.section, kind, model)
    for family in FAMILIES
    if family.section
    for kind, model in kinds(family.section).items()
]


@pytest.mark.parametrize(("section", "kind", "model"), MODELS, ids=str)
def test_a_kind_has_its_arm_in_build(section, kind, model):
    """Else `check` says that a config is right and `run` fails."""
    made = [used for name, used in arms() if name == model.__name__]
    assert made or model.__name__ in BUILDS_NOTHING, f"{section}.kind: {kind} builds nothing"
    most = 0 if model.__name__ in BUILDS_NOTHING else 1
    assert all(len(used) == most for used in made), f"{kind} is one class"


@pytest.mark.parametrize(("section", "kind", "model"), MODELS, ids=str)
def test_a_kind_builds_a_pipeline_that_runs(section, kind, model, tmp_path):
    """By default settings, from a config to a learned label."""
    from stream_cl.testing.driver import TestDriver

    given = {section: {"kind": kind, **REQUIRED.get(kind, {})}}
    if kind == "replay_mlp" or (section == "memory" and kind != "none"):
        given = REHEARSING | given
    with TestDriver(given, tmp_path) as driver:
        values = [b'{"id":"%d","time":1,"vector":[1,2,%d],"label":"a"}' % (i, i) for i in range(3)]
        if kind == "vector":
            driver.pipe("events", values)
        else:
            driver.events([{"a": 1.0}, {"a": 2.0}, {"a": 3.0}], label="a")
        driver.settle()
        assert len(driver.read("predictions")) == 3
        assert driver.pipeline is not None
        assert driver.pipeline.state.learned == 3
        assert isinstance(driver.config, Config)
        assert getattr(driver.config, section).kind == kind


def test_every_section_with_kinds_is_a_family_here():
    """A new section whose implementations nobody looks at."""
    with_kinds = {name for name in Config.model_fields if kinds(name)}
    assert with_kinds == {family.section for family in FAMILIES if family.section}


def test_every_model_with_a_kind_is_in_its_union():
    """A config model that no union names cannot be given."""
    models = {
        value.__name__
        for module in (budgets, encoding, learning, queries, sections)
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, section.Section)
        and "kind" in value.model_fields
    }
    assert models == {model.__name__ for _, _, model in MODELS}


def test_every_match_in_build_ends_in_assert_never():
    """So that the type checker finds a kind without an arm."""
    matches = [node for node in ast.walk(BUILD) if isinstance(node, ast.Match)]
    assert matches
    for match in matches:
        last = match.cases[-1]
        assert ast.unparse(last.pattern) == "_", f"build.py:{match.lineno}"
        assert "assert_never" in ast.unparse(last.body[0]), f"build.py:{match.lineno}"


def test_labels_for_every_event_need_no_budget_of_a_kind():
    from stream_cl.budget.every import EveryLabel

    config = Config.model_validate({"labels": {"join": "every"}})
    assert type(build.budget(config)) is EveryLabel
