"""The alerts: rules that Prometheus takes, each with a unit test and a runbook."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, Final

import promql_parser
import pytest
import yaml

from stream_cl.observe.alerts import ALERTS, RUNBOOKS, runbook
from stream_cl.observe.metrics import TABLE
from stream_cl.testing.prometheus import Programs

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "deploy" / "prometheus"
RUNBOOK: Final = (ROOT / "docs" / "runbooks.md").read_text()
UNIT_TESTS: Final = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
each = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def cases(name: str) -> list[Any]:
    """The moments at which the unit tests look at an alert."""
    rules = (case for test in UNIT_TESTS for case in test["alert_rule_test"])
    return [case for case in rules if case["alertname"] == name]


def test_prometheus_takes_rules_and_config(prometheus_programs: Programs) -> None:
    for kind, file, *options in (
        ("rules", "alerts.yml"),
        # The token's file is there in the container only.
        ("config", "prometheus.yml", "--syntax-only"),
    ):
        done = prometheus_programs.check("check", kind, *options, FOLDER / file)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_tests_of_the_rules_pass(prometheus_programs: Programs) -> None:
    done = prometheus_programs.check("test", "rules", FOLDER / "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_unit_test_can_fail(prometheus_programs: Programs, tmp_path: Path) -> None:
    """promtool must see an alert that fires too easily."""
    shutil.copy(FOLDER / "alerts_test.yml", tmp_path)
    rules = (FOLDER / "alerts.yml").read_text()
    (tmp_path / "alerts.yml").write_text(rules.replace("> 0.2", "> 0.1"))
    done = prometheus_programs.check("test", "rules", tmp_path / "alerts_test.yml")
    assert done.returncode != 0
    assert "StreamClForgetting" in done.stdout + done.stderr


@each
def test_each_has_a_unit_test_where_it_fires_and_one_where_it_is_silent(alert: Any) -> None:
    assert any(case["exp_alerts"] for case in cases(alert.name))
    assert any(not case["exp_alerts"] for case in cases(alert.name))


def test_unit_tests_use_metrics_that_there_are() -> None:
    """A renamed metric would leave them passing on names that nobody exports."""
    names = {f"{row.name.removesuffix('_total')}" for row in TABLE}
    others = {"up", "process_start_time_seconds"}
    for test in UNIT_TESTS:
        for series in test["input_series"]:
            name = promql_parser.parse(series["series"]).name
            assert name.removesuffix("_total") in names | others, series


@each
def test_each_has_a_runbook(alert: Any) -> None:
    """What it means, how to check, what to do: not only the name."""
    assert runbook(alert.name) == f"{RUNBOOKS}#{alert.name.lower()}"
    section = RUNBOOK.split(f"\n## {alert.name}\n")[1].split("\n## ")[0]
    assert section.strip().startswith(f"{alert.severity}. ")
    assert "\nCheck: " in section
    assert "\n- " in section


def test_no_runbook_is_left_over() -> None:
    names = re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)
    assert sorted(names) == sorted(alert.name for alert in ALERTS)


@each
def test_a_summary_names_the_instance(alert: Any) -> None:
    assert "{{ $labels.instance }}" in alert.summary
    assert "\n" not in alert.summary
