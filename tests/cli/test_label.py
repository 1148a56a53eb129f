"""`stream-cl label` as a command: who it lets in, and what it says instead of starting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stream_cl.config import Config
from stream_cl.config.file import load
from stream_cl.config.label import tokens
from stream_cl.core.errors import ConfigError, UserError
from stream_cl.serve.label.journal import Journal
from tests.cli.processes import Place, place
from tests.serve.label.served import PEOPLE, Served

TOKEN = "anna-0123456789abcdef"


def refusal(folder: Path, *arguments: object, **label: Any) -> str:
    """What it says, in one line, in place of serving."""
    with place(folder, rows=1, label={"port": 0, **label}) as here:
        done = here.here("label", *arguments)
        assert done.exit_code == 2, done.output
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1, lines
        return lines[0]


def test_nobody_comes_in_without_being_named(tmp_path: Path) -> None:
    assert "names nobody: give --as NAME" in refusal(tmp_path)
    assert "everybody who reaches 0.0.0.0 could answer" in refusal(
        tmp_path, "--as", "anna", "--host", "0.0.0.0"
    )
    assert "label.people says who answers" in refusal(tmp_path, "--as", "anna", people=PEOPLE)
    assert "is no name" in refusal(tmp_path, "--as", "a\nb")
    assert "fewer than 16 characters" in refusal(tmp_path, people={"anna": {"token": "short"}})
    same = {"anna": {"token": TOKEN}, "bob": {"token": TOKEN}}
    assert "somebody else has this token" in refusal(tmp_path, people=same)
    assert "cannot be read" in refusal(tmp_path, people={"anna": {"token_file": "none"}})
    assert "cannot be read" in refusal(tmp_path, people=PEOPLE, gold="none.jsonl")


def test_a_journal_that_another_server_has_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "label-journal.db", "log.db", b"k" * 32)
    assert "another process has" in refusal(tmp_path, "--as", "anna")
    journal.close()


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with place(tmp_path / "one", rows=1) as here:
        first = Served(here, "--as", "anna")
        port = first.url.rsplit(":", 1)[1].rstrip("/")
        with place(tmp_path / "two", rows=1) as other:
            done = other.here("label", "--as", "bob", "--port", port)
        assert done.exit_code == 2
        assert "choose another label.port" in done.stderr
        assert "0 answers published, 0 left" in first.stop()


def test_a_second_server_with_a_journal_of_its_own_takes_over(tmp_path: Path) -> None:
    """Two of them would give the same question to two people: the first one ends, and says so."""
    with place(tmp_path, rows=1, label={"hold_s": 0.0}) as here:
        first = Served(here, "--as", "anna")
        second = Served(here, "--as", "bob", "--set", "label.journal=other.db")
        process = first._process
        assert process is not None
        answer_one(first, here)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "another process has taken over" in said
        assert "1 answers wait in" in said
        assert "0 left" in second.stop()
        third = Served(here, "--as", "anna")
        assert "1 answers published, 0 left" in third.stop()
        assert [one["annotator"] for one in here.values("labels")] == ["anna"]


def answer_one(served: Served, here: Place) -> None:
    """A question comes, and the person who needs no token answers it, as a page does."""
    import httpx

    from stream_cl.core.clock import SystemClock
    from stream_cl.core.records import Outgoing
    from stream_cl.transport.sqlite import SqliteTransport
    from tests.cli.processes import until
    from tests.serve.label.questions import HOUR_MS, record

    log = SqliteTransport(here.folder / "log.db", SystemClock())
    asked = record("e", expires_ms=SystemClock().now_ms() + HOUR_MS)
    log.append([Outgoing("label-requests", 0, [b"e"], [asked])])
    log.close()
    ours = {"sec-fetch-site": "same-origin"}
    with httpx.Client(base_url=served.url, headers=ours, timeout=20) as client:
        client.get("/")
        client.headers["x-csrf-token"] = client.get("/api/page").json()["csrf"]

        def items() -> Any:
            return client.post("/api/sync", json={"have": [], "want": 1}).json()["items"]

        (item,) = until(items, "the question")
        answers = [{"answer": "n", "ticket": item["ticket"], "label": "good"}]
        told = client.post("/api/answer", json={"answers": answers})
        assert told.json()["answers"][0]["state"] == "kept"


def test_tokens_come_from_file_environment_or_config(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("anna-from-a-file-1\n")
    path = tmp_path / "c.yaml"
    people = {"anna": {"token_file": "token"}, "carl": {"token": "carl-from-config-1"}}
    path.write_text(json.dumps({"label": {"people": people}}))
    environ = {"STREAM_CL__LABEL__PEOPLE__BOB__TOKEN": "12345678901234567"}
    config = load(path, [], environ)
    assert tokens(config.label, tmp_path) == {
        "anna": "anna-from-a-file-1",
        "bob": "12345678901234567",
        "carl": "carl-from-config-1",
    }
    (tmp_path / "token").write_text("short\n")
    with pytest.raises(UserError, match=r"label\.people\.anna: the token has fewer"):
        tokens(config.label, tmp_path)


@pytest.mark.parametrize(
    ("label", "wrong"),
    [
        ({"people": {"a": {}}}, "label.people.a.token: a needs token or token_file, and has none"),
        ({"people": {"a": None}}, "a needs token or token_file, and has none"),
        ({"people": {"a": {"token": TOKEN, "token_file": "x"}}}, "and has both"),
        (
            {"people": {"a": {"tokn": TOKEN}}},
            "label.people.a.tokn: no such key; did you mean token",
        ),
        ({"people": {"a": {"token": [TOKEN]}}}, "label.people.a.token: the secret is a list"),
        ({"people": {"a": TOKEN}}, "label.people: 'a' has no keys; give NAME: {token: ...}"),
        ({"people": TOKEN}, "label.people: is no mapping of names"),
        ({"people": [TOKEN]}, "label.people: is no mapping of names"),
        ({"people": {"\t": {"token": TOKEN}}}, "is no name"),
        ({"classes": ["a", "a"]}, "label.classes: 'a' stands there twice"),
        ({"classes": ["__none__"]}, "__none__ is offered anyway"),
        ({"classes": [" "]}, "' ' is no class"),
        ({"image_shape": [3]}, "[3] is no image"),
        ({"image_shape": [1000, 1000]}, "of at most 10000 numbers"),
        ({"image_shape": [2, 2, 4]}, "is no image"),
        ({"hide_candidates": True}, "hides the suggestion too"),
        ({"lease_s": 1}, "label.lease_s: 1 is out of bounds"),
    ],
)
def test_mistakes_in_the_config_are_named(tmp_path: Path, label: Any, wrong: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(json.dumps({"label": label}))
    with pytest.raises(ConfigError) as caught:
        load(path, [], {})
    assert wrong in str(caught.value)
    assert TOKEN not in str(caught.value), "a message shows a secret"


def test_the_page_is_no_part_of_the_state() -> None:
    """Whoever changes a token must not have to begin anew."""
    from stream_cl.config import public, state_keys

    config = Config.model_validate({"label": {"people": PEOPLE}})
    assert "label" not in state_keys(config)
    assert TOKEN not in str(public(config))
