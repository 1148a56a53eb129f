"""The next step, taken and decoded while the log acknowledges this one.

A log that is far away lets a step wait for it about as long as the step computes. What the next
step takes depends on the positions that this one leaves and on the log, not on the state, so it
can be read and decoded in that time.

It is used only where it is a whole step: then it is what would be taken later too, since records
that come meanwhile stand behind it. Of a shorter one nothing is kept, so that no event waits for
the step after the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from stream_cl.core.errors import StreamClError
from stream_cl.core.records import TopicPartition
from stream_cl.pipeline.decoded import Decoded
from stream_cl.pipeline.slicer import Slicer
from stream_cl.pipeline.taken import Taken

Positions = Mapping[TopicPartition, int]


class Lookahead:
    """Keeps at most one step.

    Args:
        slicer: takes it.
        decode: decodes it.
    """

    def __init__(self, slicer: Slicer, decode: Callable[[Taken], Decoded]) -> None:
        self._slicer = slicer
        self._decode = decode
        self._found: tuple[Positions, Decoded] | None = None

    def behind(self, taken: Taken, positions: Positions, limit: int) -> Callable[[], None] | None:
        """What looks for a step of `limit` records behind `taken`, which begins at `positions`.
        None where that was shorter: then there is hardly another one that is not."""
        if taken.count < limit:
            return None
        after = {**positions, **{one.at: one.stop for one in taken.slices}}
        return lambda: self._look(after, limit)

    def _look(self, positions: Positions, limit: int) -> None:
        # What fails here fails again, and is told, when the step is taken.
        with suppress(StreamClError):
            taken = self._slicer.take(positions, limit)
            if taken.count == limit:
                self._found = positions, self._decode(taken)

    def take(self, positions: Positions) -> Decoded | None:
        """The step that begins at these positions, if it was found; it is given once."""
        found, self._found = self._found, None
        return found[1] if found is not None and found[0] == positions else None
