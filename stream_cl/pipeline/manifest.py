"""The manifest: the log of what each step consumed. State is a function of it.

Two kinds of record, JSON, in the one partition of the manifest topic:

OPEN  one life of the writer begins: incarnation, the position of every input partition, the
      config, the code's version, the machine's fingerprint, the lineage. `new_state` says that
      the state before was given up.
STEP  one step: incarnation, k, slices, logical time, what was left unread, the count and
      digest of the outputs, a quarantine of the step before, state digests every N steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from xxhash import xxh3_128

from stream_cl.core.errors import RecoveryError
from stream_cl.core.records import Outgoing, Slice, TopicPartition
from stream_cl.core.snapshot import Digest


@dataclass(slots=True)
class Open:
    """One life of the writer begins."""

    incarnation: int
    step: int
    """k of the last step before."""
    lineage: str
    """Names this manifest, so that a checkpoint of another one is not mistaken for its own."""
    positions: dict[TopicPartition, int]
    config: dict[str, Any]
    state_config: dict[str, Any]
    code: str
    fingerprint: str
    new_state: bool = False
    offset: int = -1

    def encode(self) -> bytes:
        return orjson.dumps(
            {
                "v": 1,
                "kind": "open",
                "incarnation": self.incarnation,
                "step": self.step,
                "lineage": self.lineage,
                "positions": [[*at, offset] for at, offset in sorted(self.positions.items())],
                "config": self.config,
                "state_config": self.state_config,
                "code": self.code,
                "fingerprint": self.fingerprint,
                "new_state": self.new_state,
            }
        )


@dataclass(slots=True)
class Step:
    """One committed step.

    outputs: topic → number of records. outputs_digest: of the ids and who was asked, and of
    every byte, joined by "-". quarantined: why the learner did not learn the labels of the
    step before, None when it did. unknown_schemas: ids that the schema registry did not know
    then, whatever it knows by now. digests: of the state before this step, discrete and
    numeric, every N steps.
    """

    incarnation: int
    step: int
    time_ms: int
    slices: list[Slice]
    unread_ms: int | None
    tick: bool
    outputs: dict[str, int]
    outputs_digest: str
    quarantined: str | None = None
    digests: str | None = None
    rehearsals: int = 0
    unknown_schemas: list[int] = field(default_factory=list)
    offset: int = field(default=-1, compare=False)

    def encode(self) -> bytes:
        return orjson.dumps(
            {
                "v": 1,
                "kind": "step",
                "incarnation": self.incarnation,
                "step": self.step,
                "time_ms": self.time_ms,
                "slices": [list(taken) for taken in self.slices],
                "unread_ms": self.unread_ms,
                "tick": self.tick,
                "rehearsals": self.rehearsals,
                "outputs": self.outputs,
                "outputs_digest": self.outputs_digest,
                "quarantined": self.quarantined,
                "unknown_schemas": self.unknown_schemas,
                "digests": self.digests,
            }
        )


def decode(value: bytes | None, offset: int) -> Open | Step:
    """A record of the manifest.

    Raises:
        RecoveryError: it is none.
    """
    try:
        raw = orjson.loads(value or b"")
        kind, version = raw.pop("kind"), raw.pop("v")
        if version == 1 and kind == "open":
            raw["positions"] = {TopicPartition(t, p): o for t, p, o in raw["positions"]}
            return Open(**raw, offset=offset)
        if version == 1 and kind == "step":
            raw["slices"] = [Slice(*fields) for fields in raw["slices"]]
            return Step(**raw, offset=offset)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecoveryError(f"manifest offset {offset} cannot be read: {error}") from error
    raise RecoveryError(
        f"manifest offset {offset}: version {version} and kind {kind!r} are not known to this "
        "version of stream_cl; run the one that wrote it"
    )


def digest_outputs(
    ids: Sequence[str], asked: bytes, batches: Sequence[Outgoing], varying: frozenset[str]
) -> Digest:
    """Digest of what a step publishes, without the headers named in `varying`; `asked` has a
    byte for each of the ids.

    Its discrete half covers the ids and who was asked; the numeric half covers every byte,
    probabilities too, so on another processor only the first must agree.
    """
    discrete, every_byte = xxh3_128(), xxh3_128()
    # Control characters are refused in ids, so a line end divides them.
    discrete.update("\n".join(ids).encode() + b"\0" + asked)
    for batch in batches:
        every_byte.update(f"{batch.topic}\0{batch.partition}\0{len(batch)}".encode())
        for name, value in batch.common:
            if name not in varying:
                every_byte.update(name.encode() + b"\0" + value)
        every_byte.update(b"\0".join([key or b"" for key in batch.keys]))
        for column in (batch.values, *batch.each.values()):
            every_byte.update(b"\0".join([item or b"" for item in column]))
    return Digest(discrete.hexdigest(), every_byte.hexdigest())


def count_outputs(batches: Sequence[Outgoing]) -> dict[str, int]:
    """topic → number of records."""
    counts: dict[str, int] = {}
    for batch in batches:
        counts[batch.topic] = counts.get(batch.topic, 0) + len(batch)
    return counts


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Keys (as `a.b`) whose values differ between two nested configs."""
    found = []
    for key in sorted(set(then) | set(now)):
        old, new = then.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += [f"{key}.{inner}" for inner in differences(old, new)]
        elif old != new:
            found.append(f"{key} (was {old!r}, is {new!r})")
    return found
