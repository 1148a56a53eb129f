"""Whether the log still holds what a recovery would read.

A checkpoint is worth something only with the input behind it: recovery reads the manifest from the
offset that the checkpoint names and the slices that later steps took. Retention deletes from the
start, so what must hold for each partition, and for the manifest, is

    start of the partition ≤ position of the checkpoint

for the oldest checkpoint that is kept: when the newest turns out damaged, that one is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stream_cl.checkpoint.folder import Checkpoint, CheckpointFolder
from stream_cl.core.protocols import Transport
from stream_cl.core.records import Bounds, TopicPartition


def expired(
    transport: Transport, inputs: Sequence[str], manifest: str, folder: CheckpointFolder
) -> str:
    """What the oldest kept checkpoint needs and the log no longer has; empty if all is there.

    Reads the descriptions of the checkpoints and asks for the bounds of the topics once; neither
    data nor records are read, so it may be called whenever a checkpoint was written.
    """
    kept = folder.newest_first()
    if not kept:
        return ""
    oldest = kept[-1]
    lost = _below_start(oldest, manifest, transport.bounds([*inputs, manifest]))
    if not lost:
        return ""
    return (
        f"the checkpoint of step {oldest.step} can no longer be replayed: {lost}; lengthen"
        " topics.retention_hours (and see `stream-cl topics check`), or write checkpoints more"
        " often (checkpoint.every_s, checkpoint.every_steps)"
    )


def _below_start(
    checkpoint: Checkpoint, manifest: str, bounds: Mapping[TopicPartition, Bounds]
) -> str:
    """The first partition whose start has passed what the checkpoint needs."""
    about = checkpoint.about
    needed = {TopicPartition(topic, at): offset for topic, at, offset in about["positions"]}
    needed[TopicPartition(manifest, 0)] = int(about["manifest_offset"])
    for place in sorted(needed):
        # A topic that is an input no longer has no bounds here, and is read by nobody.
        if place in bounds and needed[place] < bounds[place].start:
            return (
                f"{place.topic}[{place.partition}] begins at offset {bounds[place].start}, and it"
                f" needs {needed[place]}"
            )
    return ""


class Retention:
    """What `expired` said when a pipeline last looked: at its start, and at every checkpoint.

    Takes what `expired` takes.
    """

    def __init__(
        self, transport: Transport, inputs: Sequence[str], manifest: str, folder: CheckpointFolder
    ) -> None:
        self.expired = ""
        self._asked = (transport, inputs, manifest, folder)

    def look(self) -> None:
        """Look again."""
        self.expired = expired(*self._asked)
