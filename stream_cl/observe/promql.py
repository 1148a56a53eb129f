"""Queries of Prometheus about the metrics of the table, and about no others.

Dashboards and alerts are written with these, so that a metric that was renamed, or a label that
it does not have, is an error where they are made and not an empty panel.
"""

from __future__ import annotations

from typing import Final

from stream_cl.observe.metrics import TABLE, Kind, Row

_PREFIX: Final = "stream_cl_"
_ROWS: Final = {row.name.removeprefix(_PREFIX).removesuffix("_total"): row for row in TABLE}


class UnknownMetric(LookupError):
    """A query names what the table does not have."""


class PromQL:
    """Selectors of metrics, all with the same matchers.

    Names are those of the table without `stream_cl_` and `_total`. A label's value that begins
    with `~` is a regular expression; with `!`, one that it must not be.

    Args:
        matchers: put into every selector, as they stand in PromQL.
        window: what a rate is taken over, e.g. `5m`.

    >>> five_minutes = PromQL("", "5m")
    >>> five_minutes.gauge("store_entries", store="~pending|held_out")
    'stream_cl_store_entries{store=~"pending|held_out"}'
    >>> five_minutes.rate("predictions")
    'rate(stream_cl_predictions_total[5m])'
    >>> five_minutes.gauge("stored")
    Traceback (most recent call last):
        ...
    stream_cl.observe.promql.UnknownMetric: no gauge `stored` in the table of metrics
    """

    def __init__(self, matchers: str, window: str) -> None:
        self._matchers = matchers
        self.window = window

    def gauge(self, name: str, **labels: str) -> str:
        """The selector of a gauge.

        Raises:
            UnknownMetric: there is no such gauge, or it has not that label.
        """
        return self._selector(_row(name, "gauge"), "", labels)

    def counter(self, name: str, **labels: str) -> str:
        """The selector of a counter.

        Raises:
            UnknownMetric: there is no such counter, or it has not that label.
        """
        return self._selector(_row(name, "counter"), "_total", labels)

    def rate(self, name: str, **labels: str) -> str:
        """How much a counter grows in a second."""
        return f"rate({self.counter(name, **labels)}[{self.window}])"

    def increase(self, name: str, window: str = "", **labels: str) -> str:
        """How much a counter grew in a window, by default that of rates."""
        return f"increase({self.counter(name, **labels)}[{window or self.window}])"

    def quantile(self, q: float, name: str, by: str = "", **labels: str) -> str:
        """A quantile of a histogram, for each job and instance, and each value of the label `by`.

        Raises:
            UnknownMetric: there is no such histogram, or it has not that label.
        """
        row = _row(name, "histogram")
        if by and by not in row.labels:
            raise UnknownMetric(f"{row.name} has no label {by}")
        kept = ", ".join(["job", "instance", *([by] if by else []), "le"])
        buckets = self._selector(row, "_bucket", labels)
        return f"histogram_quantile({q:g}, sum by ({kept}) (rate({buckets}[{self.window}])))"

    def observed(self, name: str, **labels: str) -> str:
        """How many values a histogram takes in a second."""
        return f"rate({self._selector(_row(name, 'histogram'), '_count', labels)}[{self.window}])"

    def mean(self, name: str, **labels: str) -> str:
        """The mean of what a histogram takes."""
        row = _row(name, "histogram")
        sums = f"rate({self._selector(row, '_sum', labels)}[{self.window}])"
        return f"{sums} / {self.observed(name, **labels)}"

    def other(self, name: str) -> str:
        """The selector of what every process has, e.g. `process_resident_memory_bytes`."""
        return _braced(name, self._matchers)

    def _selector(self, row: Row, suffix: str, labels: dict[str, str]) -> str:
        unknown = set(labels) - set(row.labels)
        if unknown:
            raise UnknownMetric(f"{row.name} has no label {', '.join(sorted(unknown))}")
        matchers = [_matcher(name, value) for name, value in labels.items()]
        name = row.name.removesuffix("_total") + suffix
        return _braced(name, ", ".join([*filter(None, [self._matchers]), *matchers]))


def _row(name: str, kind: Kind) -> Row:
    row = _ROWS.get(name)
    if row is None or row.kind != kind:
        raise UnknownMetric(f"no {kind} `{name}` in the table of metrics")
    return row


def _braced(name: str, matchers: str) -> str:
    return f"{name}{{{matchers}}}" if matchers else name


def _matcher(label: str, value: str) -> str:
    sign = {"~": "=~", "!": "!~"}.get(value[:1], "=")
    text = value[1:] if sign != "=" else value
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'{label}{sign}"{quoted}"'
