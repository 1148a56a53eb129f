"""Secrets in a config: taken as they stand, from three places, and shown nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stream_cl import build
from stream_cl.config import Config, kinds, public
from stream_cl.config.file import load
from stream_cl.config.section import Section
from stream_cl.config.template import json_schema, template
from stream_cl.config.yaml import is_secret
from stream_cl.core.errors import ConfigError, UserError

PLAIN = "kafka.security={mechanism: PLAIN, username: ann}"


def read(folder: Path, text: str, *sets: str, **environ: str) -> Config:
    (folder / "c.yaml").write_text(text)
    return load(folder / "c.yaml", sets, environ)


SECRETS = st.text(
    alphabet=st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")),
    min_size=1,
    max_size=30,
).filter(lambda text: text != "null")  # fmt: skip


def password(config: Config) -> str | None:
    secret = config.kafka.security.password
    return secret.get_secret_value() if secret else None


@given(SECRETS)
@settings(deadline=None)  # a config is read twice
def test_a_secret_is_taken_as_it_stands(secret: str) -> None:
    """A password that looks like YAML (0123, yes, a: b, #x) must not become something else."""
    sets = ["kafka.security.mechanism=PLAIN", "kafka.security.username=ann"]
    environ = {"STREAM_CL__KAFKA__SECURITY__PASSWORD": secret}
    assert password(load(None, sets, environ)) == secret
    assert password(load(None, [*sets, f"kafka.security.password={secret}"], {})) == secret


@pytest.mark.parametrize("secret", ["0123", "yes", "2024-05-01", "1:30", "1e6", ".inf", "~x"])
def test_a_secret_in_the_file_is_text_whatever_yaml_takes_it_for(
    tmp_path: Path, secret: str
) -> None:
    text = f"kafka: {{security: {{mechanism: PLAIN, username: ann, password: {secret}}}}}\n"
    assert password(read(tmp_path, text)) == secret


@settings(deadline=None)  # with a file each
@given(st.text(alphabet="ab:-[]{}#'\" \n\t01.*&!|>%@,?~`\\", max_size=20))
def test_no_message_shows_a_secret(tmp_path_factory: pytest.TempPathFactory, around: str) -> None:
    """Messages about a config end in logs and in issues."""
    assume("\n" not in around[:10])  # else it may be a key, which is no secret
    path = tmp_path_factory.getbasetemp() / "secret.yaml"
    path.write_text(f"kafka:\n  security:\n    password: {around[:10]}hunter2{around[10:]}\n")
    try:
        shown = repr(load(path, [], {}))
    except ConfigError as error:
        shown = str(error)
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    "sets",
    [
        "kafka.security={password: [hunter2]}",
        "kafka.security={password: {hunter2: 1}}",
        "kafka.security=[{password: hunter2}]",
        "kafka={security: {password: !hunter2 x}}",
        "kafka={security: {password: *hunter2 }}",
        "kafka={security: {password: &hunter2 }}",
        "kafka={security: {passwort: hunter2}}",
        "kafka=[[{deep: {key_password: hunter2}}]]",
    ],
)
def test_no_message_shows_a_secret_in_the_wrong_place(sets: str) -> None:
    try:
        shown = repr(load(None, [sets], {}))
    except ConfigError as error:
        shown = str(error)
    assert "hunter2" not in shown


def test_a_secret_is_in_nothing_that_is_written(tmp_path: Path) -> None:
    """The manifest, `check`, `init` and the schema are read by more people than the config."""
    text = "transport: kafka://a:9092\nkafka: {security: {mechanism: PLAIN, username: ann}}\n"
    config = read(tmp_path, text, STREAM_CL__KAFKA__SECURITY__PASSWORD="hunter2")
    assert password(config) == "hunter2"
    options = build.kafka_options(config)
    assert options.security.password == "hunter2"
    written: list[Any] = [public(config), json_schema(config), template(config), config, options]
    for one in written:
        assert "hunter2" not in str(one)
    assert public(config)["kafka"]["security"]["password"] == "**********"
    assert yaml.safe_load(template(config))["kafka"]["security"]["password"] is None


def sections(model: type[Section]) -> Iterator[type[Section]]:
    yield model
    for field in model.model_fields.values():
        if isinstance(field.default, Section):
            yield from sections(type(field.default))


def test_every_secret_is_known_by_its_name() -> None:
    """What the reader of YAML does not know as a secret it shows in messages."""
    found = 0
    models = [*sections(Config), *(m for name in Config.model_fields for m in kinds(name).values())]
    for model in models:
        for name, field in model.model_fields.items():
            is_one = "SecretStr" in str(field.annotation)
            assert is_one == is_secret((name,)), f"{model.__name__}.{name}"
            found += is_one
    assert found >= 2


def test_secrets_come_from_files_beside_the_config(tmp_path: Path) -> None:
    """Orchestrators mount secrets as files; editors end them with a newline."""
    (tmp_path / "password").write_text("hunter2\n")
    config = read(tmp_path, "", f"{PLAIN[:-1]}, password_file: password}}", "transport=kafka://a:1")
    security = build.kafka_options(config).security
    assert security.password == "hunter2"
    assert security.folder == tmp_path


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"\xff", b"x" * 70_000])
def test_a_file_that_holds_no_secret_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p").write_bytes(content)
    config = read(tmp_path, "", f"{PLAIN[:-1]}, password_file: p}}", "transport=kafka://a:1")
    with pytest.raises(
        UserError, match=r"kafka.security.password_file: .*p does not hold one line"
    ):
        build.kafka_options(config)


@pytest.mark.parametrize("key", ["ca_file", "certificate_file", "password_file"])
def test_a_file_that_is_not_there_is_named_with_its_key(tmp_path: Path, key: str) -> None:
    given = {"tls": True, "mechanism": "PLAIN", "username": "ann", "password": "x"}
    given |= {"ca_file": "gone"} if key == "ca_file" else {}
    given |= {"certificate_file": "gone", "key_file": "gone"} if "cert" in key else {}
    if key == "password_file":
        given["password_file"] = "gone"
        del given["password"]
    text = orjson.dumps({"transport": "kafka://a:1", "kafka": {"security": given}}).decode()
    with pytest.raises(UserError, match=rf"kafka.security.{key}: .*gone cannot be read \(No such"):
        build.kafka_options(read(tmp_path, text))
