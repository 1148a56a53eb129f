"""Promise (b): over inputs that stand there, a run that is killed equals one that never is."""

from __future__ import annotations

import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from kafka import KafkaAdminClient

from load_tests.chaos.account import Account
from load_tests.chaos.evidence import OUTPUTS, Left, left_in
from load_tests.chaos.lives import Broken
from load_tests.chaos.load import Sending
from load_tests.chaos.proof import Proof
from load_tests.chaos.storm import Storm, deaths
from load_tests.report import say
from load_tests.synthetic import answer, events
from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock

PREFIX: Final = "beforehand-"
_AT_ONCE: Final = 500
_TTL_S: Final = 3.0
_GONE_S: Final = 30.0
_UNTIL_IDLE_S: Final = 0.7


@dataclass(frozen=True, slots=True)
class Whole:
    """A run from the first to the last record: its last step and digest, and its outputs."""

    step: int
    digest: str
    left: Left


def run(
    folder: Path, bootstrap: str, config: dict[str, Any], kills: int, draw: random.Random,
    proof: Proof,
) -> None:  # fmt: skip
    """Write inputs, run once undisturbed and once with kills, and compare.

    Both runs read the very same topics, so that append times, which logical time follows, are
    the same; between them the topics of the outputs are made anew.
    """
    began_s = time.monotonic()
    settings = {
        **config,
        "transport": f"kafka://{bootstrap}",
        "topics": {**config["topics"], "prefix": PREFIX},
        "labels": {**config["labels"], "ttl_s": _TTL_S},
        "checkpoint": {"every_steps": 7, "digest_every_steps": 3},
    }
    folder.mkdir()
    (folder / "config.json").write_bytes(orjson.dumps(settings))
    size = settings["step"]["max_events"]
    count = max(10, kills * 8) * size // _AT_ONCE * _AT_ONCE
    written = _write(bootstrap, settings, count, draw)
    account = Account()
    timeout_s = settings["kafka"]["transaction_timeout_ms"] / 1000
    options = ("--until-idle", str(_UNTIL_IDLE_S))

    untouched = Storm(folder, Account(), draw, None, timeout_s, 1, options=options)
    expected = _whole(untouched, bootstrap)
    _forget(bootstrap, folder)

    stride = max(1, int(0.6 * expected.step / max(1, kills)))
    storm = Storm(folder, account, draw, None, timeout_s, stride, options=options)
    try:
        for where in deaths(kills, draw):
            storm.kill(where)
        found = _whole(storm, bootstrap)
    except Broken:
        account.tell_history()
        raise
    finally:
        storm.close()
        untouched.close()
    say(f"{written:,} events and their labels written beforehand, {expected.step:,} steps:")
    account.tell()
    _compare(proof, expected, found, account.kills.total())
    say(f"        in {time.monotonic() - began_s:.0f} s")


def _compare(proof: Proof, expected: Whole, found: Whole, kills: int) -> None:
    proof.line(
        "(b) killed, the run ends with the same step and the same digests as one never killed",
        [] if (expected.step, expected.digest) == (found.step, found.digest) else [
            f"step {found.step} digest {found.digest}, not {expected.step} {expected.digest}"
        ],
        f"{kills} kills, digest {found.digest}",
    )  # fmt: skip
    then, now = expected.left.rows.digests(), found.left.rows.digests()
    proof.line(
        "(b) every output partition has the same bytes, the incarnation aside",
        [f"{at}: {now.get(at)}, not {then.get(at)}" for at in sorted(then.keys() | now.keys())
         if then.get(at) != now.get(at)],
        f"{sum(expected.left.rows.counts.values()):,} records",
    )  # fmt: skip


def _write(bootstrap: str, settings: dict[str, Any], count: int, draw: random.Random) -> int:
    """Events with some of their labels between them: early, late, repeated, contrary, wrong."""
    config = Config.model_validate(settings)
    log = build.open_transport(config, SystemClock())
    build.create_topics(config, log)
    log.close()
    sends = Sending(bootstrap, f"{PREFIX}events")
    answers = Sending(bootstrap, f"{PREFIX}labels")
    waiting: list[tuple[bytes, bytes]] = []
    for start in range(0, count, _AT_ONCE):
        values = events(start, start + _AT_ONCE)
        keys = [b"%d" % number for number in range(start, start + _AT_ONCE)]
        repeated = draw.randrange(_AT_ONCE)
        other = values[repeated].replace(b'"features"', b'"features" ')
        more = [values[repeated], other, b"{not json"]
        sends.send([*values, *more], [*keys, keys[repeated], keys[repeated], b"none"])
        fresh = [
            (key, answer(key.decode(), orjson.loads(value)["features"]))
            for key, value in zip(keys, values, strict=True)
            if draw.random() < 0.5
        ]
        draw.shuffle(waiting)
        due, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:] + fresh
        contrary = [(key, v.replace(b'"label":"', b'"label":"not ')) for key, v in due[:20]]
        ahead = b"%d" % min(count - 1, start + _AT_ONCE + draw.randrange(_AT_ONCE))
        early = orjson.dumps({"id": ahead.decode(), "label": "up"})
        some = [*due, *due[:20], *contrary, (ahead, early), (b"none", b"rubbish")]
        answers.send([value for _, value in some], [key for key, _ in some])
    sends.close()
    answers.close()
    return count


def _whole(storm: Storm, bootstrap: str) -> Whole:
    """Run to the end of the log and read what is left."""
    life, digest = storm.to_the_end()
    return Whole(life.step, digest, left_in(bootstrap, PREFIX, inputs=False))


def _forget(bootstrap: str, folder: Path) -> None:
    """Delete outputs, manifest and checkpoints; the next start makes the topics anew."""
    shutil.rmtree(folder / "checkpoints")
    topics = [f"{PREFIX}{name}" for name in (*OUTPUTS, "manifest")]
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.delete_topics(topics)
        until_s = time.monotonic() + _GONE_S
        while set(admin.list_topics()) & set(topics):
            if time.monotonic() > until_s:
                raise TimeoutError(f"{topics} are still there after {_GONE_S:.0f} s")
            time.sleep(0.1)
    finally:
        admin.close()
