"""`stream-cl label`: people answer label requests in a browser.

Any pipeline over the same log learns from the answers; none has to run. Killed and started again it
goes on where it was: answers that were acknowledged are in the journal, and come into the log once.
"""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stream_cl.cli.common import ConfigPath, Sets, emit, read_config, say, stop_asked
from stream_cl.core.errors import Fenced, TransportError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_cl.config import Config
    from stream_cl.core.clock import Clock
    from stream_cl.core.protocols import Transport
    from stream_cl.core.topics import Topics
    from stream_cl.serve.label.accuracy import Accuracy
    from stream_cl.serve.label.intake import Intake
    from stream_cl.serve.label.journal import Journal
    from stream_cl.serve.label.office import Office

_LOOK_S: Final = 0.05
_RETRY_S: Final = 1.0
_FAULTS_TOLD: Final = 20


def command(
    config: ConfigPath,
    as_name: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Who answers, where the config names nobody."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="In place of label.host.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="In place of label.port; 0: any.")
    ] = None,
    sets: Sets = None,
) -> None:
    """Serve a page on which people answer label requests."""
    given = [("host", host), ("port", port)]
    over = [f"label.{key}={value}" for key, value in given if value is not None]
    settings = read_config(config, [*(sets or []), *over])
    from stream_cl.build import create_topics, open_transport
    from stream_cl.core.clock import SystemClock

    clock = SystemClock()
    log = open_transport(settings, clock)
    try:
        serve(settings, log, create_topics(settings, log), clock, as_name)
    finally:
        log.close()


def serve(
    config: Config, log: Transport, topics: Topics, clock: Clock, as_name: str | None
) -> None:
    """Serve until a signal comes; what was answered until then is published before it leaves."""
    from stream_cl.config.http import is_loopback
    from stream_cl.serve.label.journal import Journal
    from stream_cl.serve.label.journal_file import KEY_BYTES
    from stream_cl.serve.label.publisher import Publisher
    from stream_cl.serve.label.web import label_app
    from stream_cl.serve.server import HttpServer

    given = config.label
    if config.labels.join == "every":
        say("labels.join is every: the pipeline of this config asks nobody")
    tokens = checked_people(config, as_name)
    journal = Journal(
        config.folder / given.journal, log_identity(config), secrets.token_bytes(KEY_BYTES)
    )
    try:
        office = make_office(config, journal, tokens, clock, as_name)
        publisher = Publisher(
            office, log, clock, topics.labels, topics.prefix, round(given.hold_s * 1000), say
        )
        intake = make_intake(office, log, topics, clock)
        accuracy = make_accuracy(config, clock)
        with stop_asked() as stop:
            while not stop() and intake.turn():
                pass  # a page that asks before would be told that its questions are gone

            def told() -> dict[str, Any]:
                shown = None if accuracy is None else accuracy.shown()
                return {"reachable": publisher.reachable, "accuracy": shown}

            app = label_app(
                office, clock, loopback=is_loopback(given.host), fault=_Faults(), extra=told
            )
            server = HttpServer(given.host, given.port, app, "label.port")
            try:
                emit(server.url)
                sys.stdout.flush()  # for a program that waits for the address
                who = as_name or f"{len(tokens)} people with a token"
                say(f"labelling page at {server.url} for {who}; {len(office)} questions are open")
                _work(log, clock, stop, _Patient(intake.turn, clock), publisher.turn)
            except Fenced as error:
                raise Fenced(
                    f"{error}; {journal.waiting()} answers wait in {journal.path}, and are "
                    "published when `stream-cl label` runs with it again"
                ) from None
            finally:
                server.close()
                if accuracy is not None:
                    accuracy.close()
            publisher.flush()
            left = journal.waiting()
            say(f"{publisher.published} answers published, {left} left in {journal.path}")
    finally:
        journal.close()


def checked_people(config: Config, as_name: str | None) -> dict[str, str]:
    """Name → token.

    Raises:
        UserError: nobody may come, or somebody without a token from another machine.
    """
    from stream_cl.config.http import is_loopback
    from stream_cl.config.label import is_person, tokens

    found = tokens(config.label, config.folder)
    if found and as_name is not None:
        raise UserError(
            "--as: label.people says who answers; leave it out, or take a config without"
        )
    if not found and as_name is None:
        raise UserError(
            "label.people names nobody: give --as NAME, for one person on this machine, or name "
            "people with their tokens in the config"
        )
    if not found and not is_loopback(config.label.host):
        raise UserError(
            f"--as: everybody who reaches {config.label.host} could answer; name people with their "
            "tokens in label.people, or listen on 127.0.0.1"
        )
    if as_name is not None and not is_person(as_name):
        raise UserError(f"--as: {as_name!r:.60} is no name; give 1 to 256 bytes of text")
    return found


def log_identity(config: Config) -> str:
    """What tells a log from others, wherever it lies: a journal is for one of them."""
    where = "kafka" if config.on_kafka else config.log_file.name
    return f"{where} {config.topics.prefix}".strip()


def make_office(
    config: Config, journal: Journal, tokens: dict[str, str], clock: Clock, as_name: str | None
) -> Office:
    """The office, with what the journal has.

    Raises:
        UserError: the file of gold questions cannot be used.
    """
    from stream_cl.serve.label.desk import Desk
    from stream_cl.serve.label.form import Form, Manner
    from stream_cl.serve.label.gold import Gold, read_gold
    from stream_cl.serve.label.looks import Looks
    from stream_cl.serve.label.office import Office
    from stream_cl.serve.label.people import People

    given = config.label
    gold = None
    if given.gold is not None and given.gold_share:
        gold = Gold(read_gold(config.folder / given.gold), given.gold_share, config.seed)
    manner = Manner(
        classes=given.classes,
        max_classes=config.learner.max_classes,
        hide_suggestion=given.hide_suggestion,
        hide_candidates=given.hide_candidates,
        highlight=given.highlight,
        weighs=config.annotators.trust != "none",
        lease_s=given.lease_s,
    )
    desk = Desk(clock, given.overlap, given.lease_s, journal.leases())
    people = People(tokens, journal.key, clock, as_name)
    form = Form(manner, journal, Looks(given.image_shape))
    return Office(journal, desk, people, clock, form, gold)


def make_intake(office: Office, log: Transport, topics: Topics, clock: Clock) -> Intake:
    """What reads the log, from where the journal says.

    Raises:
        UserError: the journal belongs to another log.
    """
    from stream_cl.serve.label.intake import Intake, begin
    from stream_cl.transport.follow import Follower

    names = [topics.label_requests, topics.labels]
    ends = {at: bounds.end for at, bounds in log.bounds(names).items()}
    positions = begin(office.journal.position(), ends)
    requests, labels = (
        Follower(log, [name], {at: n for at, n in positions.items() if at.topic == name})
        for name in names
    )
    return Intake(office, requests, labels, clock)


def make_accuracy(config: Config, clock: Clock) -> Accuracy | None:
    """What asks the pipeline of this config how accurate it is; None where it serves no metrics."""
    if config.http.port == 0:
        return None
    from stream_cl.config.http import http_token
    from stream_cl.serve.label.accuracy import Accuracy, fetching

    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    host = anywhere.get(config.http.host, config.http.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{config.http.port}/metrics"
    made = Accuracy(fetching(url, http_token(config.http, config.folder)), clock)
    made.start()
    return made


class _Patient:
    """Reads on when the log can be read, and the journal written, again; says once that not."""

    def __init__(self, turn: Callable[[], int], clock: Clock) -> None:
        self._turn = turn
        self._clock = clock
        self._retry_s = 0.0
        self._well = True

    def __call__(self) -> int:
        from stream_cl.serve.label.journal_file import JournalFailed

        if self._clock.monotonic_s() < self._retry_s:
            return 0
        try:
            read = self._turn()
        except (TransportError, JournalFailed) as error:
            if self._well:
                say(f"{error}; trying again")
            self._well, self._retry_s = False, self._clock.monotonic_s() + _RETRY_S
            return 0
        if not self._well:
            self._well = True
            say("reading goes on")
        return read


def _work(
    log: Transport,
    clock: Clock,
    stop: Callable[[], bool],
    read: Callable[[], int],
    publish: Callable[[], int],
) -> None:
    while not stop():
        if not read() + publish():
            try:
                log.wait(_LOOK_S, _LOOK_S)
            except TransportError:
                clock.sleep(_LOOK_S)  # reading says it


class _Faults:
    """Tells what should not have happened; somebody who knows how to make it happen must not fill
    the log with it."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, error: Exception) -> None:
        import traceback

        self._told += 1
        if self._told <= _FAULTS_TOLD:
            say("".join(traceback.format_exception(error)).rstrip())
