"""What the labelling page leaves behind when something dies: journal, log, the next start."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.errors import Fenced, TransportError, UserError
from stream_cl.core.records import Outgoing
from stream_cl.serve.label.journal import Journal
from stream_cl.serve.label.journal_file import JournalFailed
from stream_cl.serve.label.publisher import RETRY_S
from stream_cl.testing.clock import FakeClock
from stream_cl.testing.faults import CrashAt, SimulatedCrash
from stream_cl.transport.follow import Follower
from tests.serve.label.hands import HELD_S, LEASE_S, SECRET, TOPICS, Server, published, server
from tests.serve.label.questions import record

UNDONE = "it is undone; nobody needs another answer"


@pytest.mark.parametrize("point", ["commit-half-written", "committed"])
def test_a_crash_while_publishing_loses_and_repeats_nothing(tmp_path: Path, point: str) -> None:
    """The two sides of the moment in which the log has them and the journal does not know."""
    clock = FakeClock()
    here = Server(tmp_path, clock, CrashAt(point))
    here.ask("a", "b")
    first, second = here.items("anna")
    here.answer("anna", first, "fraud")
    here.answer("anna", second, "good")
    clock.advance(HELD_S)
    with pytest.raises(SimulatedCrash):
        here.publisher.turn()
    here.die()
    with server(tmp_path, clock) as here:
        assert here.items("bob") == [], "anna has answered them"
        here.publisher.turn()
        assert published(here) == {("a", 0): "fraud", ("b", 0): "good"}
        assert here.journal.waiting() == 0


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    """Leases, classes and their keys, last answers, who has answered what."""
    clock = FakeClock()
    here = Server(tmp_path, clock)
    here.ask("a", "b", "c", candidates=["fraud", "good"])
    here.ask("d", candidates=["late"])
    first, second = here.items("anna", 2)
    here.answer("anna", first, "good", "n1")
    before = here.office.sync("anna", [second["request"]], 1)
    here.die()
    with server(tmp_path, clock) as here:
        now = here.office.sync("anna", [second["request"]], 1)
        assert now["gone"] == []
        assert now["classes"] == before["classes"] == ["fraud", "good", "late"]
        assert now["recent"] == before["recent"]
        assert {one["id"] for one in here.items("bob", 5)} == {"c", "d"}
        assert here.answer("anna", second, "fraud") == "kept", "a ticket of the process before"
        assert here.office.undo("anna", "n1")["item"]["id"] == "a"


def test_what_is_read_again_after_a_restart_changes_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    here = Server(tmp_path, clock)
    here.ask(*"abcdef")
    for item in here.items("anna", 6):
        if item["id"] in "abc":
            here.answer("anna", item, "good")
    here.send(b'{"id":"d","label":"good","annotator":"robot","time":1}', "d", TOPICS.labels)
    here.send(b'{"v":1,"id":"e","request":"e/1","status":"withdrawn"}', "e")
    clock.advance(LEASE_S + 1)
    here.publisher.turn()
    here.read()
    here.die()
    with server(tmp_path, clock) as here:
        assert [one["id"] for one in here.items("bob", 9)] == ["f"]


def test_a_second_server_stops_the_first(tmp_path: Path) -> None:
    clock = FakeClock()
    with server(tmp_path, clock) as first:
        first.ask("a")
        first.answer("anna", first.items("anna")[0], "fraud")
        clock.advance(HELD_S)
        with server(tmp_path, clock, journal="other.db") as second:
            with pytest.raises(Fenced, match="another process has taken over"):
                first.publisher.turn()
            assert second.labels() == []
    with server(tmp_path, clock) as first:
        first.publisher.turn()
        assert published(first) == {("a", 0): "fraud"}


def test_a_journal_is_for_one_process_and_one_log(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path, "log.db", SECRET)
    with pytest.raises(UserError, match="another process has"):
        Journal(path, "log.db", SECRET)
    journal.close()
    with pytest.raises(UserError, match=r"has answers for the log log\.db, and this is kafka"):
        Journal(path, "kafka", SECRET)
    other = tmp_path / "other"
    other.write_text("something else that is longer than a header of SQLite is" * 9)
    with pytest.raises(UserError, match="is no journal"):
        Journal(other, "log.db", SECRET)
    with pytest.raises(UserError, match="there is no folder"):
        Journal(tmp_path / "no" / "journal", "log.db", SECRET)
    assert path.stat().st_mode & 0o077 == 0, "others may not read what people answered"


def test_a_log_that_was_made_anew_is_noticed(tmp_path: Path) -> None:
    """Else nothing would be read, and the page stay empty for no reason."""
    clock = FakeClock()
    here = Server(tmp_path, clock)
    here.ask("a")
    here.answer("anna", here.items("anna")[0], "good")
    clock.advance(10)
    here.read()
    here.die()
    (tmp_path / "log.db").unlink()
    with pytest.raises(UserError, match="belongs to another log"):
        Server(tmp_path, clock)


def test_a_full_disk_stops_nothing_for_good(tmp_path: Path) -> None:
    """An answer that cannot be kept is not acknowledged; what is kept is published later."""
    clock = FakeClock()
    with server(tmp_path, clock) as here:
        here.ask("a", "b", features={"text": "x" * 50_000})
        first, second = here.items("anna")
        here.answer("anna", first, "fraud")
        with here.full_disk():
            with pytest.raises(JournalFailed):
                here.answer("anna", second, "good", "n")
            here.ask("c", candidates=["one more class"], features={"text": "x" * 50_000})
        assert here.answer("anna", second, "good", "n") == "kept"
        here.ask("d", candidates=["one more class"])
        assert "one more class" in here.office.sync("anna", [], 1)["classes"]
        clock.advance(HELD_S)
        assert here.publisher.turn() == 2


def test_a_log_that_does_not_answer_is_tried_again(tmp_path: Path) -> None:
    clock = FakeClock()
    with server(tmp_path, clock) as here:
        here.ask("a")
        here.answer("anna", here.items("anna")[0], "fraud")
        clock.advance(HELD_S)
        commit, here.publisher._writer = here.publisher._writer, Refusing()  # type: ignore[assignment]
        assert here.publisher.turn() == 0
        assert not here.publisher.reachable
        assert here.publisher.turn() == 0, "not again at once"
        clock.advance(RETRY_S)
        assert here.publisher.turn() == 1
        assert here.publisher.reachable
        assert here.said == [
            "answers cannot be published: no broker; they wait in the journal",
            "answers are published again",
        ]
        assert commit is not None
        assert published(here) == {("a", 0): "fraud"}


class Refusing:
    """A writer whose log is away."""

    epoch = 0

    def commit(self, *_: object) -> list[int]:
        raise TransportError("no broker")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["answer", "skip", "undo", "wait", "publish", "crash", "retry"]),
                  st.sampled_from(["anna", "bob"])),
        max_size=30,
    )
)  # fmt: skip
def test_whatever_happens_every_answer_is_in_the_log_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    """The last answer of each person to each question, and the published ones before it."""
    folder, clock = tmp_path_factory.mktemp("office"), FakeClock()
    here = Server(folder, clock)
    here.ask(*(f"q{i}" for i in range(12)))
    said: dict[tuple[str, str], str | None] = {}
    names: dict[str, list[tuple[str, str]]] = {"anna": [], "bob": []}
    sent: list[tuple[str, dict[str, object], str | None, str]] = []
    for number, (what, person) in enumerate(steps):
        if what in ("answer", "skip"):
            for item in here.items(person, 1):
                label = None if what == "skip" else f"class {number}"
                assert here.answer(person, item, label, f"n{number}") == "kept"
                said[person, item["request"]] = label
                names[person].append((f"n{number}", item["request"]))
                sent.append((person, item, label, f"n{number}"))
        elif what == "retry" and sent:
            before, item, label, name = sent[-1]
            assert here.answer(before, item, label, name) == "known"
        elif what == "undo" and names[person]:
            name, request = names[person].pop()
            told = here.office.undo(person, name)
            item = told["item"]
            undone = told["why"] == UNDONE if item is None else not item["was"]["published"]
            if undone:
                del said[person, request]
        elif what == "wait":
            clock.advance(2.0)
        elif what == "publish":
            here.publisher.turn()
            here.read()
        elif what == "crash":
            here.die()
            here = Server(folder, clock)
    here.publisher.flush()
    found: dict[tuple[str, str], dict[int, str | None]] = {}
    for one in here.labels():
        answers = found.setdefault((one["annotator"], one["request"]), {})
        assert one.get("revision", 0) not in answers, "twice"
        answers[one.get("revision", 0)] = one.get("label")
    here.die()
    assert {key: answers[max(answers)] for key, answers in found.items()} == said


def test_an_answer_carries_the_trace_of_its_question(tmp_path: Path) -> None:
    """Else a trace ends at the person, and nobody sees when the label was learned."""
    clock, trace = FakeClock(), b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with server(tmp_path, clock) as here:
        sent = {"traced": trace, "plain": None, "endless": b"0" * 1_000}
        for id_, header in sent.items():
            at = here.log.partition_for(TOPICS.label_requests, id_.encode())
            each = {"traceparent": [header]}
            batch = Outgoing(TOPICS.label_requests, at, [id_.encode()], [record(id_)], each=each)
            here.log.append([batch])
        here.read()
        for item in here.items("anna"):
            here.answer("anna", item, "good")
    with server(tmp_path, clock) as here:
        clock.advance(HELD_S)
        here.publisher.turn()
        chunks = Follower(here.log, [TOPICS.labels]).poll()
        found = {
            key: dict(headers).get("traceparent")
            for chunk in chunks
            for key, headers in zip(chunk.keys, chunk.headers, strict=True)
        }
    assert found == {b"traced": trace, b"plain": None, b"endless": None}
