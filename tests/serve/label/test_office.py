"""From a question to its answer in the log: once, whatever happens in between."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from stream_cl.core.errors import UserError
from stream_cl.decode.json_labels import decode_labels
from stream_cl.serve.label.tally import GUESSES
from stream_cl.testing.clock import FakeClock
from tests.decode.records import raw
from tests.serve.label.hands import HELD_S, published, server
from tests.serve.label.questions import NOW_MS, record


def test_an_answer_is_a_label_that_the_pipeline_reads(tmp_path: Path) -> None:
    clock = FakeClock()
    with server(tmp_path, clock) as here:
        here.ask("a", "b")
        first, second = here.items("anna")
        here.answer("anna", first, "fraud")
        here.answer("anna", second, None)
        clock.advance(HELD_S)
        assert here.publisher.turn() == 2
        labels, dead = decode_labels(raw(*map(orjson.dumps, here.labels())))
    assert not dead
    said = {one.id: (one.label, one.annotator, one.request, one.time_ms) for one in labels}
    assert said == {"a": ("fraud", "anna", "a/1", NOW_MS), "b": (None, "anna", "b/1", NOW_MS)}


def test_an_answer_that_is_sent_again_counts_once(tmp_path: Path) -> None:
    """The network broke off after the server had it, or an old answer comes late."""
    clock = FakeClock()
    with server(tmp_path, clock) as here:
        here.ask("a")
        (item,) = here.items("anna")
        assert here.answer("anna", item, "fraud", "n1") == "kept"
        assert here.answer("anna", item, "fraud", "n1") == "known"
        assert here.answer("anna", item, "good", "n2") == "known"
        again = here.office.undo("anna", "n1")["item"]
        assert here.answer("anna", item, "fraud", "n1") == "known", "it was taken back"
        assert here.answer("anna", again, "good", "n3") == "kept"
        clock.advance(HELD_S)
        here.publisher.turn()
        assert published(here) == {("a", 1): "good"}


def test_an_undone_answer_never_comes_out(tmp_path: Path) -> None:
    clock = FakeClock()
    with server(tmp_path, clock) as here:
        here.ask("a")
        (item,) = here.items("anna")
        here.answer("anna", item, "fraud", "n1")
        told = here.office.undo("anna", "n1")
        assert told["item"]["was"] == {"label": "fraud", "answer": "n1", "published": False}
        assert here.office.undo("anna", "n1")["item"] == told["item"], "sent again"
        clock.advance(HELD_S)
        assert here.publisher.turn() == 0
        assert here.items("bob") == [], "it is still with anna"
        clock.advance(100)
        assert [one["id"] for one in here.items("bob")] == ["a"]


def test_a_published_answer_is_changed_by_a_higher_revision(tmp_path: Path) -> None:
    clock = FakeClock()
    with server(tmp_path, clock) as here:
        here.ask("a")
        here.answer("anna", here.items("anna")[0], "fraud", "n1")
        clock.advance(HELD_S)
        here.publisher.turn()
        item = here.office.undo("anna", "n1")["item"]
        assert item["was"]["published"]
        here.answer("anna", item, "good", "n2")
        clock.advance(HELD_S)
        here.publisher.turn()
        assert published(here) == {("a", 0): "fraud", ("a", 1): "good"}
        assert [one["label"] for one in here.office.state("anna")["recent"]] == ["good"]
        assert here.office.undo("anna", "n1") == {"item": None, "why": "it was changed already"}


def test_answers_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with server(tmp_path, FakeClock(), max_classes=3) as here:
        here.ask("a", candidates=["x", "y"])
        (item,) = here.items("anna")
        ticket = item["ticket"]
        bad = [
            None, 1, {}, {"answer": "n"}, {"answer": "n", "ticket": ticket},
            {"answer": "n", "ticket": ticket, "label": ""},
            {"answer": "n", "ticket": ticket, "label": "x" * 300},
            {"answer": "n", "ticket": ticket, "label": "x\n"},
            {"answer": "n", "ticket": ticket, "label": ["x"]},
            {"answer": "n" * 100, "ticket": ticket, "label": "x"},
            {"answer": "n", "ticket": ticket[:-1] + ("0" if ticket[-1] != "0" else "1"),
             "label": "x"},
            {"answer": "n", "ticket": "x" * 10_000, "label": "x"},
            {"answer": "n", "ticket": "é.é", "label": "x"},
        ]  # fmt: skip
        assert {one["state"] for one in here.office.answer("anna", bad)} == {"refused"}
        (told,) = here.office.answer("bob", [{"answer": "n", "ticket": ticket, "label": "x"}])
        assert told["state"] == "refused", "a ticket is its owner's"
        assert here.answer("anna", item, "new", "n1") == "kept"
        again = here.office.undo("anna", "n1")["item"]
        assert here.answer("anna", again, "newer") == "refused", "there would be four classes"
    with server(tmp_path, FakeClock(), journal="other.db", classes=("x",)) as here:
        here.ask("b")
        (item,) = (one for one in here.items("anna") if one["id"] == "b")
        assert here.answer("anna", item, "new") == "refused"
        assert here.answer("anna", item, "__none__") == "kept"


def test_what_biases_can_be_hidden(tmp_path: Path) -> None:
    reason = {"examples": [{"id": "z", "label": "good", "distance": 0.1}], "utility": 1.0}
    for hidden in ({"hide_suggestion": True}, {"hide_suggestion": True, "hide_candidates": True}):
        name = f"{len(hidden)}.db"
        with server(tmp_path, FakeClock(), journal=name, **hidden) as here:
            here.ask("a", candidates=["y", "x"], reason=reason)
            item = here.items("anna")[0]
            assert item["suggestion"] is None
            all_hidden = "hide_candidates" in hidden
            assert item["candidates"] == ([] if all_hidden else ["x", "y"])
            assert ("examples" in item["why"]) is not all_hidden


def test_known_answers_are_mixed_in_and_never_published(tmp_path: Path) -> None:
    (tmp_path / "gold.jsonl").write_text(
        "".join(f'{{"id":"g{i}","features":{{"x":{i}}},"label":"good"}}\n' for i in range(5))
    )
    from stream_cl.serve.label.gold import read_gold

    clock = FakeClock()
    with server(tmp_path, clock, gold=read_gold(tmp_path / "gold.jsonl")) as here:
        here.ask(*(f"q{i}" for i in range(20)), candidates=["good", "bad"])
        seen = []
        while items := here.items("anna", 4):
            for item in items:
                seen.append(item["id"])
                here.answer("anna", item, "good" if item["id"] != "g0" else "bad")
        gold = [id_ for id_ in seen if id_.startswith("g")]
        assert sorted(gold) == [f"g{i}" for i in range(5)]
        assert len(seen) == 25
        assert here.office.state("anna")["progress"]["gold"] == [4, 5]
        clock.advance(HELD_S)
        assert here.publisher.turn() == 20
        assert not {one["id"] for one in here.labels()} & set(gold)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b"{", "1: no JSON"),
        (b"[]", "no JSON object"),
        (b'{"id":1}', "`id` has to be"),
        (b'{"id":"a","label":""}', "`label` has to be"),
        (b'{"id":"a","label":"x"}', "give `features`"),
        (b'{"id":"a","label":"x","features":{}}\n' * 2, "2: its id stands there twice"),
        (b"\n", "has 0 questions"),
    ],
)
def test_a_file_of_known_answers_is_checked(tmp_path: Path, line: bytes, wrong: str) -> None:
    from stream_cl.serve.label.gold import read_gold

    path = tmp_path / "gold.jsonl"
    path.write_bytes(line)
    with pytest.raises(UserError, match=wrong):
        read_gold(path)


def test_people_who_agree_and_a_model_that_learns(tmp_path: Path) -> None:
    clock = FakeClock()
    with server(tmp_path, clock, overlap=2) as here:
        here.ask("a", "b", candidates=["good"])
        for person, said in (("anna", ["good", "good"]), ("bob", ["good", "bad"])):
            for item, label in zip(here.items(person), said, strict=True):
                clock.advance(2)
                here.answer(person, item, label, f"{person} {item['id']}")
        told = here.office.state("anna")["progress"]
        assert told["agreement"] == [1, 2]
        assert told["model"] == {"now": [3, 4], "before": None}
        assert told["per_minute"] == 30.0
        assert (told["answered"], told["all_answered"], told["open"]) == (2, 4, 0)
        here.office.undo("bob", "bob b")
        assert here.office.state("anna")["progress"]["agreement"] == [1, 1]
    assert GUESSES > 0


def test_a_request_that_is_none_is_passed_over(tmp_path: Path) -> None:
    with server(tmp_path, FakeClock()) as here:
        here.send(b"{")
        here.send(b'{"id":1}')
        here.send(record("a", features={"x": 1}, candidates=["<b>", "ok\n", 7, "x" * 999]))
        here.read()
        assert here.intake.unreadable == 2
        assert here.office.sync("anna", [], 1)["classes"] == ["<b>"]
