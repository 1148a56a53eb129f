"""Where a config's values come from, and what else is made of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from pydantic import SecretStr, ValidationError

from stream_cl.config import NOT_STATE, Config, kinds, masked, public, state_keys
from stream_cl.config.file import load
from stream_cl.config.kafka import Security
from stream_cl.config.learning import MajorityLearner, SoftmaxLearner
from stream_cl.config.section import Section
from stream_cl.config.template import json_schema, template
from stream_cl.core.errors import ConfigError


def read(folder: Path, text: str, *sets: str, **environ: str) -> Config:
    (folder / "c.yaml").write_text(text)
    return load(folder / "c.yaml", sets, environ)


def other_value(value: Any, key: str) -> Any:
    """Another value that is right for the same key. Longer than other functions: a table."""
    special = {
        "transport": "sqlite:///other.db",
        "start": "latest",
        "topics.prefix": "x-",
        "topics.retention_hours": 5.0,
        "step.max_ms": 7.0,
        "learner.max_classes": 7,
        "memory.max_bytes": 70_000,
        "learner.compute_ms": 7.0,
        "learner.model": "naive_bayes.GaussianNB",
        "learner.parameters": {"a": 1},
        "encoder.columns": ["x", "y"],
        "encoder.categories": ["x", "y"],
        "encoder.logarithmic": ["b", "c"],
        "encoder.interactions": [["a", "b"], ["c", "*"]],
        "query.measure": "vote_entropy" if value == "kl" else "entropy",
        "query.draw": "softmax",
        "requests.candidates": 3,
        "query.mix": "max",
        "query.frequencies": "kernel",
        "query.signal": "error",
        "budget.held_out": 0.05,
        "budget.labels_per_key": 7,
        "budget.max_open": 7,
        "budget.scale": "rank",
        "budget.hours": "09:00-17:00",
        "budget.days": "mon-fri",
        "budget.time_zone": "Europe/Berlin",
        "budget.per": "1000_events",
        "budget.prices": {"a": 0.2},
        "labels.join": "every",
        "annotators.trust": "votes",
        "annotators.gold": {"1": "a"},
        "annotators.experts": ["anna"],
        "requests.fields": ["a"],
        "checkpoint.path": "elsewhere",
        "http.host": "::1",
        "http.token_file": "x",
        "delivery": "at_least_once",
        "kafka.replication": 3,
        "kafka.min_insync_replicas": 2,
        "format.registry": "https://other",
        **dict.fromkeys(
            [f"format.{key}" for key in ("username", "password_file", "token_file", "ca_file")], "x"
        ),
        **dict.fromkeys([f"format.{key}" for key in ("id", "time", "label", "features")], "x"),
        "label.host": "::1",
        "label.people": {"anna": {"token": None, "token_file": "x"}},
        "label.classes": ["a"],
        "label.gold": "x",
        "label.image_shape": [2, 2],
        "label.highlight": ["a"],
        "label.journal": "x",
        "label_studio.url": "https://other",
        "label_studio.control": "other",
        "label_studio.labels": ["a"],
        "label_studio.people": {"a@example.org": "anna"},
        "label_studio.webhook_host": "::1",
        "label_studio.webhook_port": 7,
        "label_studio.webhook_url": "http://other",
        **dict.fromkeys(
            [f"label_studio.{key}" for key in ("token_file", "ca_file", "webhook_secret_file")], "x"
        ),
        "tracing.endpoint": "http://other",
        "tracing.service": "other",
        "log.level": "debug",
        "log.format": "json",
    }
    if key in special:
        return special[key]
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value / 2 or 0.5


def every_key() -> list[tuple[str, str, Any]]:
    """(section, key, default) of every key of every kind; the section is "" at the top."""
    keys: list[tuple[str, str, Any]] = []
    for name, field in Config.model_fields.items():
        if not isinstance(field.default, Section):
            keys.append(("", name, field.default))
            continue
        for model in kinds(name).values() or [type(field.default)]:
            for key, inner in model.model_fields.items():
                kind = model.model_fields["kind"].default if "kind" in model.model_fields else ""
                # What is in a section inside a section has tests of its own.
                if key != "kind" and not isinstance(inner.default, Section):
                    default = inner.get_default(call_default_factory=True)
                    keys.append((f"{name}:{kind}", key, default))
    # The first two have one value only until there are other memories and another broker; the
    # others are shown as stars, and have tests of their own.
    left_out = {("memory:none", "capacity"), ("", "client")}
    left_out |= {("format:avro", "password"), ("format:avro", "token"), ("http:", "token")}
    left_out |= {("label_studio:", "token"), ("label_studio:", "webhook_secret")}
    return [key for key in keys if key[:2] not in left_out]


_WEBHOOK: dict[str, Any] = {
    "label_studio.webhook_port": 7,
    "label_studio.webhook_url": "http://other",
    "label_studio.webhook_secret_file": "x",
}
BESIDE: dict[str, dict[str, Any]] = {
    "format.username": {"format.password_file": "x"},
    "format.password_file": {"format.username": "x"},
    "label.hide_candidates": {"label.hide_suggestion": True},
    "label_studio.ca_file": {"label_studio.url": "https://other"},
    "label_studio.webhook_port": _WEBHOOK,
    "label_studio.webhook_url": _WEBHOOK,
    "delivery": {"transport": "kafka://broker:9092"},
}
"""What must stand beside a key."""


@pytest.mark.parametrize(("where", "key", "default"), every_key())
@pytest.mark.parametrize("by", ["environment", "--set"])
def test_every_key_can_be_overridden(
    tmp_path: Path, where: str, key: str, default: Any, by: str
) -> None:
    section, _, kind = where.partition(":")
    path = f"{section}.{key}" if section else key
    if not isinstance(default, int | float | str | dict | tuple | None):
        default = 4  # required, so without a default: a width
    wanted = other_value(default, path)
    given = {path: wanted} | ({f"{section}.kind": kind} if kind else {})
    if kind == "columns":
        given.setdefault("encoder.columns", ["a", "b", "c"])
    if kind == "vector":
        given.setdefault("encoder.width", 3)
    if kind == "avro":
        given.setdefault("format.registry", "https://registry")
    if kind == "replay_mlp":
        given.setdefault("memory.kind", "reservoir")
    if section == "annotators":
        given.setdefault("annotators.trust", "dawid_skene")
    given |= {name: value for name, value in BESIDE.get(path, {}).items() if name != path}
    if section == "memory":
        given.setdefault("learner.kind", "replay_mlp")
    words = {name: orjson.dumps(value).decode() for name, value in given.items()}
    if by == "--set":
        config = read(tmp_path, "", *(f"{name}={word}" for name, word in words.items()))
    else:
        environ = {
            f"STREAM_CL__{name.upper().replace('.', '__')}": word for name, word in words.items()
        }
        config = read(tmp_path, "", **environ)
    value = public(config)
    for part in path.split("."):
        value = value[part]
    assert value == wanted
    assert value != default


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    text = "seed: 1\nstep: {max_events: 1, poll_ms: 1}\n"
    environ = {"STREAM_CL__SEED": "2", "STREAM_CL__STEP__MAX_EVENTS": "2", "STREAM_CL_DATA": "x"}
    config = read(tmp_path, text, "seed=3", **environ)
    assert (config.seed, config.step.max_events, config.step.poll_ms) == (3, 2, 1)


def test_empty_files_and_sections_mean_the_defaults(tmp_path: Path) -> None:
    for text in ("", "# nothing\n", "step:\nlearner:\n", "\ufeffseed: 0\n", "{}"):
        assert public(read(tmp_path, text)) == public(Config())


def test_numbers_may_be_written_as_people_write_them(tmp_path: Path) -> None:
    config = read(tmp_path, "budget: {fraction: 5e-2}\ndedupe: {window_events: 1e6}\nseed: 1_000")
    assert (config.budget.fraction, config.dedupe.window_events, config.seed) == (0.05, 10**6, 1000)


def test_another_kind_can_be_chosen_over_a_file_that_lists_every_setting(tmp_path: Path) -> None:
    """`init`, then `--set learner.kind=majority`, must not end in unknown keys."""
    config = read(tmp_path, template(Config()), "learner.kind=majority", "learner.max_classes=7")
    assert config.learner == MajorityLearner(max_classes=7)
    config = read(tmp_path, "learner: {max_classes: 9, l2: 0.5}", "learner.kind=prototype")
    assert config.learner.max_classes == 9, "what all kinds have stays"
    with pytest.raises(ConfigError, match=r"learner\.l2: no such key"):
        read(tmp_path, "learner: {kind: majority}", "learner.l2=0.5")


def test_a_whole_section_can_be_replaced(tmp_path: Path) -> None:
    config = read(tmp_path, "learner: {l2: 0.5}", "learner={kind: softmax, max_classes: 3}")
    assert config.learner == SoftmaxLearner(max_classes=3)


def test_empty_text_is_text(tmp_path: Path) -> None:
    assert read(tmp_path, "topics: {prefix: a}", "topics.prefix=").topics.prefix == ""


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    config = read(tmp_path, "")
    assert config.log_file == tmp_path / "stream_cl.db"
    assert config.checkpoint_folder == tmp_path / "checkpoints"
    config = read(tmp_path, "transport: sqlite:////a/b.db\ncheckpoint: {path: /c}")
    assert (config.log_file, config.checkpoint_folder) == (Path("/a/b.db"), Path("/c"))


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Config().step.max_events = 3  # type: ignore[misc]


def test_init_writes_the_defaults(tmp_path: Path) -> None:
    text = template(Config())
    assert public(read(tmp_path, text)) == public(Config())
    assert all(len(line) <= 100 for line in text.splitlines())
    written = yaml.safe_load(text)
    assert list(written) == list(Config.model_fields), "every key is there"
    for name in Config.model_fields:
        for kind in kinds(name):
            assert f"kind: {kind}" in text


def test_every_setting_says_what_it_is() -> None:
    models = {type(f.default) for f in Config.model_fields.values()} - {str, int}
    models |= {model for name in Config.model_fields for model in kinds(name).values()}
    models |= {Security}
    for model in models:
        assert model.__doc__
        for name, field in model.model_fields.items():
            told = field.description or isinstance(field.default, Section)
            assert name == "kind" or told, f"{model.__name__}.{name}"


def test_the_schema_names_every_key_and_takes_what_init_writes() -> None:
    schema = json_schema(Config())
    assert set(schema["properties"]) == set(Config.model_fields)
    assert schema["properties"]["seed"]["default"] == 0
    assert schema["$defs"]["ColumnsEncoder"]["required"] == ["kind", "columns"]
    assert orjson.dumps(schema)


def test_the_state_does_not_depend_on_where_it_lies_or_what_is_logged() -> None:
    kept = state_keys(Config())
    assert "learner" in kept
    assert "poll_ms" not in kept["step"]
    assert "delay" not in kept["labels"]
    for key in NOT_STATE:
        section, _, name = key.partition(".")
        assert (name not in kept[section]) if name else (section not in kept)
    assert orjson.loads(orjson.dumps(kept)) == kept, "a manifest can hold it"


def test_secrets_are_never_printed() -> None:
    class Broker(Section):
        password: SecretStr = SecretStr("hunter2")

    dumped = masked({"broker": Broker().model_dump(), "list": (SecretStr("hunter2"),)})
    assert "hunter2" not in repr(dumped)
    assert dumped["broker"]["password"] == "**********"


def test_reading_a_config_needs_nothing_heavy() -> None:
    """`check` and the editor's schema must not wait for torch."""
    program = (
        "import sys, stream_cl.config.file, stream_cl.config.template;"
        "print(sorted({'numpy', 'torch', 'river', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
