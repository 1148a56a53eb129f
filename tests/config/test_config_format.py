"""The section `format`: what is refused, where secrets come from, and that they stay there."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_cl import build
from stream_cl.config import Config, public, state_keys
from stream_cl.config.encoding import AvroFormat
from stream_cl.config.file import load
from stream_cl.config.format import authorization
from stream_cl.core.errors import ConfigError, UserError

AVRO = ["format.kind=avro", "format.registry=http://127.0.0.1:1"]
SECRET = "open sesame"


def mistakes(*sets: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(None, [*AVRO, *sets], {})
    assert SECRET not in str(caught.value)
    assert len(caught.value.mistakes) == 1, caught.value.mistakes
    return str(caught.value)


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (["format.registry=ftp://a"], "no URL of a registry"),
        (["format.registry=http://"], "no URL of a registry"),
        (["format.registry=http://a:99999"], "no URL of a registry"),
        (["format.registry=http://a?b=c"], "goes on after the path"),
        ([f"format.registry=http://ali:{SECRET}@a"], "holds a user"),
        (["format.username=ali"], "give password or password_file"),
        ([f"format.password={SECRET}"], "give username"),
        (["format.password_file=p"], "give username"),
        ([f"format.token={SECRET}", "format.token_file=t"], "stands beside token"),
        ([f"format.token={SECRET}", "format.username=a", "format.password=b"], "beside username"),
        (["format.ca_file=ca.pem"], "for https"),
        (["format.time=id"], "give another field"),
        (["format.features=label"], "give another field"),
        (["format.token="], "the secret is out of bounds"),
        (["format.timeout_s=0"], "from 0.1 to 300"),
    ],
)
def test_what_is_refused(sets: list[str], says: str) -> None:
    assert says in mistakes(*sets)


def test_json_takes_no_registry() -> None:
    with pytest.raises(ConfigError, match="no such key"):
        load(None, ["format.registry=http://a"], {})


def test_secrets_by_every_way(tmp_path: Path) -> None:
    """From the file, the environment, or a file of their own, which may change meanwhile."""
    environ = {"STREAM_CL__FORMAT__TOKEN": SECRET}
    config = load(None, AVRO, environ)
    assert isinstance(config.format, AvroFormat)
    assert authorization(config.format, tmp_path)() == f"Bearer {SECRET}"
    (tmp_path / "p").write_text(f"{SECRET}\n")
    config = load(None, [*AVRO, "format.username=ali", "format.password_file=p"], {})
    assert isinstance(config.format, AvroFormat)
    header = authorization(config.format, tmp_path)
    assert header() == "Basic YWxpOm9wZW4gc2VzYW1l"
    (tmp_path / "p").write_text("b")
    assert header() == "Basic YWxpOmI="
    (tmp_path / "p").write_text("two\nlines")
    with pytest.raises(UserError, match="does not hold one line"):
        header()
    (tmp_path / "p").unlink()
    with pytest.raises(UserError, match="cannot be read"):
        build.decoder(config.format, tmp_path)


def test_no_credentials_is_no_header(tmp_path: Path) -> None:
    config = load(None, AVRO, {})
    assert isinstance(config.format, AvroFormat)
    assert authorization(config.format, tmp_path)() is None


def test_secrets_are_not_shown_and_no_part_of_the_state() -> None:
    """The manifest holds the config; a new password must not refuse the next start."""
    given = load(None, [*AVRO, f"format.token={SECRET}"], {})
    assert SECRET not in str(public(given)) + repr(given) + str(state_keys(given))
    other = load(None, [*AVRO[:1], "format.registry=https://b", "format.schemas=5"], {})
    assert state_keys(other) == state_keys(given)
    renamed = load(None, [*AVRO, "format.id=order"], {})
    assert state_keys(renamed) != state_keys(given)
    assert state_keys(Config())["format"] == {"kind": "json"}
