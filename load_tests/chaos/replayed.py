"""The manifest taken again from nothing, and whether the same comes out."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest.mock import patch

from load_tests.chaos.evidence import Place, Rows
from load_tests.chaos.victim import load_config
from stream_cl import build
from stream_cl.core.clock import SystemClock
from stream_cl.pipeline import replay
from stream_cl.pipeline.scored import Scored


class Replayed(NamedTuple):
    """What a replay gave: its steps, the digest of the last state, digests of the outputs by
    topic and partition, and how many records they are."""

    steps: int
    digest: str
    outputs: dict[Place, str]


def from_empty(folder: Path, bootstrap: str) -> Replayed:
    """Replay the whole manifest of the run in `folder` without any checkpoint.

    The replay compares every step's outputs, and every state that the manifest has a digest of,
    by itself. What it would have published is noted on the way.

    Args:
        folder: with config.json.
        bootstrap: where the brokers are asked.

    Raises:
        RecoveryError: something is not what it was.
    """
    rows, compare = Rows(), replay.outputs_digest

    def noting(scored: Scored) -> str:
        for batch in scored.outputs:
            for i, (key, value) in enumerate(zip(batch.keys, batch.values, strict=True)):
                rows.add((batch.topic, batch.partition), key, value, batch.headers(i))
        return compare(scored)

    with TemporaryDirectory() as nothing:
        config = load_config(folder).beside(Path(nothing))
        config = config.model_copy(update={"transport": f"kafka://{bootstrap}"})
        clock = SystemClock()
        log = build.open_transport(config.beside(Path(nothing)), clock)
        try:
            pipeline = build.pipeline(config.beside(Path(nothing)), log, clock)
            with patch.object(replay, "outputs_digest", noting):
                story = pipeline.look()
            digest = str(pipeline.state.fingerprint())
            pipeline.abandon()
        finally:
            log.close()
    assert story.base is None, "a checkpoint was used"
    return Replayed(len(story.to_replay), digest, rows.digests())
