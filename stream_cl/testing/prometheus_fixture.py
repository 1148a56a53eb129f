"""Prometheus for tests, as a pytest fixture.

In a `conftest.py`: `pytest_plugins = ["stream_cl.testing.prometheus_fixture"]`. Where it is not
installed the tests are skipped and say how to get it; with `STREAM_CL_REQUIRE` naming
`prometheus`, as in CI, they fail.
"""

from __future__ import annotations

import pytest

from stream_cl.config import environment
from stream_cl.testing.prometheus import NoPrometheus, Programs, find_prometheus


@pytest.fixture(scope="session")
def prometheus_programs() -> Programs:
    """Prometheus and promtool: `with Prometheus(prometheus_programs, folder, targets) as one:`."""
    return programs_or_skip()


def programs_or_skip() -> Programs:
    """Prometheus and promtool; skips the test, or fails it, where they are not installed."""
    try:
        return find_prometheus()
    except NoPrometheus as error:
        if "prometheus" in environment().get("STREAM_CL_REQUIRE", "").split(","):
            pytest.fail(str(error))
        pytest.skip(str(error))
