"""The Prometheus of tests: it answers, says why it does not, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_cl.core.errors import UserError
from stream_cl.testing import prometheus_fixture
from stream_cl.testing.kafka_process import port_is_free
from stream_cl.testing.prometheus import NoPrometheus, Programs, Prometheus, find_prometheus


def test_it_answers_until_it_is_closed(prometheus_programs: Programs, tmp_path: Path) -> None:
    with Prometheus(prometheus_programs, tmp_path, {"nobody": ["127.0.0.1:1"]}) as one:
        assert [sample.value for sample in one.query("vector(1) + 1")] == [2.0]
        assert one.query("scalar(vector(7))")[0].value == 7.0
        with pytest.raises(ValueError, match="parse error"):
            one.query("rate(")
        assert one.rules() == []
        port = int(one.address.rpartition(":")[2])
    assert port_is_free(port)
    with pytest.raises(OSError, match="refused"):
        one.query("1")


def test_why_it_does_not_start_is_said(prometheus_programs: Programs, tmp_path: Path) -> None:
    """Else a typing mistake in a rule is a test that waits for a minute."""
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: [{name: a, rules: [{alert: b, expr: 'rate('}]}]")
    with pytest.raises(UserError, match=r"(?s)Prometheus ended; .*parse error"):
        Prometheus(prometheus_programs, tmp_path / "data", {}, [rules])


def test_where_there_is_none_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoPrometheus, match="apt-get install prometheus"):
        find_prometheus()


@pytest.mark.parametrize(
    ("required", "outcome"),
    [("", pytest.skip.Exception), ("data,prometheus", pytest.fail.Exception)],
)
def test_ci_does_not_skip_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, required: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("STREAM_CL_REQUIRE", required)
    with pytest.raises(outcome):
        prometheus_fixture.programs_or_skip()
