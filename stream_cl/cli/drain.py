"""`stream-cl drain`: a checkpoint at the manifest's tail, and nothing else.

A change of code, format or of a config key that the state depends on starts only from such
a checkpoint; this writes one with the old code and config.
"""

from __future__ import annotations

from stream_cl.cli.common import ConfigPath, Sets, emit, read_config
from stream_cl.cli.run import fix_hash_seed


def command(config: ConfigPath, sets: Sets = None) -> None:
    """Replay what is behind the last checkpoint and write one at the tail; take no step."""
    loaded = read_config(config, sets)
    fix_hash_seed(loaded)
    from stream_cl import build
    from stream_cl.core.clock import SystemClock

    clock = SystemClock()
    log = build.open_transport(loaded, clock, create=False)
    try:
        pipeline = build.pipeline(loaded, log, clock)
        try:
            found = pipeline.start()
            pipeline.close()
        finally:
            pipeline.abandon()
    finally:
        log.close()
    emit(
        f"step {pipeline.state.step}: a checkpoint stands at the end of the manifest; "
        f"{found.replayed} steps were replayed"
    )
