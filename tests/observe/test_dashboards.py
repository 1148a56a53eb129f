"""The dashboards: what is committed is what the code renders, and an operator can read it."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import promql_parser
import pytest

from stream_cl.observe import promql
from stream_cl.observe.alerts import ALERTS, RUNBOOKS
from stream_cl.observe.dashboards.render import rendered
from stream_cl.observe.metrics import TABLE
from stream_cl.observe.promql import PromQL, UnknownMetric
from stream_cl.observe.rendered import files
from tests.observe.asked import dashboards, of_marks, of_panels, panels

ROOT: Final = Path(__file__).resolve().parents[2]
DASHBOARDS: Final = dashboards()
KINDS: Final = {row.name.removeprefix("stream_cl_"): row.kind for row in TABLE}
each = pytest.mark.parametrize("name", DASHBOARDS)


def test_what_is_handed_out_is_what_the_code_renders() -> None:
    """Else a change of a dashboard reaches nobody: run `make dashboards`."""
    made, packaged = rendered(), files()
    assert set(made) == set(packaged)
    for path, text in made.items():
        assert packaged[path] == text, f"{path} is not up to date: run `make dashboards`"
        assert (ROOT / "deploy" / path).read_text() == text, f"deploy/{path}: `make dashboards`"


def test_deploy_holds_no_dashboard_that_is_gone() -> None:
    there = {path.name for path in (ROOT / "deploy/grafana/dashboards").iterdir()}
    assert there == {f"{name}.json" for name in ("stream", "learning", "labels", "operations")}


def test_a_query_of_a_metric_that_is_not_in_the_table_is_an_error() -> None:
    """A metric that was renamed must not become an empty panel."""
    ask = PromQL("", "5m")
    for wrong in (
        lambda: ask.gauge("lag_record"),
        lambda: ask.gauge("predictions"),
        lambda: ask.rate("lag_records"),
        lambda: ask.quantile(0.5, "lag_records"),
        lambda: ask.gauge("store_entries", shop="pending"),
        lambda: ask.quantile(0.5, "step_seconds", by="shop"),
    ):
        with pytest.raises(UnknownMetric):
            wrong()


@pytest.mark.parametrize("name", ["recovery_seconds", "lag_seconds", "drifts", "build_info"])
def test_a_renamed_metric_stops_the_rendering(name: str) -> None:
    """One that only a panel asks for, one of an alert, two of the marks."""
    program = f"""
import stream_cl.observe.metrics as metrics
metrics.TABLE = tuple(
    row._replace(name="stream_cl_renamed") if row.name == "stream_cl_{name}" else row
    for row in metrics.TABLE
)
from stream_cl.observe.dashboards.render import rendered
rendered()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert f"UnknownMetric: no {KINDS[name]} `{name}`" in done.stderr


def test_the_examples_of_queries_hold() -> None:
    assert doctest.testmod(promql).failed == 0


def test_a_value_of_a_label_cannot_end_the_selector() -> None:
    assert PromQL("", "").gauge("store_entries", store='a"} or x{y="') == (
        r'stream_cl_store_entries{store="a\"} or x{y=\""}'
    )


@each
def test_every_query_is_promql(name: str) -> None:
    dashboard = DASHBOARDS[name]
    for asked in [*of_panels(dashboard), *of_marks(dashboard)]:
        promql_parser.parse(asked.query)


def test_every_metric_is_on_a_dashboard() -> None:
    """One that nobody shows is one that nobody looks at."""
    shown = {
        found
        for dashboard in DASHBOARDS.values()
        for asked in [*of_panels(dashboard), *of_marks(dashboard)]
        for found in re.findall(r"stream_cl_\w+", asked.query)
    }
    shown = {re.sub("_(total|bucket|sum|count)$", "", found) for found in shown}
    assert {row.name.removesuffix("_total") for row in TABLE} <= shown


@each
def test_every_panel_explains_itself(name: str) -> None:
    """Who is called at night has not read the documents."""
    titles = [panel["title"] for panel in panels(DASHBOARDS[name])]
    assert len(set(titles)) == len(titles)
    for panel in panels(DASHBOARDS[name]):
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        if panel["type"] == "stat":
            assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"], panel["title"]


@each
def test_the_first_row_says_whether_it_is_healthy(name: str) -> None:
    first, *rest = DASHBOARDS[name]["panels"]
    assert (first["type"], first["title"]) == ("row", "Is it healthy?")
    tiles = []
    for panel in rest:
        if panel["type"] == "row":
            break
        tiles.append(panel)
    assert {panel["type"] for panel in tiles} == {"stat"}
    assert sum(panel["gridPos"]["w"] for panel in tiles) == 24
    linked = [panel for panel in tiles if panel.get("links")]
    assert len(linked) >= 3, "what is not healthy leads to a runbook"


@each
def test_panels_fill_the_screen_and_do_not_overlap(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARDS[name]["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        for y in range(at["y"], at["y"] + at["h"]):
            for x in range(at["x"], at["x"] + at["w"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]
    bottom = max(y for _, y in taken) + 1
    assert len(taken) == 24 * bottom, "there are holes"


@each
def test_all_that_is_asked_follows_the_variables(name: str) -> None:
    """A panel that forgets one shows another pipeline's figures."""
    dashboard = DASHBOARDS[name]
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert set(variables) == {"datasource", "job", "instance"}
    assert all(variables[name]["multi"] for name in ("job", "instance"))
    for panel in panels(dashboard):
        for target in panel["targets"]:
            _chosen(target["expr"], panel["title"])
            assert target["datasource"]["uid"] == "${datasource}"
    for mark in dashboard["annotations"]["list"]:
        _chosen(mark["target"]["expr"], mark["name"])


def _chosen(query: str, where: str) -> None:
    assert not re.search(r"rate\([^[]*\[\d", query), f"{where}: not over $__rate_interval"
    for selector in re.findall(r"\w+_\w+\{[^}]*\}", query):
        assert 'job=~"$job", instance=~"$instance"' in selector, where


@each
def test_what_happened_is_marked(name: str) -> None:
    marks = [mark["name"] for mark in DASHBOARDS[name]["annotations"]["list"]]
    assert marks == ["Drift", "Deployments", "Incarnations"]


def test_every_alert_is_linked_from_a_panel() -> None:
    """Who looks at a panel that is red must be one click from what to do."""
    links = {
        link["url"]
        for dashboard in DASHBOARDS.values()
        for panel in panels(dashboard)
        for link in panel.get("links", [])
    }
    assert links == {f"{RUNBOOKS}#{alert.name.lower()}" for alert in ALERTS}


def test_nothing_hides_a_link() -> None:
    """The library puts links into a menu, where nobody sees them."""

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            assert part.get("placement") != "inControlsMenu"
        for inner in part.values() if isinstance(part, dict) else part:
            if isinstance(inner, dict | list):
                walk(inner)

    for dashboard in DASHBOARDS.values():
        walk(dashboard)


def test_the_bands_of_intervals_are_filled() -> None:
    """`fillBelowTo` must name a series of the same panel, else there is no band."""
    found = 0
    for panel in panels(DASHBOARDS["learning"]):
        legends = {target["legendFormat"] for target in panel["targets"]}
        for override in panel["fieldConfig"].get("overrides", []):
            for one in override["properties"]:
                if one["id"] == "custom.fillBelowTo":
                    found += 1
                    assert one["value"] in legends
                    assert panel["repeat"] == "instance"
    assert found == 2
