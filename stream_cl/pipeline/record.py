"""What the manifest says of a step."""

from __future__ import annotations

from stream_cl.pipeline import manifest
from stream_cl.pipeline.manifest import Step
from stream_cl.pipeline.publish import VARYING_HEADERS
from stream_cl.pipeline.scored import Scored
from stream_cl.pipeline.state import State


def record_of(
    state: State, scored: Scored, incarnation: int, *, tick: bool, with_digests: bool
) -> Step:
    """The record of the step that follows S(k−1) = `state`.

    tick: it takes nothing. with_digests: whether those of S(k−1) stand in it; they cost a pass over
    the state.
    """
    return Step(
        incarnation=incarnation,
        step=state.step + 1,
        time_ms=scored.time_ms,
        slices=scored.taken.slices,
        unread_ms=scored.taken.unread_ms,
        tick=tick,
        outputs=manifest.count_outputs(scored.outputs),
        outputs_digest=outputs_digest(scored),
        quarantined=state.quarantined,
        digests=str(state.fingerprint()) if with_digests else None,
        rehearsals=scored.rehearsals,
        unknown_schemas=scored.unknown_schemas,
    )


def outputs_digest(scored: Scored) -> str:
    """Digest of what a step publishes, the incarnation aside."""
    ids, asked = scored.events.ids, scored.verdicts.decision.asked.tobytes()
    return str(manifest.digest_outputs(ids, asked, scored.outputs, VARYING_HEADERS))
