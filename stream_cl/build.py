"""From a config to objects. The only file that knows every class.

Adding an implementation is its file, its config model, its arm in a `match` below, and its
line in the contract suite. Classes are imported by the arm that needs them, so that a
pipeline with a numpy learner does not wait for torch or river. Longer than other modules,
because every class has its arm here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from stream_cl import __version__
from stream_cl.config import (
    Config,
    budgets,
    encoding,
    learning,
    public,
    queries,
    section,
    sections,
    state_keys,
)
from stream_cl.core.clock import Clock, SystemClock
from stream_cl.core.errors import UserError
from stream_cl.core.faults import Faults
from stream_cl.core.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from stream_cl.budget.hours import WorkingHours
    from stream_cl.core.protocols import Budget, Learner, Memory, QueryStrategy, Transport
    from stream_cl.decode.decoder import Decoder
    from stream_cl.decode.encoder import Encoder
    from stream_cl.labels.panel import Panel
    from stream_cl.observe.tracing import Tracing
    from stream_cl.observe.trail import Trail
    from stream_cl.pipeline.again import AskAgain
    from stream_cl.pipeline.arrays import ArraySteps
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


def decoder(config: encoding.AnyFormat, folder: Path) -> Decoder:
    """What reads events and labels; no registry is asked yet.

    Args:
        config: the format.
        folder: where the paths of its files start.

    Raises:
        UserError: a file with a secret cannot be read.
        TransportError: `format.ca_file` holds no certificates.
    """
    match config:
        case encoding.JsonFormat():
            from stream_cl.decode.decoder import JsonDecoder

            return JsonDecoder()
        case encoding.AvroFormat():
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


def encoder(config: encoding.AnyEncoder) -> Encoder:
    """An encoder that has seen nothing."""
    match config:
        case encoding.HashingEncoder():
            from stream_cl.decode.hashing import HashingEncoder

            overflow = round(config.overflow * config.width)
            return HashingEncoder(
                config.width,
                overflow,
                config.text_words,
                config.categories,
                config.logarithmic,
                config.interactions,
            )
        case encoding.ColumnsEncoder():
            from stream_cl.decode.columns import ColumnsEncoder

            return ColumnsEncoder(config.columns, config.logarithmic)
        case encoding.VectorEncoder():
            from stream_cl.decode.vector import VectorEncoder

            return VectorEncoder(config.width, config.standardise)
        case _:
            assert_never(config)


def memory(config: learning.AnyMemory, width: int, seed: int) -> Memory | None:
    """A memory that is empty; None where nothing is kept."""
    match config:
        case learning.NoMemory():
            return None
        case learning.ReservoirMemory():
            from stream_cl.memory.reservoir import Reservoir

            return Reservoir(width, config.capacity, seed, config.max_bytes)
        case learning.ClassBalancedMemory():
            from stream_cl.memory.class_balanced import ClassBalanced

            return ClassBalanced(width, config.capacity, seed, config.max_bytes)
        case _:
            assert_never(config)


def learner(
    config: learning.AnyLearner, width: int, seed: int, rehearsed: Memory | None = None
) -> Learner:
    """A learner that has learned nothing."""
    classes = config.max_classes
    match config:
        case learning.SoftmaxLearner():
            from stream_cl.learners.softmax import Softmax

            settings = config.model_dump(exclude={"kind", "max_classes"})
            return Softmax(width, seed, classes, **settings)
        case learning.PrototypeLearner():
            from stream_cl.learners.prototype import Prototype

            return Prototype(width, seed, classes, forget=config.forget)
        case learning.ReplayMlpLearner():
            from stream_cl.learners.replay_mlp import ReplayMlp

            assert rehearsed is not None, "the config's relations see to it"
            settings = config.model_dump(exclude={"kind", "max_classes", "compute_ms"})
            return ReplayMlp(width, seed, classes, rehearsed, **settings)
        case learning.RiverLearner():
            from stream_cl.learners.river import River

            return River(
                model=config.model,
                parameters=config.parameters,
                width=width,
                seed=seed,
                max_classes=classes,
            )
        case learning.NoChangeLearner():
            from stream_cl.learners.no_change import NoChange

            return NoChange(width, seed, classes)
        case learning.MajorityLearner():
            from stream_cl.learners.majority import Majority

            return Majority(width, seed, classes)
        case _:
            assert_never(config)


def strategy(  # noqa: PLR0911  every class has its arm
    config: queries.AnyQuery, width: int, seed: int, classes: int
) -> QueryStrategy:
    """A query strategy that has seen nothing, for events of `width` numbers and so many classes."""
    match config:
        case queries.UncertaintyQuery():
            from stream_cl.query.uncertainty import UncertaintySampling

            return UncertaintySampling(config.measure, config.spread)
        case queries.RandomQuery():
            from stream_cl.query.random import RandomSampling

            return RandomSampling()
        case queries.ProbabilisticQuery():
            from stream_cl.query.probabilistic import ProbabilisticSampling

            return ProbabilisticSampling(width, seed, classes, **_settings(config))
        case queries.DensityQuery():
            from stream_cl.query.density import DensitySampling

            return DensitySampling(width, seed, **_settings(config))
        case queries.CommitteeQuery():
            from stream_cl.query.committee import CommitteeSampling

            return CommitteeSampling(width, seed, classes, config.measure, config.members)
        case queries.BaldQuery():
            from stream_cl.query.bald import BaldSampling

            return BaldSampling(width, seed, classes, config.samples)
        case queries.VessalQuery():
            from stream_cl.query.vessal import VessalSampling

            return VessalSampling(width, seed, classes, config.window, config.dimensions)
        case queries.NoveltyQuery():
            from stream_cl.query.novelty import NoveltySampling

            return NoveltySampling(width, seed, **_settings(config))
        case queries.ClassBalanceQuery():
            from stream_cl.query.class_balance import ClassBalance

            inner = strategy(config.of, width, seed, classes)
            return ClassBalance(inner, classes, config.strength, config.forget)
        case queries.StochasticQuery():
            from stream_cl.query.stochastic import Stochastic

            inner = strategy(config.of, width, seed, classes)
            return Stochastic(inner, config.draw, config.beta)
        case queries.CostAwareQuery():
            from stream_cl.query.cost_aware import CostAware

            inner = strategy(config.of, width, seed, classes)
            return CostAware(inner, classes, config.strength, config.forget)
        case queries.BurstOnDriftQuery():
            from stream_cl.drift.adwin import Adwin
            from stream_cl.query.burst_on_drift import BLOCKS, BurstOnDrift

            inner = strategy(config.of, width, seed, classes)
            detector = Adwin(config.delta, BLOCKS[config.signal])
            return BurstOnDrift(inner, detector, config.signal, config.events)
        case _:
            assert_never(config)


def _settings(config: section.Section) -> dict[str, Any]:
    """What a constructor takes by the names that the config has."""
    return config.model_dump(exclude={"kind"})


def strategy_name(config: queries.AnyQuery) -> str:
    """What label requests call it: a wrapper is named before what it wraps."""
    inner = getattr(config, "of", None)
    return config.kind if inner is None else f"{config.kind}_of_{strategy_name(inner)}"


def budget(config: Config) -> Budget:
    """A budget that has spent nothing."""
    if config.labels.join == "every":
        from stream_cl.budget.every import EveryLabel

        return EveryLabel(config.labels.held_out_fraction)
    timed = {"hours", "days", "time_zone"}
    settings = config.budget.model_dump(exclude={"kind"} | timed)
    settings["answers"] = config.annotators.answers
    match config.budget:
        case budgets.FractionBudget():
            from stream_cl.budget.fraction import FractionBudget

            return FractionBudget(**settings)
        case budgets.QuantileBudget():
            from stream_cl.budget.quantile import QuantileBudget

            return QuantileBudget(**settings)
        case budgets.VariableThresholdBudget():
            from stream_cl.budget.variable_threshold import VariableThreshold

            return VariableThreshold(**settings)
        case budgets.RandomisedBudget():
            from stream_cl.budget.randomised import RandomisedThreshold

            return RandomisedThreshold(**settings)
        case budgets.SplitBudget():
            from stream_cl.budget.split import SplitBudget

            return SplitBudget(**settings)
        case budgets.PerTimeBudget():
            from stream_cl.budget.per_time import PerTimeBudget

            return PerTimeBudget(hours=working_hours(config.budget), **settings)
        case budgets.CostBudget():
            from stream_cl.budget.cost import CostBudget

            return CostBudget(hours=working_hours(config.budget), **settings)
        case _:
            assert_never(config.budget)


def working_hours(config: budgets.PerTimeBudget | budgets.CostBudget) -> WorkingHours | None:
    """When people work; None for always."""
    from stream_cl.budget.hours import WorkingHours
    from stream_cl.config.hours import minutes_of, weekdays_of

    days = weekdays_of(config.days)
    if config.hours is None and len(days) == 7:
        return None
    start, stop = (0, 24 * 60) if config.hours is None else minutes_of(config.hours)
    return WorkingHours(days, start, stop, config.time_zone)


def panel(config: sections.Annotators) -> Panel | None:
    """What weighs several answers to a question; None where the first one stands."""
    if config.trust == "none":
        return None
    from stream_cl.labels.dawid_skene import DawidSkene
    from stream_cl.labels.panel import Panel

    trust = DawidSkene(config.max_annotators) if config.trust == "dawid_skene" else None
    return Panel(config.capacity, trust, frozenset(config.experts))


def ask_again(config: Config) -> AskAgain | None:
    """What asks again; None where every question is asked once."""
    given, labels = config.annotators, config.labels
    if given.answers == 1 and not given.relabel:
        return None
    from stream_cl.pipeline.again import AskAgain

    capacity = labels.pending_capacity + given.capacity
    return AskAgain(given.answers, given.relabel, round(labels.ttl_s * 1000), capacity)


def array_steps(config: Config, width: int, step: int) -> ArraySteps:
    """Steps of `step` events over arrays, `width` numbers an event, by a learner, a strategy and a
    budget that have seen nothing."""
    from stream_cl.pipeline.arrays import ArraySteps

    learns = learner(config.learner, width, config.seed, memory(config.memory, width, config.seed))
    query = strategy(config.query, width, config.seed, config.learner.max_classes)
    return ArraySteps(learns, query, budget(config), step)


def fresh_state(config: Config) -> State:
    """S(0)."""
    from stream_cl.core.draws import Draws
    from stream_cl.decode.duplicates import DuplicateWindow
    from stream_cl.evaluation.conformal import ConformalSets
    from stream_cl.evaluation.examples import Examples
    from stream_cl.evaluation.held_out import HeldOut
    from stream_cl.evaluation.prequential import Prequential
    from stream_cl.labels.accounts import Accounts
    from stream_cl.labels.classes import Classes
    from stream_cl.labels.closed import Closed
    from stream_cl.labels.early import EarlyLabels
    from stream_cl.labels.join import Join
    from stream_cl.labels.pending import Pending
    from stream_cl.pipeline.evidence import Evidence
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
        query=strategy(config.query, width, config.seed, config.learner.max_classes),
        budget=budget(config),
        window=window,
        join=Join(
            Pending(labels.pending_capacity, width, ttl_ms),
            EarlyLabels(labels.early_capacity, ttl_ms),
            Closed(labels.closed_window),
            Classes(config.learner.max_classes),
            seen=lambda id_: window.contains(draws.words([id_])),
            panel=panel(config.annotators),
            gold=config.annotators.gold,
            accounts=Accounts(config.annotators.max_annotators),
        ),
        held_out=HeldOut(labels.held_out_capacity, width, config.seed),
        accuracy=Prequential(config.evaluation.window, config.evaluation.window),
        evidence=Evidence(
            ConformalSets(config.requests.coverage, config.requests.candidates),
            Examples(width, config.requests.examples),
        ),
        again=ask_again(config),
    )


def plan(
    config: Config,
    named: Topics,
    partitions: Mapping[str, int],
    partition_for: Callable[[str, bytes], int],
) -> Plan:
    """What does not change while a pipeline runs."""
    from stream_cl.core.draws import Draws
    from stream_cl.pipeline.requests import Requests
    from stream_cl.pipeline.step import Plan

    fields = config.requests.fields
    return Plan(
        topics=named,
        partitions=partitions,
        partition_for=partition_for,
        decoder=decoder(config.format, config.folder),
        draws=Draws(config.seed),
        requests=Requests(
            strategy=strategy_name(config.query),
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
    trace: Callable[[Trail], None] | None = None,
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
        trace=trace,
    )


def tracing(config: Config) -> Tracing | None:
    """What makes spans; None where no collector is named.

    Raises:
        UserError: the extra `tracing` is not installed.
    """
    if config.tracing.endpoint is None:
        return None
    from stream_cl.observe.tracing import Tracing, otlp

    exporter = otlp(config.tracing.endpoint, config.tracing.timeout_s)
    system = "kafka" if config.on_kafka else "sqlite"
    return Tracing(exporter, config.tracing.service, system, f"{config.topics.prefix}stream-cl")
