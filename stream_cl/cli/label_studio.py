"""`stream-cl label-studio`: label requests become tasks in Label Studio, and its answers labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stream_cl.cli.common import ConfigPath, Sets, emit, read_config, say, stop_asked
from stream_cl.core.errors import UserError

if TYPE_CHECKING:
    from stream_cl.config import Config
    from stream_cl.core.clock import Clock
    from stream_cl.core.protocols import Transport
    from stream_cl.core.topics import Topics
    from stream_cl.serve.label_studio.bridge import Bridge
    from stream_cl.serve.label_studio.client import LabelStudioClient
    from stream_cl.serve.label_studio.webhook import Knock

GROUP: Final = "label-studio"
_LOOK_S: Final = 0.25
_AGAIN_S: Final = 1.0
_WAIT_MAX_S: Final = 60.0


def command(
    config: ConfigPath,
    create: Annotated[
        str | None,
        typer.Option("--create", metavar="TITLE", help="Make a project, print its number, leave."),
    ] = None,
    until_idle: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Leave when nothing came for this long."),
    ] = None,
    sets: Sets = None,
) -> None:
    """Send label requests to Label Studio, and take its answers."""
    settings = read_config(config, sets)
    client = make_client(settings)
    if create is not None:
        emit(str(create_project(settings, client, create)))
        return
    from stream_cl.build import create_topics, open_transport
    from stream_cl.core.clock import SystemClock
    from stream_cl.serve.label_studio.webhook import Knock

    clock, knock = SystemClock(), Knock()
    log = open_transport(settings, clock)
    try:
        bridge = make_bridge(settings, client, log, create_topics(settings, log))
        with webhook(settings, client, knock), stop_asked() as stop:
            say(f"project {settings.label_studio.project} of {client.url}; Ctrl-C ends this")
            work(bridge, clock, knock, settings.label_studio.polling_s, stop, until_idle)
    finally:
        log.close()
    say(
        f"{bridge.sent} tasks sent, {bridge.withdrawn} withdrawn, {bridge.published} answers "
        "published"
    )


def make_client(config: Config) -> LabelStudioClient:
    """What asks Label Studio.

    Raises:
        UserError: the config lacks the URL or the token.
    """
    from stream_cl.config.label_studio import token
    from stream_cl.serve.label_studio.client import LabelStudioClient

    given = config.label_studio
    if given.url is None:
        raise UserError(
            "label_studio.url: is missing; give the URL at which Label Studio is opened"
        )
    ca_file = None if given.ca_file is None else config.folder / given.ca_file
    return LabelStudioClient(given.url, token(given, config.folder), ca_file, given.timeout_s)


def create_project(config: Config, client: LabelStudioClient, title: str) -> int:
    """Make a project that shows features as a table and offers `label_studio.labels`."""
    from stream_cl.serve.label_studio.tasks import label_config

    given = config.label_studio
    if not given.labels:
        raise UserError("label_studio.labels: is empty; name the classes that people may choose")
    if not 3 <= len(title) <= 50:
        raise UserError(f"--create {title!r:.60}: Label Studio wants a title of 3 to 50 characters")
    interface = label_config(given.control, given.labels)
    number = client.create_project(title, interface, config.annotators.answers)
    say(f"made project {number}; give label_studio.project: {number} in the config")
    return number


def make_bridge(
    config: Config, client: LabelStudioClient, log: Transport, topics: Topics
) -> Bridge:
    """The bridge, which knows what it has published before.

    Raises:
        UserError: there is no such project, or none that can hold an answer.
    """
    from stream_cl.serve.label_studio.bridge import Bridge, read_back
    from stream_cl.serve.label_studio.ledger import Ledger
    from stream_cl.serve.label_studio.tasks import control_of
    from stream_cl.transport.follow import Follower

    given = config.label_studio
    if given.project == 0:
        raise UserError(
            "label_studio.project: is missing; give the number in the project's address, or make "
            "one with --create TITLE"
        )
    parsed = client.project(given.project).get("parsed_label_config") or {}
    control = control_of(parsed, given.control)
    if control is None:
        raise UserError(
            f"label_studio.control: project {given.project} has no Choices tag named "
            f"{given.control}; there are: {', '.join(map(str, parsed)) or 'none'}"
        )
    ledger = Ledger(given.project)
    read_back(Follower(log, [topics.labels]), ledger)
    group = f"{topics.prefix}{GROUP}-{given.project}"
    requests = Follower(log, [topics.label_requests], log.group_offsets(group))
    return Bridge(
        client,
        given.project,
        control,
        log,
        topics.labels,
        requests,
        group,
        ledger,
        given.people,
        given.predictions,
    )


@contextmanager
def webhook(config: Config, client: LabelStudioClient, knock: Knock) -> Iterator[None]:
    """Take the webhook while this lasts, if there is to be one; it is entered into the project.

    Raises:
        UserError: the port is taken.
    """
    from stream_cl.config.http import is_loopback
    from stream_cl.config.label_studio import webhook_secret

    given = config.label_studio
    if given.webhook_port == 0 or given.webhook_url is None:
        yield
        return
    from stream_cl.serve.label_studio.webhook import PATH, webhook_app
    from stream_cl.serve.server import HttpServer

    secret = webhook_secret(given, config.folder)
    app = webhook_app(
        secret,
        knock,
        # A proxy in front of a loopback address passes on the name that Label Studio calls.
        loopback=is_loopback(given.webhook_host) and _names_loopback(given.webhook_url),
        fault=lambda error: say(f"webhook: {type(error).__name__}"),
    )
    server = HttpServer(given.webhook_host, given.webhook_port, app, "label_studio.webhook_port")
    try:
        client.enter_webhook(given.project, given.webhook_url.rstrip("/") + PATH, secret)
        yield
    finally:
        server.close()


def _names_loopback(url: str) -> bool:
    from urllib.parse import urlsplit

    from stream_cl.config.http import is_loopback

    return is_loopback(urlsplit(url).hostname or "")


class Timetable:
    """When answers are asked for: every `polling_s`, and after a webhook."""

    def __init__(self, polling_s: float) -> None:
        self._polling_s = polling_s
        self._looks_s: list[float] = [float("-inf")]

    def due(self, now_s: float) -> bool:
        """Whether it is time; then the next time is entered."""
        left = [at for at in self._looks_s if at > now_s]
        if len(left) == len(self._looks_s):
            return False
        self._looks_s = left or [now_s + self._polling_s]
        return True

    def knocked(self, now_s: float) -> None:
        """A webhook came: at once, and once more, since it may come before its answer is seen."""
        self._looks_s = [now_s, now_s + _AGAIN_S]


def work(
    bridge: Bridge,
    clock: Clock,
    knock: Knock,
    polling_s: float,
    stop: Callable[[], bool],
    until_idle_s: float | None,
) -> None:
    """Carry until told to stop, or nothing came for `until_idle_s`; Label Studio may go away and
    come back meanwhile."""
    from stream_cl.serve.label_studio.client import Unreachable

    times, busy_s, faults = Timetable(polling_s), clock.monotonic_s(), 0
    while not stop():
        try:
            done = bridge.take_answers() if times.due(clock.monotonic_s()) else 0
            done += bridge.take_requests()
        except Unreachable as error:
            if not faults:
                say(f"{error}; asking again until it does")
            faults += 1
            _rest(clock, min(_WAIT_MAX_S, 2.0 ** min(faults, 10)), stop)
            times, busy_s = Timetable(polling_s), clock.monotonic_s()
            continue
        if faults:
            say("Label Studio answers again")
            faults = 0
        if done:
            busy_s = clock.monotonic_s()
        elif until_idle_s is not None and clock.monotonic_s() - busy_s >= until_idle_s:
            return
        if knock.wait(_LOOK_S):
            times.knocked(clock.monotonic_s())


def _rest(clock: Clock, seconds: float, stop: Callable[[], bool]) -> None:
    until_s = clock.monotonic_s() + seconds
    while not stop() and clock.monotonic_s() < until_s:
        clock.sleep(min(_LOOK_S, max(0.0, until_s - clock.monotonic_s())))
