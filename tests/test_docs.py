"""The documents say what the program does: every example, table, link and name is checked.

Longer than other files, because each table of the documents has its own small test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import typer

from stream_cl.cli.main import app
from stream_cl.config import Config, kinds
from stream_cl.config.section import Section
from stream_cl.core.protocols import REASONS
from stream_cl.core.records import DEAD_LETTER_CODES, RawRecords
from stream_cl.core.topics import NAMES
from stream_cl.decode.json_events import decode_events
from stream_cl.decode.json_labels import decode_labels
from stream_cl.labels.join import FATES
from stream_cl.pipeline.control import COMMANDS
from stream_cl.testing.driver import TestDriver

ROOT: Final = Path(__file__).resolve().parents[1]
README: Final = ROOT / "README.md"
RECORDS: Final = (ROOT / "docs" / "records.md").read_text()
ARCHITECTURE: Final = (ROOT / "docs" / "architecture.md").read_text()
PAGES: Final = [
    README,
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "deploy" / "grafana" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = len(heading.partition(" ")[0])
    after = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"\n#{{1,{level}}} ", after)[0]


def blocks(text: str, language: str | None = None) -> list[str]:
    """The blocks of code, of one language if it is named."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [body for name, body in found if language in {None, name}]


def prose(text: str) -> str:
    """Without the blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def tables(text: str) -> dict[str, list[list[str]]]:
    """First heading → rows of each table, cells stripped of space."""
    found: dict[str, list[list[str]]] = {}
    for table in re.findall(r"((?:^\|.*\n)+)", text, re.MULTILINE):
        head, _, *rows = [
            [cell.strip() for cell in line.split("|")[1:-1]] for line in table.split("\n")[:-1]
        ]
        found.setdefault(head[0], []).extend(rows)
    return found


def ticked(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def names_in(text: str, heading: str) -> set[str]:
    """What the first column of a table names."""
    return {name for row in tables(text)[heading] for name in ticked(row[0])}


def raw(topic: str, *values: str) -> RawRecords:
    n = len(values)
    encoded: list[bytes | None] = [value.encode() for value in values]
    return RawRecords(topic, [0] * n, list(range(n)), [None] * n, encoded, [()] * n)


# --- records.md ---


@pytest.mark.parametrize("example", blocks(RECORDS, "json"))
def test_every_example_is_json(example: str) -> None:
    assert isinstance(orjson.loads(example), dict)


def test_the_examples_of_events_are_taken() -> None:
    """Who copies an example must not find it among the dead letters."""
    events, dead = decode_events(raw("events", *blocks(section(RECORDS, "## events"), "json")))
    assert not dead
    assert events.ids == ["order-17", "img-4", "/shop/berlin#42"]


def test_the_examples_of_labels_are_taken() -> None:
    labels, dead = decode_labels(raw("labels", *blocks(section(RECORDS, "## labels"), "json")))
    assert not dead
    assert [(one.id, one.label) for one in labels] == [("order-17", "fraud"), ("order-18", None)]


def test_the_tables_name_what_the_code_names() -> None:
    letters = section(RECORDS, "## dead-letters")
    assert names_in(letters, "code") == set(DEAD_LETTER_CODES)
    assert names_in(section(RECORDS, "## labels"), "fate") == set(FATES)
    assert names_in(section(RECORDS, "## control"), "command") == set(COMMANDS)
    assert names_in(section(RECORDS, "## predictions"), "reason") == set(REASONS)
    assert names_in(RECORDS, "topic") == set(NAMES)
    headings = set(re.findall(r"^## (.+)$", RECORDS, re.MULTILINE))
    assert headings == set(NAMES)


def test_the_fates_name_codes_that_there_are() -> None:
    for row in tables(section(RECORDS, "## labels"))["fate"]:
        assert set(ticked(row[3])) <= set(DEAD_LETTER_CODES), row


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> TestDriver:
    """A run that asks, withdraws, refuses and answers."""
    config = {"encoder": {"kind": "hashing", "width": 8}, "labels": {"ttl_s": 10.0}}
    with TestDriver(config, tmp_path_factory.mktemp("documents")) as driver:
        ids = driver.events([{"x": float(i % 3)} for i in range(20)])
        driver.pipe("events", [b"{"])
        driver.settle()
        driver.labels({ids[0]: "a", ids[1]: "b"})
        driver.settle()
        driver.clock.advance(seconds=60)
        driver.settle()
        driver.events([{"x": 1.0}])
        driver.settle()
    return driver


def test_what_is_published_is_what_is_documented(published: TestDriver) -> None:
    """A field that is not in the document, or is there and nowhere else, misleads a reader."""
    with TestDriver(published.config.model_dump(), published.folder) as driver:
        predictions, requests = driver.read("predictions"), driver.read("label-requests")
        letters, entries = driver.read("dead-letters"), driver.read("manifest")
    (example,) = map(orjson.loads, blocks(section(RECORDS, "## predictions"), "json"))
    fields = names_in(section(RECORDS, "## predictions"), "field")
    assert set(predictions[-1].value) == fields == set(example)
    headers = {"step", "incarnation", "topic", "partition", "offset"}
    assert set(predictions[-1].headers) == headers

    part = section(RECORDS, "## label-requests")
    for example in map(orjson.loads, blocks(part, "json")):
        like = next(r for r in requests if r.value["status"] == example["status"])
        assert set(like.value) == set(example), example["status"]
        assert set(example) <= names_in(part, "field")
    assert names_in(part, "field") - set(requests[0].value) == {
        "vector",
        "features_left_out",
        "supersedes",
    }

    assert set(letters[0].headers) == headers | {"code", "reason"}

    tables_of = section(RECORDS, "## manifest").split("Fields of a record of kind")
    for kind in ("open", "step"):
        fields = names_in(
            "Fields".join(t for t in tables_of if t.startswith(f" `{kind}`")), "field"
        )
        assert fields == set(next(r.value for r in entries if r.value["kind"] == kind)), kind


# --- what any page names ---


def targets(text: str) -> Iterator[str]:
    yield from re.findall(r"\]\(([^)\s]+)\)", prose(text))


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in targets(page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text()), target


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every `stream-cl NAME …`: the name and the options that are given."""
    code = "\n".join([*blocks(text), *ticked(prose(text))])
    for name, rest in re.findall(r"stream-cl ([a-z]+(?:-[a-z]+)*)([^\n#]*)", code):
        yield name, re.findall(r"(?<!\S)--[a-z-]+", rest)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_exist_with_their_options(page: Path) -> None:
    """A command that a reader types must not be answered with its usage."""
    group = typer.main.get_command(app)
    known: dict[str, Any] = group.commands  # type: ignore[attr-defined]
    for name, options in commands(page.read_text()):
        assert name in known, f"stream-cl {name}"
        there = {option for parameter in known[name].params for option in parameter.opts}
        assert set(options) <= there, f"stream-cl {name}: {options}"


def test_make_targets_exist() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    code = "\n".join([*blocks(text), *ticked(prose(text))])
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = set(re.findall(r"\bmake ([a-z-]+)", code))
    assert {"demo", "test"} <= asked <= made


def keys() -> dict[str, set[str]]:
    """Section → its keys, those of every kind together."""
    found: dict[str, set[str]] = {}
    for name, field in Config.model_fields.items():
        models: list[Any] = list(kinds(name).values()) or [type(field.default)]
        fields = {f for m in models if issubclass(m, Section) for f in m.model_fields}
        if fields:
            found[name] = fields
    return found


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_config_keys_exist(page: Path) -> None:
    """A key that the documents name must be one that `check` takes."""
    sections = keys()
    for word in ticked(prose(page.read_text())):
        match = re.fullmatch(r"([a-z_]+)\.([a-z_]+)(?:[:=].*)?", word)
        if match and match[1] in sections and match[2] != "py":
            # `labels.learned` and the like are names of counts.
            assert match[2] in sections[match[1]] | set(FATES), f"{word} in {named(page)}"
    for key in re.findall(r"--set ([a-z_.]+)=\w", page.read_text()):
        section_, _, name = key.partition(".")
        if section_ != "key":
            assert name in sections[section_] if name else section_ in Config.model_fields, key


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_and_tests_exist(page: Path) -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    tests = set(re.findall(r"^def (test_\w+)", code, re.MULTILINE))
    for word in ticked(prose(page.read_text())):
        if re.fullmatch(r"[\w/]+\.py", word):
            assert (ROOT / word).exists() or (ROOT / "stream_cl" / word).exists(), word
        if re.fullmatch(r"test_\w+", word):
            assert word in tests, word


# --- README.md and architecture.md ---


def test_the_folder_map_names_the_folders() -> None:
    """A map that lacks a folder, or has one too many, sends a newcomer astray."""
    (drawn,) = [block for block in blocks(README.read_text(), "") if "stream_cl/" in block]
    inside = set(re.findall(r"^  (\w+)/", drawn, re.MULTILINE))
    modules = (ROOT / "stream_cl").glob("*/*.py")
    packages = {path.parent.name for path in modules if path.name != "__init__.py"}
    assert inside == packages
    for outside in re.findall(r"^(\w+)/", drawn, re.MULTILINE):
        assert (ROOT / outside).is_dir(), outside


def test_the_table_of_kinds_is_whole() -> None:
    rows = tables(section(README.read_text(), "## What there is today"))["section"]
    assert {ticked(row[0])[0] for row in rows} == {name for name in keys() if kinds(name)}
    for row in rows:
        name = ticked(row[0])[0]
        assert set(ticked(row[1])) == set(kinds(name)), name


def defaults(key: str) -> set[str]:
    """The default of a key, that of each kind of its section that has it."""
    name, _, setting = key.partition(".")
    models: list[Any] = list(kinds(name).values()) or [type(getattr(Config(), name))]
    fields = [model.model_fields for model in models]
    return {str(of[setting].default) for of in fields if setting in of}


def test_the_table_of_stores_has_the_defaults() -> None:
    for _, key, default, _ in tables(section(ARCHITECTURE, "## Memory"))["store"]:
        for name in ticked(key):
            if "." in name:
                assert default in defaults(name), name


def test_the_architecture_names_types_that_there_are() -> None:
    """Who looks for a type in the file that the table names must find it there."""
    for types, files, _ in tables(section(ARCHITECTURE, "## Layers"))["type"]:
        code = "\n".join((ROOT / "stream_cl" / file).read_text() for file in ticked(files))
        for name in ticked(types):
            assert re.search(rf"^(class|def) {name}\b", code, re.MULTILINE), name


def test_a_quarantined_label_is_found_by_its_code() -> None:
    """Who sees the count must be told under which code the letters stand."""
    rows = {ticked(row[0])[0]: row for row in tables(section(RECORDS, "## labels"))["fate"]}
    assert ticked(rows["quarantined"][3]) == ["quarantined"]


def test_what_is_not_there_yet_is_not_there() -> None:
    """A list of gaps that names what the program has sends a reader away for nothing."""
    gaps = section(README.read_text(), "### Not there yet")
    there = {kind for name in keys() for kind in kinds(name)} - {"none"}
    assert not there & set(ticked(gaps))


def test_the_crash_table_names_fault_points() -> None:
    from stream_cl.core.faults import FAULT_POINTS

    rows = tables(section(ARCHITECTURE, "## The manifest and recovery"))["crash, or what is wrong"]
    points = {word for row in rows for word in ticked(row[2]) if not word.startswith("test_")}
    # Passed while replaying and while closing; both have tests of their own names.
    assert points == set(FAULT_POINTS) - {"replayed-step", "closing"}
