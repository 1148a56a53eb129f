"""Operations: would it survive a crash, is there room, what does it cost."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from stream_cl.observe.alerts import NEED_ROOM
from stream_cl.observe.dashboards.frame import ASK, Part, dashboard
from stream_cl.observe.dashboards.panels import ACT, CALM, LOOK, WELL, Line, bars, graph, rows, tile

_AGE: Final = f"time() - ({ASK.gauge('checkpoint_timestamp_seconds')} > 0)"
_STEP: Final = ASK.gauge("step")
_FULL: Final = f"{ASK.gauge('store_entries')} / ({ASK.gauge('store_bound')} > 0)"
_ROOM: Final = f"{ASK.gauge('store_entries', store=NEED_ROOM)} / ({ASK.gauge('store_bound')} > 0)"


def operations() -> Dashboard:
    """The dashboard."""
    return dashboard(
        "operations",
        "Operations",
        "For who keeps it running: checkpoints and recovery, the fill of every bounded store, and "
        "the process.",
        [_healthy(), _checkpoints(), _recovery(), _stores(), _process()],
    )


def _healthy() -> Part:
    return Part(
        "Is it healthy?",
        [
            tile(
                "State",
                "Good: running. Else it starts, replays or stops; /ready says which.",
                ASK.gauge("running"),
                "none",
                [(None, ACT), (1, WELL)],
                words={"0": ("not running", ACT), "1": ("running", WELL)},
                alert="StreamClNotRunning",
            ),
            tile(
                "Started within the hour",
                "Good: 0, or as often as you deployed. 3 and more: it dies and is started again; "
                "the log of the start before says why.",
                f"changes({ASK.other('process_start_time_seconds')}[1h])",
                "short",
                [(None, WELL), (1, LOOK), (3, ACT)],
                alert="StreamClRecoveryLoop",
            ),
            tile(
                "Last checkpoint",
                "How long ago it was written. Good: below checkpoint.every_s while steps are "
                "taken. Older: a start replays more; the log says why writing fails.",
                _AGE,
                "s",
                [(None, WELL), (300, LOOK), (900, ACT)],
                alert="StreamClCheckpointOld",
            ),
            tile(
                "Replay differs",
                "Steps that the last start replayed with other numbers than the manifest's. Good: "
                "0. On a new machine or with new libraries some may differ.",
                ASK.gauge("recovery_differing_steps"),
                "short",
                [(None, WELL), (1, ACT)],
                alert="StreamClReplayMismatch",
            ),
            tile(
                "Fullest store",
                "Of the stores that lose something when they are full. Good: below 80 %. The "
                "bars below say which it is.",
                f"max by (job, instance) ({_ROOM})",
                "percentunit",
                [(None, WELL), (0.8, LOOK), (0.95, ACT)],
                alert="StreamClStoreFull",
            ),
            tile(
                "Memory",
                "Of the process. Good: flat once the stores are full. A line that rises for days "
                "is a leak: report it.",
                ASK.other("process_resident_memory_bytes"),
                "bytes",
                [(None, CALM)],
            ),
        ],
    )


def _checkpoints() -> Part:
    return Part(
        "Checkpoints",
        [
            graph(
                "Age",
                "Since the last checkpoint was written. Good: a saw that falls back to 0.",
                [Line(_AGE, "{{instance}}")],
                "s",
                low=0,
                steps=[(None, WELL), (900, ACT)],
                alert="StreamClCheckpointOld",
            ),
            graph(
                "How long one takes",
                "copy holds up the steps: good below 50 ms. write goes on beside them: good below "
                "checkpoint.every_s.",
                [Line(ASK.gauge("checkpoint_seconds"), "{{part}} {{instance}}")],
                "s",
                low=0,
            ),
            graph(
                "Size",
                "Of the last checkpoint; two are kept. Good: flat once the stores are full.",
                [Line(ASK.gauge("checkpoint_bytes"), "{{instance}}")],
                "bytes",
                low=0,
            ),
            graph(
                "Steps since the last",
                "What a start would replay now.",
                [Line(ASK.gauge("checkpoint_steps_behind"), "{{instance}}")],
                "short",
                low=0,
                alert="StreamClCheckpointOld",
            ),
            graph(
                "Written and left out",
                "Within 5 minutes. Left out: the one before was still being written; the disk is "
                "slow, or checkpoint.every_steps too small.",
                [
                    Line(ASK.increase("checkpoints", "5m"), "written {{instance}}"),
                    Line(ASK.increase("checkpoints_skipped", "5m"), "left out {{instance}}", "red"),
                ],
                "short",
                low=0,
                alert="StreamClCheckpointOld",
            ),
            graph(
                "Retention",
                "1 where retention has taken records that the oldest checkpoint would need. Good: "
                "0. Raise topics.retention_hours, or write checkpoints more often.",
                [Line(ASK.gauge("retention_expired"), "{{instance}}")],
                "bool_yes_no",
                steps=[(None, WELL), (1, ACT)],
                low=0,
                high=1,
            ),
        ],
    )


def _recovery() -> Part:
    return Part(
        "Recovery",
        [
            graph(
                "Incarnation",
                "Which life of the writer this is. Good: a step up for each deployment.",
                [Line(ASK.gauge("incarnation"), "{{instance}}")],
                "short",
                alert="StreamClRecoveryLoop",
            ),
            graph(
                "Last recovery",
                "How long it took until steps were taken. Good: seconds. Long: write checkpoints "
                "more often.",
                [Line(ASK.gauge("recovery_seconds"), "{{instance}}")],
                "s",
                low=0,
            ),
            graph(
                "What it found",
                "Steps replayed, those that differ, and damaged checkpoints passed over. Good: "
                "the last two at 0.",
                [
                    Line(ASK.gauge("recovery_replayed_steps"), "replayed {{instance}}"),
                    Line(ASK.gauge("recovery_differing_steps"), "differ {{instance}}", "orange"),
                    Line(ASK.gauge("recovery_corrupt_checkpoints"), "damaged {{instance}}", "red"),
                ],
                "short",
                low=0,
                alert="StreamClReplayMismatch",
            ),
        ],
    )


def _stores() -> Part:
    return Part(
        "Bounded stores",
        [
            bars(
                "Fill",
                "Entries of every store by its bound. Windows, reservoirs and memories are meant "
                "to be full; pending, early_labels, classes and annotators are not.",
                Line(_FULL, "{{store}} {{instance}}"),
                "percentunit",
                [(None, CALM)],
                alert="StreamClStoreFull",
                width=8,
            ),
            graph(
                "Stores that need room",
                "When they are full, questions are given up, labels are refused, or a new class "
                "is a dead letter.",
                [Line(_ROOM, "{{store}} {{instance}}")],
                "percentunit",
                low=0,
                high=1,
                steps=[(None, WELL), (0.95, ACT)],
                alert="StreamClStoreFull",
                width=8,
            ),
            graph(
                "Entries",
                "Of every store.",
                [Line(ASK.gauge("store_entries"), "{{store}} {{instance}}")],
                "short",
                low=0,
                width=8,
            ),
        ],
    )


def _process() -> Part:
    return Part(
        "Process",
        [
            graph(
                "Processor",
                "Cores that are kept busy. Near 1 with a growing lag: the step is what limits it.",
                [
                    Line(
                        f"rate({ASK.other('process_cpu_seconds_total')}[{ASK.window}])",
                        "{{instance}}",
                    )
                ],
                "short",
                low=0,
                alert="StreamClLagGrowing",
            ),
            graph(
                "Memory over time",
                "Resident memory. Good: flat once the stores are full.",
                [Line(ASK.other("process_resident_memory_bytes"), "{{instance}}")],
                "bytes",
                low=0,
            ),
            graph(
                "Open files",
                "And how many there may be.",
                [
                    Line(ASK.other("process_open_fds"), "open {{instance}}"),
                    Line(ASK.other("process_max_fds"), "bound {{instance}}", "orange", dashed=True),
                ],
                "short",
                low=0,
            ),
            graph(
                "Partitions",
                "Input partitions that are read, by topic, and those added since the start.",
                [
                    Line(ASK.gauge("partitions"), "{{topic}} {{instance}}"),
                    Line(ASK.counter("partitions_added"), "added {{instance}}", dashed=True),
                ],
                "short",
                low=0,
            ),
            graph(
                "These figures",
                "Age of what /metrics says, and how long a scrape takes. Good: below a second. "
                "An old age: a step takes long.",
                [
                    Line(ASK.gauge("status_age_seconds"), "age {{instance}}"),
                    Line(ASK.other("scrape_duration_seconds"), "scrape {{instance}}"),
                    Line(ASK.gauge("series_left_out"), "left out {{instance}}", "red"),
                ],
                "s",
                low=0,
            ),
            rows(
                "What runs",
                "The version and the kinds that the config names, and the number of the last step.",
                [
                    Line(f"{ASK.gauge('build_info')} * on (job, instance) {_STEP}", "step"),
                ],
                "none",
                by="version",
                width=8,
            ),
        ],
    )
