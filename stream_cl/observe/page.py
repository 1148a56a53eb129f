"""Writes docs/metrics.md from the table of metrics.

python -m stream_cl.observe.page > docs/metrics.md
"""

from __future__ import annotations

import sys
from typing import Final

from stream_cl.observe.metrics import SECTIONS, TABLE, Row

_ABOVE: Final = """\
# Metrics

This page is written by `python -m stream_cl.observe.page > docs/metrics.md` from the table in
`stream_cl/observe/metrics.py`, which is also all that `/metrics` shows.

With `http.port` set, `stream-cl run` serves `/metrics` in Prometheus' text format, the same on
SQLite and on Kafka. The pipeline's own thread answers between two steps; while a step takes longer
than 2 s the last known figures stand, and `stream_cl_status_age_seconds` says how old they are.
What the live figures mean stands in [figures.md](figures.md).

- **Restarts.** Most counters are totals of the state, so they go on over a restart and are never
  counted twice, however the process died. Histograms, and the counters marked with *, are of this
  process and begin at 0. Until the replay is over nothing of the state is shown: a counter that
  went through 0 would make a rate jump.
- **Series.** {most} at most, whatever a stream holds: names of classes and annotators are cut at
  128 characters, control characters written out, and beyond the bound of a metric series are left
  out and counted in `stream_cl_series_left_out`. A figure that has no value yet, or is not finite,
  is left out.
- **Rebalances.** There are none: one writer reads every partition, and a second one that starts
  fences it. What happens instead shows in `stream_cl_incarnation` (a new writer) and
  `stream_cl_partitions_added_total` (a partition that somebody added).
- **Digests.** A replay whose digests differ in more than the last bits on another machine stops the
  start with a message, so no metric can show it; `stream_cl_recovery_differing_steps` counts the
  ones that may go on.
- **Forgetting** and the worst case are measured on the held-out set, which is never learned from,
  when a checkpoint is written, by its thread, on a copy of the state: the steps do not wait for it.
  They are kept in the checkpoint and influence nothing. After a crash they are those of the
  checkpoint that the start used; the steps replayed since are not looked at again. Between two
  checkpoints a dip of the learner goes unseen. Formulas and sources:
  `stream_cl/evaluation/forgetting.py`.
"""
_BELOW: Final = """\

## The process

`process_*` (memory, CPU, open files, start time; on Linux) and `python_info` are those of
Prometheus' Python client.
"""


def page() -> str:
    """The text of docs/metrics.md."""
    parts = [_ABOVE.format(most=f"{sum(series(row) for row in TABLE):,}")]
    for heading, rows in SECTIONS.items():
        parts.append(f"\n## {heading}\n\n| metric | type, unit | labels | series | meaning |\n")
        parts.append("|---|---|---|---|---|\n")
        parts += [_line(row) for row in rows]
    return "".join([*parts, _BELOW])


def series(row: Row) -> int:
    """Most series of a metric on /metrics; a histogram has one for each bucket, and two more."""
    return row.bound * (len(row.buckets) + 3 if row.kind == "histogram" else 1)


def _line(row: Row) -> str:
    name = f"{row.name}_total" if row.kind == "counter" else row.name
    own = "\\*" if row.kind == "counter" and not row.of else ""
    labels = ", ".join(f"`{label}`" for label in row.labels)
    cells = [f"`{name}`{own}", f"{row.kind}, {row.unit}", labels, f"{series(row)}", row.meaning]
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
