"""`kafka`: the pipeline on a real broker against bare loops of the same client.

For each client library two programs take turns in one run, block after block, over the same
events on the same broker: `Pipeline.step`, and a loop that consumes, parses, writes the very
bytes that the pipeline wrote and commits, in transactions of the same size. One core for the
process that is measured, another for the broker. The annotator answers between steps, off the
clock.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from load_tests.kafka_programs import Bare, BareKafkaPython, BareLibrdkafka, bare_topic
from load_tests.programs import PipelineOverLog
from load_tests.report import MissingData, Options, one_core, say, table, target
from load_tests.synthetic import events

if TYPE_CHECKING:
    from stream_cl.testing.kafka_broker import KafkaBroker

TARGETS: Final = {"kafka-python": 0.8, "librdkafka": 0.6}
_SIZE: Final = 1000
_STEPS: Final = {"kafka-python": 8, "librdkafka": 20}
_BLOCKS: Final = 15


def run(options: Options) -> None:
    """Print the table, the targets, and how the figures were taken."""
    broker = started()
    try:
        say(
            f"10 numeric features (columns), 5 % labels, softmax, steps of {_SIZE:,}, one core for"
            f" the process, medians over {_BLOCKS} blocks"
        )
        rows, reached = [], {}
        for client in TARGETS:
            if client == "librdkafka" and find_spec("confluent_kafka") is None:
                say('librdkafka: skipped, for `pip install "stream-cl[librdkafka]"` is missing')
                continue
            figures = _compare(client, broker.bootstrap)
            pipeline, bare = (median(block[i] for block in figures) for i in range(2))
            reached[client] = median(block[0] / block[1] for block in figures)
            rows.append([client, f"{pipeline:,.0f}", f"{bare:,.0f}", f"{reached[client]:.2f}"])
        table(["client", "pipeline", "bare loop", "ratio"], rows)
        say("(events per second; a ratio is the median of the ratios of each block)")
        for client, ratio in reached.items():
            target(f"on Kafka with {client}, against its bare loop", ratio, TARGETS[client])
    finally:
        broker.close()


def started() -> KafkaBroker:
    """A broker of our own.

    Raises:
        MissingData: there is no Kafka on this machine; says how to get one.
    """
    from stream_cl.testing.kafka_broker import KafkaBroker
    from stream_cl.testing.kafka_source import NoKafka

    try:
        broker = KafkaBroker(heap_mb=1024, quick_start=False)
    except NoKafka as error:
        raise MissingData(str(error)) from None
    broker.start()
    return broker


def _compare(client: str, bootstrap: str) -> list[tuple[float, float]]:
    """Events per second of the pipeline and of the bare loop, per block."""
    figures: list[tuple[float, float]] = []
    prefix = f"bench-{client}-"
    with one_core(), TemporaryDirectory() as name:
        pipeline = PipelineOverLog(
            Path(name),
            _SIZE,
            transport=f"kafka://{bootstrap}",
            client=client,
            topics={"prefix": prefix},
        )
        for topic in pipeline.log.topics():
            if topic.startswith(prefix):
                pipeline.log.create_topic(bare_topic(topic))
        bare: Bare = (BareKafkaPython if client == "kafka-python" else BareLibrdkafka)(
            bootstrap, pipeline.topics.events
        )
        steps = _STEPS[client]
        for number in range(_BLOCKS + 1):
            pipeline.send(events(number * steps * _SIZE, (number + 1) * steps * _SIZE))
            block = pipeline.block(steps)
            seconds = bare.block(block)
            if number:
                figures.append((block.events / block.seconds, block.events / seconds))
        bare.close()
        pipeline.close()
    return figures
