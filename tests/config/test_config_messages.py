"""Every mistake in a config is one line that says where, what, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.config import Config
from stream_cl.config.file import load
from stream_cl.core.errors import ConfigError


def mistakes(folder: Path, text: str | bytes, *sets: str, **environ: str) -> list[str]:
    """The lines of the mistakes, without the folder."""
    path = folder / "c.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load(path, sets, environ)
    return [line.replace(str(path), "c.yaml") for line in caught.value.mistakes]


CASES = {
    "unknown key": ("stpe: {}", "c.yaml:1: stpe: no such key; did you mean step?"),
    "unknown key in a section": (
        "step:\n  frobnicate: 3",
        "c.yaml:2: step.frobnicate: no such key; there are max_events, max_ms, poll_ms",
    ),
    "below the bound": (
        "\nstep:\n  max_events: 0",
        "c.yaml:3: step.max_events: 0 is out of bounds; give a whole number from 1 to 100000",
    ),
    "open bounds": (
        "budget: {fraction: 0}",
        "c.yaml:1: budget.fraction: 0 is out of bounds; give a number above 0 and at most 1",
    ),
    "text for a number": (
        "step: {max_events: many}",
        "c.yaml:1: step.max_events: 'many' is text; give a whole number from 1 to 100000",
    ),
    "quoted number": (
        "seed: '5'",
        "c.yaml:1: seed: '5' is text; give a whole number from 0 to 9223372036854775807",
    ),
    "null where a number must be": (
        "budget: {fraction: null}",
        "c.yaml:1: budget.fraction: null is no value; give a number above 0 and at most 1",
    ),
    "yes is a boolean": (
        "http: {port: yes}",
        "c.yaml:1: http.port: yes is a boolean (true or false) in YAML;"
        " give a whole number from 0 to 65535",
    ),
    "no is no word": (
        "start: no",
        "c.yaml:1: start: no is a boolean (true or false) in YAML; give one of earliest, latest",
    ),
    "a number for a name": (
        "encoder: {kind: columns, columns: [a, 1]}",
        'c.yaml:1: encoder.columns[1]: 1 is a whole number; give text, in quotes to mean "1"',
    ),
    "octal": (
        "seed: 010",
        "c.yaml:1: seed: 010 is octal in YAML and means 8; write 8 or 10",
    ),
    "date": (
        "topics:\n  prefix: 2024-05-01",
        "c.yaml:2: topics.prefix: 2024-05-01 is a date in YAML; put it in quotes",
    ),
    "base sixty": (
        "step: {poll_ms: 1:30}",
        "c.yaml:1: step.poll_ms: 1:30 counts in sixties in YAML; put it in quotes",
    ),
    "infinity": (
        "labels: {ttl_s: .inf}",
        "c.yaml:1: labels.ttl_s: .inf is not finite; give a finite number",
    ),
    "not a number, where anything may stand": (
        "learner: {kind: river, parameters: {x: .nan}}",
        "c.yaml:1: learner.parameters.x: .nan is not finite; give a finite number",
    ),
    "boolean key": (
        "learner:\n  kind: river\n  parameters:\n    on: 1",
        "c.yaml:4: learner.parameters: the key 'on' is a bool in YAML; put it in quotes",
    ),
    "list as a key": ("? [a]\n: 3", "c.yaml:1: a key is a list or a mapping; give it a name"),
    "duplicate key": (
        "seed: 1\nstep: {}\nseed: 2",
        "c.yaml:3: seed: stands there twice, first at c.yaml:1; remove one",
    ),
    "unknown kind": (
        "learner:\n  kind: sofmax",
        "c.yaml:2: learner.kind: 'sofmax' is not among them; did you mean softmax?",
    ),
    "unknown kind, nothing close": (
        "memory: {kind: zzz}",
        "c.yaml:1: memory.kind: 'zzz' is not among them; there are none, reservoir, class_balanced",
    ),
    "unknown kind where there is one": (
        "memory: {kind: lifo}",
        "c.yaml:1: memory.kind: 'lifo' is not among them; there are none, reservoir,"
        " class_balanced",
    ),
    "a setting of another kind": (
        "learner: {kind: majority, l2: 0.1}",
        "c.yaml:1: learner.l2: no such key; there are max_classes, kind",
    ),
    "a word that is not offered": (
        "labels: {join: evry}",
        "c.yaml:1: labels.join: 'evry' is not among them; did you mean every?",
    ),
    "missing setting": (
        "seed: 1\nencoder: {kind: vector}",
        "c.yaml:2: encoder.width: is missing; give a whole number from 1 to 10000",
    ),
    "wrong and therefore missing, reported once": (
        "encoder: {kind: columns, columns: a}",
        "c.yaml:1: encoder.columns: 'a' is text; give a list of 1 to 65536 names",
    ),
    "a value where a section must be": (
        "query: random",
        "c.yaml:1: query: 'random' is text; give a mapping of keys",
    ),
    "a list where a section must be": (
        "step: [1]",
        "c.yaml:1: step: [1] is a list; give a mapping of keys",
    ),
    "a capacity that nothing uses": (
        "memory: {capacity: 500}",
        "c.yaml:1: memory.capacity: 500 is out of bounds; give a whole number, 0",
    ),
    "wrong form": (
        "topics: {prefix: a b}",
        "c.yaml:1: topics.prefix: 'a b' is not of the right form; Put before the name of every"
        " topic: letters, digits, '.', '_' and '-'",
    ),
    "two slashes": (
        "transport: sqlite://x.db",
        "c.yaml:1: transport: 'sqlite://x.db' is no log; give sqlite:///FILE,"
        " sqlite:////absolute/FILE or kafka://HOST:PORT",
    ),
    "a log in memory": (
        "transport: 'sqlite:///:memory:'",
        "c.yaml:1: transport: a log in memory is seen by one process only; give sqlite:///FILE",
    ),
    "empty path": (
        "checkpoint: {path: ''}",
        "c.yaml:1: checkpoint.path: '' is no path; give a folder",
    ),
    "a name twice": (
        "requests: {fields: [a, a]}",
        "c.yaml:1: requests.fields: 'a' stands there twice; name each feature once",
    ),
    "fields that are no list": (
        "requests: {fields: some}",
        "c.yaml:1: requests.fields: 'some' is neither; give all, or a list of feature names",
    ),
    "a part larger than the whole": (
        "budget:\n  floor: 0.05",
        "c.yaml:2: budget.held_out: 0.1 is more than budget.floor (0.05) can give;"
        " give at most 0.05",
    ),
    "a client without its broker": (
        "client: librdkafka",
        "c.yaml:1: client: librdkafka is a client of kafka://, and the log is"
        " sqlite:///stream_cl.db; leave `client` out",
    ),
    "a store of terabytes": (
        "encoder: {width: 65536}\nlabels: {pending_capacity: 10000000}",
        "c.yaml:2: labels.pending_capacity: 10000000 entries of 65536 numbers (encoder.width) are"
        " more than 64 GiB; give at most 262144",
    ),
    "alias": (
        "a: &x 3\nb: *x",
        "c.yaml:2: an alias (a word behind *) is not read here; write it out, or quote it",
    ),
    "tab": ("step:\n\tmax_events: 3", "c.yaml:2: a tab; YAML is indented with spaces"),
    "list at the top": ("- 3", "c.yaml:1: not a mapping; give keys, such as `seed: 0`"),
    "two documents": (
        "seed: 1\n---\nseed: 2",
        "c.yaml:2: a second document begins; a config is one, remove the ---",
    ),
    "tag": (
        "seed: !!python/object:os.system x",
        "c.yaml:1: seed: the tag tag:yaml.org,2002:python/object:os.system is not read here;"
        " remove it",
    ),
    "control character": (
        'seed: 1\nstart: "\x00"',
        "c.yaml:2: character 0x0 cannot stand in YAML; remove it",
    ),
    "deep": ("[" * 3000 + "]" * 3000, "c.yaml:1: nested too deep; a config has few levels"),
}


@pytest.mark.parametrize(("text", "line"), CASES.values(), ids=CASES.keys())
def test_one_mistake_is_one_line_with_its_place(tmp_path: Path, text: str, line: str) -> None:
    assert mistakes(tmp_path, text) == [line]


def test_syntax_errors_name_their_line(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, "seed: 1\nstep: {max_events: 3\n")
    assert line.startswith("c.yaml:3: not YAML: ")


def test_bytes_that_are_not_utf8_name_their_line(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, b"seed: 1\ntopics: {prefix: \xff}\n")
    assert line == "c.yaml:2: byte 0xff is not UTF-8; save the file as UTF-8"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, b"#" * 1_000_001)
    assert line == "c.yaml: larger than 1000000 bytes; name a file with a config"


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file; `stream-cl init .*` writes one"):
        load(tmp_path / "none.yaml", [], {})
    with pytest.raises(ConfigError, match="is a folder; name a YAML file"):
        load(tmp_path, [], {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "nul\0.yaml", [], {})


def test_all_mistakes_come_at_once_and_in_order(tmp_path: Path) -> None:
    text = """\
transport: kafka://x
sed: 4
seed: 010
step: {max_events: 0, max_ms: soon}
encoder: {kind: columns}
learner: {kind: nothing_like_it}
budget:
  window: 1e2
  floor: 0.05
labels: {join: evry}
"""
    lines = mistakes(tmp_path, text, "log.level=loud", "nonsense", STREAM_CL__HTTP__PORT="-1")
    assert [line.split(": ")[0] for line in lines] == [
        *(f"c.yaml:{number}" for number in (1, 2, 3, 4, 4, 5, 6, 9, 10)),
        "environment STREAM_CL__HTTP__PORT",
        "--set",
        "--set",
    ]
    assert lines[7].startswith("c.yaml:9: budget.held_out"), "what other mistakes hid comes too"


def test_a_mistake_in_an_override_names_the_override(tmp_path: Path) -> None:
    lines = mistakes(
        tmp_path,
        "seed: 1",
        "step.max_evnts=4",
        "log.level=[",
        ".=3",
        "encoder={kind: columns}",
        STREAM_CL__LERNER__KIND="softmax",
    )
    assert lines == [
        "environment STREAM_CL__LERNER__KIND: lerner: no such key; did you mean learner?",
        "--set: '.' has an empty part; give key.path=value",
        "--set: log.level: not YAML: expected the node content, but found '<stream end>'"
        " while parsing a flow node",
        "--set: step.max_evnts: no such key; did you mean max_events?",
        "--set: encoder.columns: is missing; give a list of 1 to 65536 names",
    ]


@given(st.binary(max_size=60) | st.text(alphabet="ab:-[]{}#'\" \n\t01.*&!|>%@", max_size=40))
def test_whatever_a_file_holds_ends_in_a_config_or_in_lines(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    lines: list[str] = []
    try:
        assert isinstance(load(path, [], {}), Config)
    except ConfigError as error:
        lines = error.mistakes or ["no reason given"]
    assert all(line.startswith(str(path)) for line in lines)
    assert all("\n" not in line for line in lines)


def test_stores_smaller_than_a_step_are_refused(tmp_path: Path) -> None:
    """Such a pipeline would stop in its first full step."""
    file = tmp_path / "c.yaml"
    file.write_text(
        "step: {max_events: 50}\nlabels: {pending_capacity: 50}\ndedupe: {window_events: 9}\n"
    )
    with pytest.raises(ConfigError) as refused:
        load(file, [], {})
    keys = [mistake.split(": ")[1] for mistake in refused.value.mistakes]
    assert sorted(keys) == ["dedupe.window_events", "labels.pending_capacity"]
