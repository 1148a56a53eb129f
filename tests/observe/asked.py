"""What the dashboards ask Prometheus, as Grafana would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from stream_cl.observe.rendered import files

STEP_S, RATE_S = 15, 60
"""With Prometheus scraping every 15 s and an hour on the screen."""
VARIABLES = {
    "$__rate_interval": f"{RATE_S}s",
    "$__interval": f"{STEP_S}s",
    "$datasource": "prometheus",
}


class Asked(NamedTuple):
    """One query; `at` is dashboard and panel, `instant` whether only the newest value is asked."""

    at: str
    query: str
    instant: bool


def dashboards() -> dict[str, Any]:
    """Name → the dashboard, as Grafana reads it."""
    prefix = "grafana/dashboards/"
    return {
        path.removeprefix(prefix).removesuffix(".json"): json.loads(text)
        for path, text in files().items()
        if path.startswith(prefix)
    }


def panels(dashboard: Any) -> Iterator[Any]:
    """Those that show something."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def of_panels(dashboard: Any, **chosen: str) -> Iterator[Asked]:
    """The queries of all panels; `chosen` are the variables' values."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            at = f"{dashboard['uid']} / {panel['title']} / {target['refId']}"
            yield Asked(at, filled(target["expr"], **chosen), bool(target["instant"]))


def of_marks(dashboard: Any, **chosen: str) -> Iterator[Asked]:
    """The queries of all annotations."""
    for mark in dashboard["annotations"]["list"]:
        at = f"{dashboard['uid']} / {mark['name']}"
        yield Asked(at, filled(mark["target"]["expr"], **chosen), False)


def filled(query: str, job: str = ".+", instance: str = ".+") -> str:
    """With the values that Grafana puts in for variables."""
    for name, value in {**VARIABLES, "$job": job, "$instance": instance}.items():
        query = query.replace(name, value)
    assert "$" not in query, query
    return query
