"""What learning wants to say to the world; the next step publishes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_cl.core.records import DeadLetter, Source
from stream_cl.core.snapshot import Snapshot


@dataclass(slots=True)
class Outbox:
    """Withdrawn and repeated requests and faults of labels that step k found; step k+1
    publishes them.

    Bounded: a step adds at most two records per label that it takes, one per request, one per event
    whose early or own label is refused, EXPIRED_PER_STEP of each kind that expire, and RESUMED
    requests after a pause.
    """

    withdrawn: list[str] = field(default_factory=list)  # event ids, of first requests
    lapsed: list[tuple[str, str]] = field(default_factory=list)  # event id, repeated request
    asked_again: list[tuple[str, bytes]] = field(default_factory=list)  # event id, request
    dead_letters: list[DeadLetter] = field(default_factory=list)

    def __len__(self) -> int:
        withdrawn = len(self.withdrawn) + len(self.lapsed)
        return withdrawn + len(self.asked_again) + len(self.dead_letters)

    def snapshot(self) -> Snapshot:
        return {
            "withdrawn": list(self.withdrawn),
            # Only where there are any: the digest of a checkpoint without them stays what it was.
            **({"lapsed": [list(one) for one in self.lapsed]} if self.lapsed else {}),
            "asked_again": [[id_, value.decode()] for id_, value in self.asked_again],
            "dead_letters": [
                [list(d.source), _hex(d.key), _hex(d.value), d.code, d.reason]
                for d in self.dead_letters
            ],
        }

    def restore(self, snapshot: Snapshot) -> None:
        self.withdrawn = list(snapshot["withdrawn"])
        self.lapsed = [(id_, request) for id_, request in snapshot.get("lapsed", ())]
        self.asked_again = [(id_, value.encode()) for id_, value in snapshot["asked_again"]]
        self.dead_letters = [
            DeadLetter(Source(*source), _bytes(key), _bytes(value), code, reason)
            for source, key, value, code, reason in snapshot["dead_letters"]
        ]


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
