"""What one config value may be beyond its type, and how values must fit together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticCustomError

from stream_cl.core import limits

if TYPE_CHECKING:
    from stream_cl.config import Config

SQLITE: Final = "sqlite:///"
KAFKA: Final = "kafka://"
PORT_MAX: Final = 65_535
SHOWN_CHARS: Final = 60
WEIGHT_BYTES: Final = 8
ENCODED_BYTES: Final = 4

Relation = tuple[tuple[str, ...], str]
"""The keys that do not fit together, the one to change first, and what would be right."""


def wrong(text: str) -> PydanticCustomError:
    """An error whose message is `text` as it stands."""
    # As a context value, so that braces in it are not taken for places to fill in.
    return PydanticCustomError("wrong", "{text}", {"text": text})


def sqlite_path(address: str) -> str:
    """The file that a `sqlite:///` address names; relative unless it begins with a slash."""
    return address.removeprefix(SQLITE)


def check_transport(address: str) -> str:
    """A transport's address, as it is.

    Raises:
        PydanticCustomError: it is no address.
    """
    if address.startswith(KAFKA):
        kafka_bootstrap(address)
        return address
    path = sqlite_path(address)
    if not address.startswith(SQLITE) or not path or path.endswith("/") or "\0" in path:
        shown = "what stands there" if "@" in address else _short(address)
        raise wrong(
            f"{shown} is no log; give sqlite:///FILE, sqlite:////absolute/FILE or kafka://HOST:PORT"
        )
    if path == ":memory:":
        raise wrong("a log in memory is seen by one process only; give sqlite:///FILE")
    return address


def kafka_bootstrap(address: str) -> tuple[str, ...]:
    """The brokers that a `kafka://` address names, each as `host:port`, IPv6 in brackets.

    Raises:
        PydanticCustomError: it names none, or something besides.
    """
    rest = address.removeprefix(KAFKA)
    if "@" in rest:
        # What stands there may be a password, so it is not shown.
        raise wrong("holds a user; give kafka://HOST:PORT, and the user in kafka.security")
    if "/" in rest or "?" in rest or "#" in rest:
        raise wrong(f"{_short(address)} goes on after the port; give kafka://HOST:PORT[,HOST:PORT]")
    return tuple(_broker(broker.strip()) for broker in rest.split(","))


def _broker(text: str) -> str:
    """`host:port`, as it is.

    Raises:
        PydanticCustomError: it is not that.
    """
    bracketed = re.fullmatch(r"(\[[^\]]*\])(?::(.*))?", text)
    host, port = bracketed.groups() if bracketed else _split(text)
    if bracketed:
        try:
            IPv6Address(host[1:-1])
        except ValueError:
            raise wrong(f"{_short(host)} is no IPv6 address; give one, or a name") from None
    elif ":" in host:
        raise wrong(f"{_short(text)} is ambiguous; put an IPv6 address in brackets: [::1]:9092")
    elif not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?", host):
        raise wrong(f"{_short(text)} names no broker; give kafka://HOST:PORT[,HOST:PORT]")
    if not port:
        raise wrong(f"{_short(text)} has no port; brokers mostly listen on 9092: {host}:9092")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= PORT_MAX:
        raise wrong(f"{_short(port)} is no port; give a whole number from 1 to {PORT_MAX}")
    return text


def _split(text: str) -> tuple[str, str]:
    host, colon, port = text.rpartition(":")
    return (host, port) if colon else (text, "")


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 3]}...")


def check_path(path: str) -> str:
    """A path, as it is."""
    if not path or "\0" in path:
        raise wrong(f"{path!r} is no path; give a folder")
    return path


def with_default_kind(data: Any, name: str, kind: str) -> Any:
    """The same, where what stands under `name` has a kind if it is a mapping or empty."""
    if not isinstance(data, Mapping) or name not in data:
        return data
    given = {} if data[name] is None else data[name]
    if isinstance(given, Mapping) and "kind" not in given:
        given = {"kind": kind, **given}
    return {**data, name: given}


def as_tuple(value: Any) -> Any:
    """YAML's lists as tuples, which stay frozen; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


def check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Feature names: none empty, none too long, none twice."""
    seen: set[str] = set()
    for name in names:
        if not name or len(name.encode()) > limits.FEATURE_NAME_BYTES:
            raise wrong(f"{name!r} is no name; give 1 to {limits.FEATURE_NAME_BYTES} bytes")
        if name in seen:
            raise wrong(f"{name!r} stands there twice; name each feature once")
        seen.add(name)
    return names


def as_feature_choice(value: Any) -> Any:
    """`all`, or a list of feature names as a tuple."""
    if value == "all":
        return value
    if not isinstance(value, list | tuple):
        raise wrong(f"{value!r} is neither; give all, or a list of feature names")
    for name in value:
        if not isinstance(name, str):
            raise wrong(f"{name!r} is not text; put feature names in quotes")
    if len(value) > limits.FEATURES_PER_EVENT:
        raise wrong(f"{len(value)} names; give at most {limits.FEATURES_PER_EVENT}")
    return check_names(tuple(value))


def encoded_width(config: Config) -> int:
    """Numbers per encoded event."""
    encoder = config.encoder
    return len(encoder.columns) if encoder.kind == "columns" else encoder.width


def _rehearsal(config: Config) -> list[Relation]:
    """A memory is there exactly where something rehearses from it."""
    kind, rehearses = config.memory.kind, config.learner.kind == "replay_mlp"
    if rehearses == (kind != "none"):
        return []
    what = f"{kind}, which learner.kind {config.learner.kind} does not use; give none, or take"
    if rehearses:
        what = "none, and learner.kind replay_mlp rehearses from a memory; give reservoir or"
    last = "class_balanced" if rehearses else "learner.kind replay_mlp"
    return [(("memory.kind", "learner.kind"), f"{what} {last}")]


def _wrapped(config: Config) -> list[Relation]:
    """Every strategy around another one once, and not too many of them."""
    kinds: list[str] = []
    query: Any = config.query
    while hasattr(query, "of"):
        key = ".".join(["query", *["of"] * len(kinds), "kind"])
        if query.kind in kinds:
            what = f"{query.kind} is around itself; give each of them once"
            return [((key,), what)]
        kinds.append(query.kind)
        query = query.of
    return []


def _annotators(config: Config) -> list[Relation]:
    """What needs answers to be weighed, and how much that may take."""
    given, broken = config.annotators, list[Relation]()
    weighs = given.trust != "none"
    for key, used in (
        ("answers", given.answers > 1),
        ("gold", bool(given.gold)),
        ("experts", bool(given.experts)),
    ):
        if used and not weighs:
            what = "is given, and the first answer stands; give annotators.trust: votes or"
            keys = (f"annotators.{key}", "annotators.trust")
            broken.append((keys, f"{what} dawid_skene, or leave it out"))
    if given.relabel and given.trust != "dawid_skene":
        keys = ("annotators.relabel", "annotators.trust")
        what = f"{given.relabel} needs annotators.trust: dawid_skene; give it, or 0 here"
        broken.append((keys, what))
    if (given.relabel or given.answers > 1) and config.labels.join == "every":
        keys = ("annotators.relabel" if given.relabel else "annotators.answers", "labels.join")
        broken.append((keys, "asks again, and labels.join: every asks nobody; leave it out"))
    # The budget makes room for them among the events that it asks about by choice.
    random = config.budget.share if config.budget.kind == "split" else 0.0
    share = random + (1 - random) * config.budget.floor
    if given.relabel and share * (1 + given.relabel) > 1 and config.labels.join != "every":
        keys = ("annotators.relabel", "budget.floor")
        what = f"{given.relabel} is more than the budget can make room for, with {share:.2f} of it"
        broken.append((keys, f"{what} at random; give at most {1 / share - 1:.2f}"))
    classes = config.learner.max_classes
    most = limits.STORE_BYTES_MAX // (WEIGHT_BYTES * classes * (classes + 1))
    if given.trust == "dawid_skene" and given.max_annotators > max(1, most):
        keys = ("annotators.max_annotators", "learner.max_classes")
        gib = limits.STORE_BYTES_MAX >> 30
        what = f"{given.max_annotators} matrices of {classes} classes are more than {gib} GiB;"
        broken.append((keys, f"{what} give at most {max(1, most)}"))
    return broken


def broken_relations(config: Config) -> list[Relation]:
    """Every pair of values that cannot stand together."""
    width = encoded_width(config)
    size = "encoder.columns" if config.encoder.kind == "columns" else "encoder.width"
    learner, labels, budget = config.learner, config.labels, config.budget
    broken: list[Relation] = []
    if budget.held_out > budget.floor:
        broken.append(
            (
                ("budget.held_out", "budget.floor"),
                f"{budget.held_out} is more than budget.floor ({budget.floor}) can give;"
                f" give at most {budget.floor}",
            )
        )
    broken += _rehearsal(config)
    broken += _annotators(config)
    broken += _wrapped(config)
    if config.client != "kafka-python" and not config.transport.startswith(KAFKA):
        broken.append(
            (
                ("client", "transport"),
                f"{config.client} is a client of kafka://, and the log is {config.transport};"
                " leave `client` out",
            )
        )
    step = config.step.max_events
    for key, entries in (
        ("labels.pending_capacity", labels.pending_capacity),
        ("dedupe.window_events", config.dedupe.window_events),
    ):
        if entries <= step:
            broken.append(
                (
                    (key, "step.max_events"),
                    f"{entries} is no more than a step takes (step.max_events, {step});"
                    f" give at least {step + 1}",
                )
            )
    if labels.join == "every" and labels.delay > labels.pending_capacity - step:
        broken.append(
            (
                ("labels.delay", "labels.pending_capacity"),
                f"{labels.delay} events wait for their label, and labels.pending_capacity"
                f" ({labels.pending_capacity}) holds fewer; give at least {labels.delay + step}"
                " there",
            )
        )
    stores = (
        ("learner.max_classes", learner.max_classes, WEIGHT_BYTES),
        ("labels.pending_capacity", labels.pending_capacity, ENCODED_BYTES),
        ("labels.held_out_capacity", labels.held_out_capacity, ENCODED_BYTES),
        ("annotators.capacity", config.annotators.capacity, ENCODED_BYTES),
        ("memory.capacity", config.memory.capacity, ENCODED_BYTES),
    )
    for key, entries, number_bytes in stores:
        most = limits.STORE_BYTES_MAX // (width * number_bytes)
        if entries > most:
            broken.append(
                (
                    (key, size),
                    f"{entries} entries of {width} numbers ({size}) are more than"
                    f" {limits.STORE_BYTES_MAX >> 30} GiB; give at most {most}",
                )
            )
    return broken
