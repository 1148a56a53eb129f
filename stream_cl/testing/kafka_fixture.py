"""Brokers for tests, as pytest fixtures.

In a `conftest.py`: `pytest_plugins = ["stream_cl.testing.kafka_fixture"]`. Where no broker can
be had the tests are skipped and say how to get one; with `STREAM_CL_REQUIRE` naming `kafka`,
as in CI, they fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from stream_cl.config import environment
from stream_cl.testing.kafka_broker import KafkaBroker, KafkaCluster
from stream_cl.testing.kafka_process import answers
from stream_cl.testing.kafka_source import External, NoKafka, Software, find_kafka


def source_or_skip(environ: Mapping[str, str]) -> External | Software:
    """Where brokers come from; skips the test, or fails it, where none can be had.

    Args:
        environ: the environment.
    """
    try:
        return find_kafka(environ)
    except NoKafka as error:
        if "kafka" in environ.get("STREAM_CL_REQUIRE", "").split(","):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka_source() -> External | Software:
    """Where brokers come from on this machine."""
    return source_or_skip(environment())


@pytest.fixture(scope="session")
def kafka_software(kafka_source: External | Software) -> Software:
    """For tests that make a broker of their own: `KafkaBroker(software=kafka_software, …)`."""
    if isinstance(kafka_source, External):
        pytest.skip(
            f"needs a broker that it may stop, and STREAM_CL_KAFKA={kafka_source.bootstrap} is "
            "not ours: unset it"
        )
    return kafka_source


@pytest.fixture(scope="session")
def kafka_broker(kafka_source: External | Software) -> Iterator[KafkaBroker | External]:
    """One broker for all tests of a session, with its address in `bootstrap`.

    A test makes topics of names that no other uses, and lets the broker run.
    """
    if isinstance(kafka_source, External):
        if not any(answers(address) for address in kafka_source.bootstrap.split(",")):
            pytest.fail(
                f"STREAM_CL_KAFKA={kafka_source.bootstrap} does not answer: start it or unset it"
            )
        yield kafka_source
        return
    with KafkaBroker(software=kafka_source) as broker:
        yield broker


@pytest.fixture
def kafka_cluster(kafka_software: Software) -> Iterator[Callable[..., KafkaCluster]]:
    """`kafka_cluster(nodes=3, …)` starts brokers that the test may kill; they end with it."""
    with ExitStack() as stack:
        yield lambda nodes=1, **settings: stack.enter_context(
            KafkaCluster(nodes, software=kafka_software, **settings)
        )
