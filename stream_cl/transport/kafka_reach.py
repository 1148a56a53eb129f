"""Whether brokers can be reached, and in one line why not.

kafka-python tries again and again, for some refusals without an end, and keeps the reason to its
log. So before anything else each broker is connected to once, with the client's own code and
with our bound on the time, and what was refused becomes one error.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Thread
from typing import Any, Final

from stream_cl.core.clock import Clock, SystemClock
from stream_cl.core.errors import StreamClError, TransportError
from stream_cl.transport.kafka_options import CONNECT_S, KafkaOptions, KafkaSecurity
from stream_cl.transport.kafka_security import expired_at, kafka_python_settings

OLDEST_BROKER: Final = (2, 7)
"""Older ones lack fenced transactions as they are used here (KIP-588)."""

_VERIFY: Final = {
    9: ("is not valid yet", "compare this machine's clock with the broker's"),
    10: ("has expired", "have it renewed"),
    18: ("is signed by itself and not trusted", "name its file as kafka.security.ca_file"),
    19: ("is signed by an authority that is not trusted", "name its file as"
         " kafka.security.ca_file"),
    20: ("is signed by an authority that is not trusted", "name its file as"
         " kafka.security.ca_file"),
    62: ("names another host", "use a name that stands in it, or check_host: false"),
    64: ("does not name this address", "use a name that stands in it, or check_host: false"),
}  # fmt: skip
"""OpenSSL's X509_V_ERR_… → what is wrong with the broker's certificate, and what to do."""

ATTEMPTS: Final = 3
"""How often a broker is asked that hangs up instead of saying what it refuses."""

_ALERTS: Final = (
    ("PROTOCOL_VERSION", "speaks no TLS 1.2 or newer", "enable it there"),
    ("HANDSHAKE_FAILURE", "refuses the handshake", "see whether it wants a certificate of ours,"
     " and which ciphers it allows"),
)  # fmt: skip
"""A word of an alert's name → what the broker says by it, and what to do."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A broker that answered. version: the oldest Kafka release that speaks what it speaks."""

    broker: str
    version: tuple[int, ...]


def check_reachable(
    options: KafkaOptions, clock: Clock | None = None, timeout_s: float = CONNECT_S
) -> Reached:
    """Connect to one of the brokers, say who we are, and ask for the cluster's metadata.

    Takes at most `timeout_s`, however many brokers are named.

    Raises:
        UserError: a certificate, a key or the token command cannot be used.
        TransportError: no broker lets us in; for the first one, what was refused.
    """
    quiet()
    clock = clock or SystemClock()
    settings = kafka_python_settings(options.security)
    end_s = clock.monotonic_s() + timeout_s
    failures: list[StreamClError] = []
    for index, broker in enumerate(options.bootstrap):
        left_s = (end_s - clock.monotonic_s()) / (len(options.bootstrap) - index)
        try:
            return _connect(broker, options, settings, left_s)
        except StreamClError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    raise TransportError(f"none of {len(failures)} brokers lets us in; the first: {failures[0]}")


def quiet() -> None:
    """Keep kafka-python's log off stderr where nobody has set up logging: what matters in it
    comes as an error of ours, once."""
    logger = logging.getLogger("kafka")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _connect(
    broker: str, options: KafkaOptions, settings: dict[str, Any], timeout_s: float
) -> Reached:
    from kafka.net.compat import KafkaNetClient

    host, _, port = broker.rpartition(":")
    _resolve(broker, host.strip("[]"), int(port), timeout_s)
    for attempt in range(1, ATTEMPTS + 1):
        client = KafkaNetClient(bootstrap_servers=[broker], client_id=options.client_id, **settings)
        talk = _Talk(client._manager, timeout_s)
        try:
            client._net.run(talk.greet)
            return Reached(broker, tuple(talk.connection.broker_version))
        except StreamClError:
            raise
        except Exception as error:
            # A refusal that the broker sends just before it hangs up is lost on the way through
            # kafka-python 3.0 about every second time: then it is worth asking again.
            asked = talk.answered and options.security.mechanism is not None
            if asked and _hung_up(error) and attempt < ATTEMPTS:
                continue
            why = explain(error, options, talk.answered)
            raise TransportError(f"kafka://{broker}: {why}") from None
        finally:
            client.close()
    raise AssertionError("the last attempt ends in either")


class _Talk:
    """The first words with a broker, each of them bounded."""

    def __init__(self, manager: Any, timeout_s: float) -> None:
        self._manager = manager
        self._timeout_ms = timeout_s * 1000
        self.connection: Any = None

    @property
    def answered(self) -> bool:
        """Whether the broker has said what it speaks: before it knows us, behind TLS."""
        return self.connection is not None and self.connection.broker_version_data is not None

    async def greet(self) -> None:
        """Connect and ask a first real question: a listener that wants to know who we are
        answers none before."""
        from kafka.protocol.metadata import MetadataRequest

        manager, timeout_ms = self._manager, self._timeout_ms
        (node,) = manager.cluster.bootstrap_brokers()
        self.connection = manager.get_connection(
            node.node_id, timeout_ms=timeout_ms, pop_on_close=False
        )
        await manager.wait_for(self.connection.init_future, timeout_ms)
        asked = self.connection.send_request(MetadataRequest(topics=[]))
        await manager.wait_for(asked, timeout_ms)


def _resolve(broker: str, host: str, port: int, timeout_s: float) -> None:
    """Find the address in a thread: the resolver cannot be given a bound."""
    found: list[Exception | None] = []

    def look() -> None:
        try:
            socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
            found.append(None)
        except OSError as error:
            found.append(error)

    thread = Thread(target=look, name="resolve", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if found and found[0] is None:
        return
    why = getattr(found[0], "strerror", None) if found else f"no answer within {timeout_s:.0f} s"
    raise TransportError(
        f"kafka://{broker}: the name {host} cannot be resolved ({why}); correct it, or see whether"
        " this machine can ask a name server"
    )


def explain(error: BaseException, options: KafkaOptions, answered: bool = False) -> str:
    """What a client's error means for a person, and what to do; one line without secrets.

    `answered` says whether the broker had told what it speaks before this happened.
    """
    chain = list(_chain(error))
    for one in chain:
        text = _tls(one, options) or _refused(one, options)
        if text:
            return text
    text = " ".join(str(one) for one in chain)
    if "ECONNREFUSED" in text:
        return "nothing listens there; start the broker, or correct the port"
    if "EHOSTUNREACH" in text or "ENETUNREACH" in text:
        return "this machine has no way there; correct the address, or see its routes"
    if "imed out" in text or type(error).__name__ == "KafkaTimeoutError":
        return (
            "no answer in time; see whether the broker runs, whether a firewall is between, and"
            f" whether its listener speaks {_spoken(options)}"
        )
    if _hung_up(error):
        return _closed(options, answered)
    return f"{type(error).__name__}: {' '.join(text.split())}; see the broker's log"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from or wraps, and so on."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [a for a in one.args if isinstance(a, BaseException)]
            waiting += [one.__cause__, one.__context__]


def _tls(error: BaseException, options: KafkaOptions) -> str:
    """What OpenSSL found wrong, or what the broker's TLS said; empty for any other error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        refused = (f"is refused ({error.verify_message})", "see kafka.security.ca_file")
        what, act = _VERIFY.get(error.verify_code, refused)
        return f"TLS: the broker's certificate {what}; {act}"
    if not isinstance(error, ssl.SSLError):
        return ""
    said = str(getattr(error, "reason", None) or error.strerror or "the handshake failed")
    reason = said.upper()
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return _own_certificate(options.security)
    for word, what, act in _ALERTS:
        if "ALERT" in reason and word in reason:
            return f"TLS: the broker {what}; {act}"
    if "WRONG_VERSION_NUMBER" in reason or isinstance(error, ssl.SSLEOFError):
        return "TLS: what answers there does not speak TLS; give tls: false, or the port that does"
    return f"TLS: {' '.join(said.split())}; see the broker's log"


def _own_certificate(security: KafkaSecurity) -> str:
    """Brokers hardly say what they have against a certificate; its dates can be seen from here."""
    file = security.certificate_file
    if file is None:
        return (
            "TLS: the broker asks for a certificate of ours; give certificate_file and key_file in"
            " kafka.security"
        )
    ended = expired_at(file, SystemClock().now_ms() / 1000)
    if ended:
        return f"TLS: our certificate {file} has expired on {ended}; have it renewed"
    return (
        f"TLS: the broker refuses our certificate {file}; have it signed by an authority that the"
        " broker trusts"
    )


def _refused(error: BaseException, options: KafkaOptions) -> str:
    """What the broker itself has refused; empty for any other error."""
    import kafka.errors as kafka_errors

    mechanism = options.security.mechanism
    if isinstance(error, kafka_errors.UnsupportedSaslMechanismError):
        return f"SASL: {mechanism} is not enabled there; give another kafka.security.mechanism"
    if isinstance(error, kafka_errors.IllegalSaslStateError):
        return "the listener does not ask who we are; leave kafka.security.mechanism out"
    if isinstance(error, kafka_errors.SaslAuthenticationFailedError):
        return _unknown(options, " or the password is wrong")
    if isinstance(error, kafka_errors.IncompatibleBrokerVersion):
        return "a controller, or a broker too old, answers there; name a port of Kafka 2.7 or newer"
    return ""


def _unknown(options: KafkaOptions, what: str) -> str:
    security = options.security
    if security.mechanism == "OAUTHBEARER":
        return (
            "SASL OAUTHBEARER: the token is refused; see kafka.security.token_command, and which"
            " issuer and audience the broker takes"
        )
    return (
        f"SASL {security.mechanism}: user {security.username!r}{what}; correct them in"
        " kafka.security"
    )


def _hung_up(error: BaseException) -> bool:
    text = " ".join(str(one) for one in _chain(error))
    words = ("disconnected", "reset by peer", "Broken pipe", "EOF", "eceive")
    return any(word in text for word in words)


def _closed(options: KafkaOptions, answered: bool) -> str:
    """A broker that hangs up instead of answering: it expects another way to speak."""
    security = options.security
    if answered and security.mechanism is None:
        return "the broker asks who we are; give mechanism and what it needs in kafka.security"
    if answered:
        return _unknown(options, ", the password or the mechanism is refused")
    if security.tls:
        return _own_certificate(security)
    return (
        f"the broker hung up on {_spoken(options)} without a word; its listener seems to want TLS"
        " (tls: true), or it is only starting: then try again"
    )


def _spoken(options: KafkaOptions) -> str:
    security = options.security
    tls = "TLS" if security.tls else "plain text"
    return f"{tls} with SASL {security.mechanism}" if security.mechanism else tls
