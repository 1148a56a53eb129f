"""All of it: a broker, a path to it, a world around the pipeline, its lives, and the proof."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from load_tests.chaos import beforehand, evidence, proof, replayed
from load_tests.chaos.account import Account
from load_tests.chaos.lives import Broken
from load_tests.chaos.load import Annotator, EventWriter
from load_tests.chaos.storm import Storm, deaths
from load_tests.chaos.toxiproxy import Toxiproxy
from load_tests.chaos.weather import Weather, forecast
from load_tests.report import machine, say
from load_tests.synthetic import ENCODERS
from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import StreamClError
from stream_cl.testing.kafka_broker import KafkaBroker
from stream_cl.testing.kafka_properties import Listener
from stream_cl.testing.kafka_source import Software

_PARTITIONS: Final = 3
_TIMEOUT_MS: Final = 6000
_TTL_S: Final = 20.0
_STEP_EVENTS: Final = 400
_LIFE_S: Final = 4.5
"""What a life lasts on the average, with what happens between two of them: events are written
at a rate at which they last as long as the lives."""
_RATE_MOST: Final = 2500.0
_STRIDE: Final = 10
_END_S: Final = 600.0
_STOP_POINTS: Final = ("commit-half-written", "committed", "checkpoint-half-written", "learning")
_BROKER: Final = {
    # Small segments: a broker that was killed reads again only what it had not closed.
    "log.segment.bytes": str(32 * 2**20),
}


class Amounts(NamedTuple):
    """How much of everything.

    events: at least so many. kills: half at fault points. zombies: half with a successor.
    kills_beforehand: of promise (b). client: the pipeline's Kafka client.
    """

    events: int = 1_000_000
    seed: int = 0
    kills: int = 100
    zombies: int = 10
    broker_restarts: int = 10
    cuts: int = 20
    kills_beforehand: int = 30
    client: str = "kafka-python"


CONFIG: Final[dict[str, Any]] = {
    "topics": {"partitions": _PARTITIONS},
    "step": {"max_events": _STEP_EVENTS},
    "encoder": ENCODERS["columns"],
    "learner": {"kind": "softmax"},
    "budget": {"kind": "fraction", "fraction": 0.05},
    "labels": {"ttl_s": _TTL_S, "closed_window": 20_000, "early_capacity": 500},
    "checkpoint": {"every_steps": 15, "digest_every_steps": 5},
    "kafka": {"transaction_timeout_ms": _TIMEOUT_MS},
}


def chaos(
    amounts: Amounts, folder: Path, toxiproxy: Path | None, software: Software | None = None
) -> Sequence[str]:
    """Do all of it and print what was done.

    Args:
        amounts: how much.
        folder: for the broker's data and the checkpoints.
        toxiproxy: the program; without it there are no cuts.
        software: where Kafka comes from; found if not given.

    Returns:
        What does not hold, as it was printed.

    Raises:
        UserError, NoToxiproxy: no broker, or no proxy, can be had.
    """
    say(machine())
    say(f"seed {amounts.seed}: {amounts}")
    began_s, found, draw = time.monotonic(), proof.Proof(), random.Random(amounts.seed)
    with ExitStack() as stack:
        proxy = stack.enter_context(Toxiproxy(toxiproxy)) if toxiproxy else None
        listener = Listener("PROXIED", advertised=(proxy.address,) if proxy else ())
        broker = stack.enter_context(
            KafkaBroker(
                listeners=[listener],
                data=folder / "broker",
                heap_mb=384,
                quick_start=False,
                properties=_BROKER,
                software=software,
            )
        )
        if proxy:
            proxy.aim(broker.address("PROXIED"))
        address = proxy.address if proxy else broker.bootstrap
        try:
            _storm(amounts, folder / "storm", broker, proxy, address, draw, found)
            if amounts.kills_beforehand:
                say("\n== inputs written beforehand ==")
                place = folder / "beforehand"
                kills = amounts.kills_beforehand
                config = {**CONFIG, "client": amounts.client}
                beforehand.run(place, broker.bootstrap, config, kills, draw, found)
        except (Broken, StreamClError, TimeoutError) as error:
            found.line(f"seed {amounts.seed}: nothing happens that must not", [error])
    say(f"\n{len(found.broken)} lines do not hold; {time.monotonic() - began_s:.0f} s in all")
    return found.broken


def _storm(
    amounts: Amounts, folder: Path, broker: KafkaBroker, proxy: Toxiproxy | None, address: str,
    draw: random.Random, found: proof.Proof,
) -> None:  # fmt: skip
    began_s = time.monotonic()
    folder.mkdir()
    config = {**CONFIG, "transport": f"kafka://{address}", "client": amounts.client}
    (folder / "config.json").write_bytes(orjson.dumps(config))
    topics = _make_topics(config, broker.bootstrap)
    acts = amounts.kills + amounts.zombies + amounts.broker_restarts + amounts.cuts
    rate = min(_RATE_MOST, max(500.0, amounts.events / (_LIFE_S * max(1, acts))))
    writer = EventWriter(broker.bootstrap, topics.events, amounts.events, rate)
    annotator = Annotator(
        broker.bootstrap, topics.label_requests, topics.labels, _PARTITIONS, _TTL_S * 1.25
    )
    account = Account()
    weather = Weather(broker, proxy, account, draw)

    def heard(events: int) -> None:
        writer.predicted = events
        writer.check()
        annotator.check()

    storm = Storm(folder, account, draw, weather, _TIMEOUT_MS / 1000, _STRIDE, heard)
    writer.start()
    annotator.start()
    try:
        cuts = amounts.cuts if proxy else 0
        _acts(storm, weather, amounts, forecast(amounts.broker_restarts, cuts, draw), draw)
        during = writer.written
        writer.hurry()
        life, digest = storm.last(lambda: writer.is_over, _END_S)
    except Broken:
        account.tell_history()
        raise
    finally:
        storm.close()
        weather.close()
        writer.stop()
        annotator.stop()
        say("")
        account.tell()
    say(
        f"\n{writer.written:,} events were written, {during:,} of them meanwhile at {rate:,.0f} a "
        f"second, {writer.written_again:,} perhaps twice; {annotator.answers:,} answers to "
        f"{annotator.asked:,} questions; {time.monotonic() - began_s:.0f} s"
    )
    say("")
    _prove(found, account, folder, broker.bootstrap, writer.written, (life.step, digest))


def _acts(
    storm: Storm, weather: Weather, amounts: Amounts, coming: list[str], draw: random.Random
) -> None:
    """Everything that happens, one after the other; every second change of weather comes over
    whatever happens next, the others over a life of their own."""
    zombies = [(None if i % 4 < 2 else draw.choice(_STOP_POINTS), i % 2 == 0)
               for i in range(amounts.zombies)]  # fmt: skip
    acts: list[tuple[str, Any]] = [("kill", where) for where in deaths(amounts.kills, draw)]
    acts += [("stop", one) for one in zombies]
    acts += [("over" if i % 2 else "through", kind) for i, kind in enumerate(coming)]
    draw.shuffle(acts)
    began_s = said_s = time.monotonic()
    for number, (what, how) in enumerate(acts):
        if time.monotonic() - said_s > 60:
            said_s = time.monotonic()
            say(f"  {number} of {len(acts)} after {said_s - began_s:.0f} s")
        if what == "kill":
            storm.kill(how)
        elif what == "stop":
            storm.stop(*how)
        elif what == "through":
            storm.through(how)
        else:
            weather.begin(how)
    weather.calm()


def _make_topics(config: dict[str, Any], bootstrap: str) -> Any:
    settings = Config.model_validate({**config, "transport": f"kafka://{bootstrap}"})
    log = build.open_transport(settings, SystemClock())
    topics = build.create_topics(settings, log)
    log.close()
    return topics


def _prove(
    found: proof.Proof, account: Account, folder: Path, bootstrap: str, written: int,
    last: tuple[int, str],
) -> None:  # fmt: skip
    began_s = time.monotonic()
    left = evidence.left_in(bootstrap, "")
    sizes = proof.step_sizes(left, "events")
    large = sum(size for size in sizes if size >= 200)
    say(
        f"        {len(sizes):,} steps with events, {sizes[len(sizes) // 2]} of them in the middle;"
        f" {large / sum(sizes):.1%} of the events in steps of 200 or more"
    )
    proof.prove_once(found, left, written)
    proof.prove_manifest(found, left)
    proof.prove_fences(found, left, account.zombies)
    say(f"        in {time.monotonic() - began_s:.0f} s")
    began_s = time.monotonic()
    again = replayed.from_empty(folder, bootstrap)
    found.line(
        "(a) replayed from empty, the manifest gives every digest that it says, and the last state",
        [] if (again.steps, again.digest) == last else [f"{again.steps} {again.digest}: {last}"],
        f"{again.steps:,} steps, digest {again.digest}",
    )
    then, now = left.rows.digests(), again.outputs
    found.line(
        "(a) the replay gives the bytes of every output partition, the incarnation aside",
        [f"{at}: {now.get(at)}, not {then.get(at)}" for at in sorted(then.keys() | now.keys())
         if then.get(at) != now.get(at)],
        f"{sum(left.rows.counts.values()):,} records",
    )  # fmt: skip
    say(f"        in {time.monotonic() - began_s:.0f} s")
