"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal

# Before numpy is imported anywhere: tests run on few cores and compare bits.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

# A shell ignores Ctrl-C for what it starts in the background, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from pathlib import Path  # noqa: E402  after the thread counts

import pytest  # noqa: E402

pytest_plugins = [
    "stream_cl.testing.kafka_fixture",
    "stream_cl.testing.prometheus_fixture",
    "stream_cl.testing.browser",
]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real streams; tests that need it are skipped where it is missing.

    With `STREAM_CL_REQUIRE` naming `data`, as in CI, a missing folder is a failure.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("STREAM_CL_DATA", beside))
    if not (folder / "SHA256SUMS").exists():
        message = f"no real streams in {folder}: set STREAM_CL_DATA to the folder that holds them"
        if "data" in os.environ.get("STREAM_CL_REQUIRE", "").split(","):
            pytest.fail(message)
        pytest.skip(message)
    return folder
