"""Whether what a run left is what is promised, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from load_tests.chaos.account import Zombie
from load_tests.chaos.evidence import Left, steps_of
from load_tests.report import say


@dataclass
class Proof:
    """Lines that were said, and those of them that did not hold."""

    broken: list[str] = field(default_factory=list)

    def line(self, what: str, wrong: Iterable[object], holds: str = "") -> None:
        """Print one line: it holds when nothing is wrong.

        Args:
            what: is promised.
            wrong: what is not so; some of it is shown.
            holds: figures to show beside.
        """
        listed = list(wrong)
        if listed:
            shown = "; ".join(str(one) for one in listed[:5])
            self.broken.append(what)
            say(f"BROKEN  {what}: {len(listed)} times: {shown}")
        else:
            say(f"holds   {what}{f' ({holds})' if holds else ''}")


def prove_once(proof: Proof, left: Left, written: int) -> None:
    """Every event predicted once, every question asked once.

    Args:
        proof: where it is entered.
        left: by the run.
        written: events that were written, numbered from 0.
    """
    missing = [number for number in range(written) if number not in left.events]
    proof.line("every event that was written stands in the topic", missing, f"{written:,} events")
    proof.line(
        "each event is predicted exactly once",
        _not_once(left.predicted, range(written)),
        f"{left.predicted.total():,} predictions of {left.events.total():,} records",
    )
    proof.line(
        "each event that was asked for has exactly one open request, and no other event has one",
        _not_once(left.requested, sorted(left.asked)),
        f"{left.requested.total():,} open requests",
    )
    proof.line(
        "no question is withdrawn twice",
        [number for number, count in left.withdrawn.items() if count > 1],
        f"{left.withdrawn.total():,} withdrawn",
    )
    say(f"        dead letters: {dict(sorted(left.letters.items()))}")


def _not_once(counted: Counter[int], wanted: Sequence[int]) -> list[str]:
    wrong = [f"{number}: {counted[number]} times" for number in wanted if counted[number] != 1]
    known = set(wanted)
    return wrong + [f"{number}: unexpected" for number in counted if number not in known]


def prove_manifest(proof: Proof, left: Left) -> None:
    """The manifest tells of one step after the other, and of every output record."""
    proof.line("in every output partition incarnations only grow", left.orders)
    incarnations = [one["incarnation"] for one in left.manifest if one["kind"] == "open"]
    proof.line(
        "every life has its own incarnation, one more than the one before",
        [f"{b} behind {a}" for a, b in pairwise(incarnations)
         if b != a + 1],
        f"{len(incarnations)} incarnations",
    )  # fmt: skip
    proof.line("steps follow each other, each in the life that opened last", _unordered(left))
    told: dict[tuple[int, int], Counter[str]] = {
        (one["incarnation"], one["step"]): Counter(one["outputs"]) for one in steps_of(left)
    }
    keys = told.keys() | left.written.keys()
    wrong = [
        f"incarnation {key[0]} step {key[1]}: {dict(left.written.get(key, {}))}, the manifest says "
        f"{dict(told.get(key, {}))}"
        for key in sorted(keys)
        if Counter(left.written.get(key, {})) != +told.get(key, Counter[str]())
    ]
    proof.line(
        "every output record belongs to a step of the manifest, which has as many of each topic",
        wrong,
        f"{len(told):,} steps",
    )
    proof.line("each input record is taken by exactly one step", _gaps(left.manifest))


def _unordered(left: Left) -> list[str]:
    wrong, step, incarnation = [], 0, 0
    for one in left.manifest:
        if one["kind"] == "open":
            incarnation = one["incarnation"]
            if one["step"] != step:
                wrong.append(f"offset {one['offset']}: opened at step {one['step']}, not {step}")
            continue
        if (one["step"], one["incarnation"]) != (step + 1, incarnation):
            wrong.append(
                f"offset {one['offset']}: step {one['step']} of incarnation {one['incarnation']}"
                f" behind step {step} of {incarnation}"
            )
        step = one["step"]
    return wrong


def _gaps(manifest: list[dict[str, Any]]) -> list[str]:
    """Slices that do not begin where the one before ended."""
    ends: dict[tuple[str, int], int] = {}
    wrong = []
    for one in manifest:
        if one["kind"] == "open":
            found = {(topic, partition): offset for topic, partition, offset in one["positions"]}
            wrong += [
                f"OPEN {one['incarnation']}: {at} at {found.get(at)}, not {end}"
                for at, end in ends.items()
                if found.get(at) != end
            ]
            ends.update(found)
            continue
        for topic, partition, start, stop, *_ in one["slices"]:
            if ends.get((topic, partition), 0) != start:
                wrong.append(f"step {one['step']}: {topic}[{partition}] from {start}")
            ends[topic, partition] = stop
    return wrong


def prove_fences(proof: Proof, left: Left, zombies: Sequence[Zombie]) -> None:
    """Nothing of a fenced zombie stands behind its successor's OPEN."""
    fenced = [one for one in zombies if one.successor is not None]
    last = {
        one["incarnation"]: one["step"] for one in left.manifest if one["kind"] == "open"
    }  # the step at which each life began
    late = [
        f"incarnation {incarnation} step {step}, and {zombie.successor} opened at step "
        f"{last.get(zombie.successor or 0)}"
        for zombie in fenced
        for incarnation, step in left.written
        if incarnation == zombie.incarnation and step > last.get(zombie.successor or 0, 0)
    ]
    proof.line(
        "no record of a fenced zombie stands behind its successor's OPEN",
        late,
        f"{len(fenced)} zombies with a successor",
    )


def step_sizes(left: Left, events_topic: str) -> list[int]:
    """Events of each step that has any, in ascending order."""
    sizes = [
        sum(records for topic, _, _, _, records, _ in one["slices"] if topic == events_topic)
        for one in steps_of(left)
    ]
    return sorted(size for size in sizes if size)
