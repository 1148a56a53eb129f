"""How a pipeline takes its steps, and what its start found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """How steps are taken; nothing here changes what the state becomes, but for the slices.

    compute_ms: learning takes as few rehearsals as recent steps let it in this time.
    start: `earliest` or `latest`, for input partitions that were never read.
    max_ms: a step takes no more records than recent ones let it handle in this time.
    checkpoint_every, checkpoint_s: steps, and seconds, after which a checkpoint is written.
    """

    max_events: int
    max_ms: float | None
    checkpoint_every: int
    checkpoint_s: float
    digest_every: int
    start: str
    compute_ms: float | None = None


@dataclass(slots=True)
class Recovered:
    """What `Pipeline.start` found, and how long it took: for logs and people."""

    incarnation: int
    checkpoint_step: int | None
    replayed: int
    numeric_differences: int = 0
    corrupt_checkpoints: list[str] = field(default_factory=list)
    seconds: float = 0.0
