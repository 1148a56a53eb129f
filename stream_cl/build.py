"""From a config to objects. The only file that knows every class.

Adding an implementation is its file, its config model, its arm in a `match` below, and its
line in the contract suite. Classes are imported by the arm that needs them, so that a
pipeline with a numpy learner does not wait for torch or river. Longer than other modules,
because every class has its arm here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from stream_cl import __version__
from stream_cl.config import Config, public, sections, state_keys
from stream_cl.core.clock import Clock, SystemClock
from stream_cl.core.errors import UserError
from stream_cl.core.faults import Faults
from stream_cl.core.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from stream_cl.core.protocols import Budget, Learner, Memory, QueryStrategy, Transport
    from stream_cl.decode.decoder import Decoder
    from stream_cl.decode.encoder import Encoder
    from stream_cl.pipeline.runner import Pipeline
    from stream_cl.pipeline.state import State
    from stream_cl.pipeline.step import Plan
    from stream_cl.pipeline.watch import StepTimes
    from stream_cl.transport.kafka_client import KafkaClient
    from stream_cl.transport.kafka_options import KafkaOptions


def open_transport(
    config: Config, clock: Clock, faults: Faults | None = None, create: bool = True
) -> Transport:
    """The log that `config.transport` names; a SQLite file is made where it is missing, if
    `create`.

    Raises:
        UserError: it or its folder is not there, a folder stands in its place, or a file that
            the config names cannot be read.
        TransportError: it cannot be read, or brokers cannot be reached or refuse us.
    """
    if config.on_kafka:
        from stream_cl.transport.kafka import KafkaTransport

        options = kafka_options(config)
        return KafkaTransport(kafka_client(config, options, clock), options, clock, faults)
    from stream_cl.transport.sqlite import SqliteTransport

    path = config.log_file
    if path.is_dir():
        raise UserError(f"transport: {path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UserError(f"transport: there is no folder {path.parent}; make it or name another")
    if not create and not path.exists():
        raise UserError(f"transport: there is no log {path} yet; `stream-cl run` makes it")
    return SqliteTransport(path, clock, faults)


def kafka_options(config: Config) -> KafkaOptions:
    """What a Kafka client must be told; files with secrets are read here.

    Raises:
        UserError: a file that the config names cannot be read.
    """
    from stream_cl.config.kafka import option_values, security_values
    from stream_cl.transport.kafka_options import KafkaOptions, KafkaSecurity

    return KafkaOptions(security=KafkaSecurity(**security_values(config)), **option_values(config))


def kafka_client(config: Config, options: KafkaOptions, clock: Clock) -> KafkaClient:
    """The client library that `config.client` names, connected.

    Raises:
        TransportError: the cluster cannot be reached, or refuses us.
        UserError: the library is not there.
    """
    match config.client:
        case "kafka-python":
            from stream_cl.transport.kafka_python import KafkaPython

            return KafkaPython(options, clock)
        case "librdkafka":
            try:
                from stream_cl.transport.librdkafka import Librdkafka
            except ImportError as error:
                raise UserError(
                    f'client: librdkafka needs `pip install "stream-cl[librdkafka]"` ({error})'
                ) from None
            return Librdkafka(options, clock)
        case _:
            assert_never(config.client)


def create_topics(config: Config, log: Transport) -> Topics:
    """The names of the topics, which are created where they are missing."""
    named = Topics(config.topics.prefix)
    named.create(log, config.topics.partitions, config.retention_ms)
    return named


def decoder(config: sections.AnyFormat, folder: Path) -> Decoder:
    """What reads events and labels; no registry is asked yet.

    Args:
        config: the format.
        folder: where the paths of its files start.

    Raises:
        UserError: a file with a secret cannot be read.
        TransportError: `format.ca_file` holds no certificates.
    """
    match config:
        case sections.JsonFormat():
            from stream_cl.decode.decoder import JsonDecoder

            return JsonDecoder()
        case sections.AvroFormat():
            from stream_cl.config.format import authorization
            from stream_cl.decode.avro import AvroDecoder
            from stream_cl.decode.avro_schema import parse
            from stream_cl.decode.registry import SchemaRegistry
            from stream_cl.decode.schema_cache import SchemaCache

            clock = SystemClock()
            registry = SchemaRegistry(
                config.registry,
                clock,
                authorization(config, folder),
                None if config.ca_file is None else folder / config.ca_file,
                config.timeout_s,
            )
            schemas = SchemaCache(registry, parse, clock, config.schemas)
            return AvroDecoder(schemas, config.id, config.time, config.label, config.features)
        case _:
            assert_never(config)


def encoder(config: sections.AnyEncoder) -> Encoder:
    """An encoder that has seen nothing."""
    match config:
        case sections.HashingEncoder():
            from stream_cl.decode.hashing import HashingEncoder

            overflow = round(config.overflow * config.width)
            return HashingEncoder(config.width, overflow, config.text_words)
        case sections.ColumnsEncoder():
            from stream_cl.decode.columns import ColumnsEncoder

            return ColumnsEncoder(config.columns)
        case sections.VectorEncoder():
            from stream_cl.decode.vector import VectorEncoder

            return VectorEncoder(config.width, config.standardise)
        case _:
            assert_never(config)


def memory(config: sections.AnyMemory, width: int, seed: int) -> Memory | None:
    """A memory that is empty; None where nothing is kept."""
    match config:
        case sections.NoMemory():
            return None
        case sections.ReservoirMemory():
            from stream_cl.memory.reservoir import Reservoir

            return Reservoir(width, config.capacity, seed, config.max_bytes)
        case sections.ClassBalancedMemory():
            from stream_cl.memory.class_balanced import ClassBalanced

            return ClassBalanced(width, config.capacity, seed, config.max_bytes)
        case _:
            assert_never(config)


def learner(
    config: sections.AnyLearner, width: int, seed: int, rehearsed: Memory | None = None
) -> Learner:
    """A learner that has learned nothing."""
    classes = config.max_classes
    match config:
        case sections.SoftmaxLearner():
            from stream_cl.learners.softmax import Softmax

            settings = config.model_dump(exclude={"kind", "max_classes"})
            return Softmax(width, seed, classes, **settings)
        case sections.PrototypeLearner():
            from stream_cl.learners.prototype import Prototype

            return Prototype(width, seed, classes, forget=config.forget)
        case sections.ReplayMlpLearner():
            from stream_cl.learners.replay_mlp import ReplayMlp

            assert rehearsed is not None, "the config's relations see to it"
            settings = config.model_dump(exclude={"kind", "max_classes", "compute_ms"})
            return ReplayMlp(width, seed, classes, rehearsed, **settings)
        case sections.RiverLearner():
            from stream_cl.learners.river import River

            return River(
                model=config.model,
                parameters=config.parameters,
                width=width,
                seed=seed,
                max_classes=classes,
            )
        case sections.NoChangeLearner():
            from stream_cl.learners.no_change import NoChange

            return NoChange(width, seed, classes)
        case sections.MajorityLearner():
            from stream_cl.learners.majority import Majority

            return Majority(width, seed, classes)
        case _:
            assert_never(config)


def strategy(config: sections.AnyQuery) -> QueryStrategy:
    """A query strategy."""
    match config:
        case sections.UncertaintyQuery():
            from stream_cl.query.uncertainty import UncertaintySampling

            return UncertaintySampling(config.measure)
        case sections.RandomQuery():
            from stream_cl.query.random import RandomSampling

            return RandomSampling()
        case _:
            assert_never(config)


def budget(config: Config) -> Budget:
    """A budget that has spent nothing."""
    if config.labels.join == "every":
        from stream_cl.budget.every import EveryLabel

        return EveryLabel(config.labels.held_out_fraction)
    settings = config.budget.model_dump(exclude={"kind"})
    match config.budget:
        case sections.FractionBudget():
            from stream_cl.budget.fraction import FractionBudget

            return FractionBudget(**settings)
        case sections.QuantileBudget():
            from stream_cl.budget.quantile import QuantileBudget

            return QuantileBudget(**settings)
        case _:
            assert_never(config.budget)


def fresh_state(config: Config) -> State:
    """S(0)."""
    from stream_cl.core.draws import Draws
    from stream_cl.decode.duplicates import DuplicateWindow
    from stream_cl.evaluation.held_out import HeldOut
    from stream_cl.evaluation.prequential import Prequential
    from stream_cl.labels.classes import Classes
    from stream_cl.labels.closed import Closed
    from stream_cl.labels.early import EarlyLabels
    from stream_cl.labels.join import Join
    from stream_cl.labels.pending import Pending
    from stream_cl.pipeline.guard import GuardedLearner
    from stream_cl.pipeline.state import State

    encodes, draws = encoder(config.encoder), Draws(config.seed)
    labels, width = config.labels, encodes.width
    rehearsed = memory(config.memory, width, config.seed)
    ttl_ms = round(labels.ttl_s * 1000)
    window = DuplicateWindow(config.dedupe.window_events)
    return State(
        encoder=encodes,
        guard=GuardedLearner(learner(config.learner, width, config.seed, rehearsed)),
        budget=budget(config),
        window=window,
        join=Join(
            Pending(labels.pending_capacity, width, ttl_ms),
            EarlyLabels(labels.early_capacity, ttl_ms),
            Closed(labels.closed_window),
            Classes(config.learner.max_classes),
            seen=lambda id_: window.contains(draws.words([id_])),
        ),
        held_out=HeldOut(labels.held_out_capacity, width, config.seed),
        accuracy=Prequential(config.evaluation.window, config.evaluation.window),
    )


def plan(
    config: Config,
    named: Topics,
    partitions: Mapping[str, int],
    partition_for: Callable[[str, bytes], int],
) -> Plan:
    """What does not change while a pipeline runs."""
    from stream_cl.core.draws import Draws
    from stream_cl.pipeline.publish import Requests
    from stream_cl.pipeline.step import Plan

    chosen = strategy(config.query)
    fields = config.requests.fields
    return Plan(
        topics=named,
        partitions=partitions,
        partition_for=partition_for,
        decoder=decoder(config.format, config.folder),
        draws=Draws(config.seed),
        strategy=chosen,
        requests=Requests(
            strategy=chosen.name,
            ttl_ms=round(config.labels.ttl_s * 1000),
            fields=None if fields == "all" else frozenset(fields),
            candidates=config.requests.candidates,
        ),
        model=config.learner.kind,
        every=config.labels.join == "every",
    )


def pipeline(
    config: Config,
    log: Transport,
    clock: Clock,
    faults: Faults | None = None,
    watch: Callable[[StepTimes], None] | None = None,
) -> Pipeline:
    """A pipeline over `log`, not started; missing topics are created."""
    from stream_cl.checkpoint.folder import CheckpointFolder
    from stream_cl.pipeline.machine import fingerprint
    from stream_cl.pipeline.recovery import Identity
    from stream_cl.pipeline.runner import Pipeline
    from stream_cl.pipeline.settings import Settings

    named = create_topics(config, log)
    return Pipeline(
        transport=log,
        fresh=lambda: fresh_state(config),
        plan=plan(config, named, log.topics(), log.partition_for),
        settings=Settings(
            max_events=config.step.max_events,
            max_ms=config.step.max_ms,
            checkpoint_every=config.checkpoint.every_steps,
            checkpoint_s=config.checkpoint.every_s,
            digest_every=config.checkpoint.digest_every_steps,
            start=config.start,
            compute_ms=getattr(config.learner, "compute_ms", None),
        ),
        identity=Identity(public(config), state_keys(config), __version__, fingerprint()),
        folder=CheckpointFolder(config.checkpoint_folder, faults),
        clock=clock,
        faults=faults,
        watch=watch,
    )
