"""What the console of a running pipeline shows: its feed as JSON, and the story of one event."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import orjson

from stream_cl import __version__
from stream_cl.core.limits import JSON_DEPTH
from stream_cl.observe.health import Health, Phase
from stream_cl.pipeline.feed import COLUMNS, Feed, Letter, Look

if TYPE_CHECKING:
    from stream_cl.config import Config
    from stream_cl.core.clock import Clock
    from stream_cl.evaluation.intervals import Estimate
    from stream_cl.pipeline.glance import Glance

SEARCH_S: Final = 5.0
"""How long the log is searched for an event."""
_RECORDS: Final = 20
_TEXT_CHARS: Final = 2000
_ENTRIES: Final = 200
_SHOWN_LETTERS: Final = ("code", "reason", "topic", "partition", "offset")


class Watched:
    """A pipeline as its viewers are told of it; see `serve.broadcast.Source`.

    Args:
        feed: of the pipeline.
        health: where it stands.
        clock: to know how old a look is.
    """

    def __init__(self, feed: Feed, health: Health, clock: Clock) -> None:
        self._feed = feed
        self._health = health
        self._clock = clock
        self._look: Look | None = None

    def want(self, answered: Callable[[], None]) -> None:
        """Ask the pipeline for a look, if it takes steps."""
        if self._health.phase is Phase.RUNNING:
            self._feed.want(answered)

    def refresh(self) -> bytes:
        """Where it stands, and what came since the last call."""
        before, self._look = self._look, self._feed.look
        look = self._look
        if look is None:
            return orjson.dumps({"head": self._head()})
        new = look.added - (before.added if before else 0)
        told: dict[str, Any] = {
            "head": self._head(),
            "rows": look.rows[-new:] if new else [],
            "predictions": _predictions(look, before.predicted if before else 0),
            "letters": _letters(look, before.refused if before else 0),
        }
        if before is None or look.glances != before.glances:
            told["glance"] = _glance(look.glance, look.time_ms)
        return orjson.dumps(told)

    def whole(self) -> bytes:
        """Where it stands, and everything that is kept."""
        look = self._look
        told: dict[str, Any] = {"head": self._head(), "columns": list(COLUMNS)}
        if look is not None:
            told["rows"] = look.rows
            told["predictions"] = _predictions(look, 0)
            told["letters"] = _letters(look, 0)
            told["glance"] = _glance(look.glance, look.time_ms)
        return orjson.dumps(told)

    def _head(self) -> dict[str, Any]:
        live, why = self._health.live()
        head: dict[str, Any] = {"phase": self._health.phase.name.lower(), "live": live, "why": why}
        look = self._look
        if look is None:
            return head
        return {
            **head,
            "silent_s": max(0.0, (self._clock.now_ms() - look.time_ms) / 1000),
            "step": look.step,
            "incarnation": look.incarnation,
            "asking": look.asking,
            "events": look.events,
            "learned": look.learned,
            "lag": look.glance.lag,
            "open": look.glance.open,
            "counts": look.counts,
        }


def about(config: Config) -> dict[str, str]:
    """What the page says of a pipeline before anything has come."""
    every = config.labels.join == "every"
    return {
        "version": __version__,
        "log": config.log_name,
        "prefix": config.topics.prefix,
        "learner": config.learner.kind,
        "asks": "every label comes" if every else f"{config.query.kind}, {config.budget.kind}",
    }


def _predictions(look: Look, seen: int) -> list[dict[str, Any]]:
    """Those that came after the first `seen` of all, oldest first, as far as they are kept."""
    new = min(len(look.predictions), look.predicted - seen)
    return [_prediction(value) for value in look.predictions[len(look.predictions) - new :]]


def _prediction(value: bytes) -> dict[str, Any]:
    """What a table shows of a prediction; `probability` is that of its label."""
    record = orjson.loads(value)
    label = record["label"]
    return {
        "probability": None if label is None else record["probabilities"].get(label),
        **{
            name: record[name]
            for name in ("id", "time", "label", "asked", "propensity", "step", "reason")
        },
    }


def _letters(look: Look, seen: int) -> list[dict[str, Any]]:
    """As `_predictions`."""
    new = min(len(look.letters), look.refused - seen)
    return [_letter(letter) for letter in look.letters[len(look.letters) - new :]]


def _letter(letter: Letter) -> dict[str, Any]:
    return {
        "time_ms": letter.time_ms,
        "bytes": letter.bytes,
        "text": visible(letter.value),
        **{name: letter.headers.get(name) for name in _SHOWN_LETTERS},
    }


def visible(value: bytes) -> str:
    """Bytes as text in which nothing is invisible: what is no UTF-8, or does not print, is
    escaped."""
    text = value.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(c: str) -> str:
    return c.encode("unicode_escape").decode()


def _glance(glance: Glance, now_ms: int) -> dict[str, Any]:
    spending, advice = glance.spending, glance.advice
    return {
        "figures": {name: _interval(figure) for name, figure in glance.figures.items()},
        "scores": {name: _number(score) for name, score in glance.scores.items()},
        "classes": [
            {
                "name": name,
                "share": _number(one.share),
                "effective": _number(one.effective),
                "recall": _interval(one.recall),
                "precision": _interval(one.precision),
            }
            for name, one in glance.classes.items()
        ],
        "curve": [[point.labels, *_rounded(point.accuracy)] for point in glance.curve],
        "advice": None if advice is None else {"says": advice.says, "gain": advice.interval},
        "stores": {name: list(sizes) for name, sizes in glance.stores.items()},
        "spending": None if spending is None else spending._asdict(),
        "annotators": glance.annotators,
        "questions": [
            {
                "id": one.id,
                "predicted": one.predicted,
                "confidence": _number(one.confidence),
                "propensity": _number(one.propensity),
                "held_out": one.held_out,
                "age_s": max(0.0, (now_ms - one.since_ms) / 1000),
                "left_s": (one.expires_ms - now_ms) / 1000,
            }
            for one in glance.questions
        ],
    }


def _interval(estimate: Estimate | None) -> list[float] | None:
    return None if estimate is None else _rounded(estimate)


def _rounded(estimate: Estimate) -> list[float]:
    return [round(number, 5) for number in estimate]


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 5)


def explained(
    config: Config, clock: Clock, ends: Callable[[], bool]
) -> Callable[[str], bytes | None]:
    """What `explain` of the console calls: it searches the log with a handle of its own, for
    `SEARCH_S` at most, each topic for a fair share of that; not on when `ends` says so."""

    def search(id_: str) -> bytes | None:
        from stream_cl.build import open_transport
        from stream_cl.core.topics import Topics
        from stream_cl.pipeline.explain import TOPICS, Tired, explain

        until_s = clock.monotonic_s() + SEARCH_S

        def patience(left: int) -> Tired:
            read_s = clock.monotonic_s()
            end_s = read_s + max(0.0, until_s - read_s) / left

            def tired() -> bool:
                nonlocal read_s
                # Half of the time is the pipeline's own, which is a thread of the same process.
                clock.sleep(clock.monotonic_s() - read_s)
                read_s = clock.monotonic_s()
                return read_s >= end_s or ends()

            return tired

        log = open_transport(config, clock, create=False)
        try:
            found = explain(log, Topics(config.topics.prefix), id_, patience)
        finally:
            log.close()
        if not found["unsearched"] and not any(found[name] for name in TOPICS):
            return None
        for name in (*TOPICS, "outcome"):
            found[name] = _short(found[name][:_RECORDS])
        return orjson.dumps(found)

    return search


def _short(value: Any, depth: int = 0) -> Any:
    """The same, with long texts, lists and objects cut, and what is nested deeply left out."""
    if isinstance(value, str) and len(value) > _TEXT_CHARS:
        return f"{value[:_TEXT_CHARS]}… ({len(value)} characters)"
    if isinstance(value, dict | list) and depth > JSON_DEPTH:
        return "…"
    if isinstance(value, dict):
        items = list(value.items())
        return {_short(key): _short(item, depth + 1) for key, item in items[:_ENTRIES]}
    if isinstance(value, list):
        return [_short(item, depth + 1) for item in value[:_ENTRIES]]
    return value
