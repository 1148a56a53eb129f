"""What a Kafka client library must be able to do: the boundary that each is put behind.

`kafka.py` holds all that is the same for every client: names of topics and partitions,
offsets without records, order of a commit, errors that tell what to do. An implementation
holds nothing but the calls of its library: `kafka_python.py`, and a second one beside it.

What holds for every method below:

- Partitions are `core.records.TopicPartition`, offsets are the next one to read, times are
  seconds. Everything is bounded: a method that waits for a broker raises TransportError
  after `REPLY_S` (the producer's after the transaction's timeout, see there).
- What a broker or the library refuses is raised as an error of `core.errors`, by
  `kafka_errors.refused(code, ...)`, which takes the protocol's error code and says what was
  done and to what. Retriable errors (coordinator loading, leader moving, connection lost) are
  tried again inside, up to the bound.
- Nothing ever creates a topic but `create`: metadata is asked for without auto-creation.
- A client is used by one thread at a time; `kafka.py` sees to that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from stream_cl.core.errors import TransportError
from stream_cl.core.records import Chunk, Outgoing, TopicPartition

REPLY_S: Final = 30.0
"""How long brokers may take to answer, or to come back, before it is an error."""
REQUEST_S: Final = 10.0
"""How long one request is waited for before the connection is given up and opened anew."""
PARTITION_BYTES: Final = 2 * 2**20
"""Most bytes of one partition in one answer to a fetch. Four times as much reads no faster here,
and an answer that is not taken in at once keeps its partition out of the next fetch."""
FETCH_BYTES: Final = 32 * 2**20
"""Most bytes of all partitions in one answer to a fetch."""
FETCH_WAIT_S: Final = 0.1
"""How long a broker holds a fetch back while there is nothing to send."""
RETRY_S: Final = 0.02
"""Pause before a question is asked again."""
TRANSACTION_RETRY_S: Final = 0.005
"""Pause before a producer tries again. A transaction begins while the markers of the one before
are still being written, is refused and tried again: with 20 ms a step of one record takes 21 ms,
with 5 ms 13, with 2 ms no less."""
RECONNECT_S: Final = 1.0
"""Longest pause between two attempts to reach a broker that is down."""


@dataclass(slots=True)
class Failed:
    """A partition that cannot be read at its position; it is no longer assigned."""

    place: TopicPartition
    error: TransportError


class KafkaReader(Protocol):
    """Reads partitions ahead: a consumer without a group, isolation read_committed, that
    never resets an offset by itself."""

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from now on and no others.

        Those that were read before go on where they are, with what is prefetched of them; new
        ones begin at the given offset. Sends nothing, raises nothing.
        """
        ...

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Go on at `offset` in an assigned partition; what is prefetched of it is dropped."""
        ...

    def position(self, place: TopicPartition) -> int:
        """The offset behind all that `poll` has given or passed over.

        It moves over transaction markers and aborted records too, so that it reaches the last
        stable offset when everything was read. Sends nothing.
        """
        ...

    def pause(self, places: Collection[TopicPartition], paused: bool) -> None:
        """Give nothing of these partitions (or give it again); prefetched records stay."""
        ...

    def poll(self, timeout_s: float) -> Sequence[Chunk | Failed]:
        """What has come, per partition in the order of offsets; waits for the first thing that
        comes, `timeout_s` at most, and not at all with 0.

        A chunk is never empty. `timestamps_ms` are what the log says (append times where the
        topic has them). A null header value is b"", a header name that is not UTF-8 is read with
        replacement characters; a partition with damaged records comes as Failed. Failed carries
        OffsetOutOfRange where the broker says so, UnknownTopic, or TransportError where access
        is refused. What can be tried again (leader moving, broker down) is neither: nothing comes.
        """
        ...

    def close(self) -> None: ...


class KafkaProducing(Protocol):
    """One producer: acks=all, idempotent, and transactional where it has a transactional id.

    After any method but `close` has raised, only `abort` and `close` may be called.
    """

    @property
    def epoch(self) -> int:
        """producer id × 2^16 + producer epoch, as the broker gave them; 0 without transactions.
        Grows with every `init` of a transactional id."""
        ...

    def init(self) -> None:
        """InitProducerId: fence every earlier producer of the transactional id and abort what it
        left open. Bounded by REPLY_S.

        Raises:
            TransportError: not authorised, or the coordinator did not answer.
        """
        ...

    def send(
        self,
        batches: Sequence[Outgoing],
        within: Callable[[], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> list[int]:
        """Begin a transaction (if transactional), append all batches, wait until every record is
        acknowledged, and give the offset of the first record of each batch. `within`, which
        must not need to be first or last, is called once inside the transaction, on another
        thread perhaps; `meanwhile` once on this thread while records are on their way. What they
        raise comes out.

        Returns only when each single record was acknowledged. Topics and partitions exist and no
        record is larger than limits allow: `kafka.py` has checked.

        Raises:
            Fenced: another producer has the transactional id.
            RecordTooLarge: the broker takes no record as large as this.
            TransportError: refused, or not acknowledged within the transaction's timeout.
        """
        ...

    def add_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Put the group's offsets into the transaction (without a generation, KIP-447's -1) and
        wait for the group's coordinator. Without transactions: commit them now."""
        ...

    def commit(self) -> None:
        """EndTxn, and wait for its acknowledgement. Returns only if EndTxn was sent and
        acknowledged; without transactions it does nothing.

        Raises:
            Fenced: refused at the first attempt, so nothing was written.
            CommitUnknown: sent, and no answer came; or the library says that it is done while
                nothing shows that EndTxn was acknowledged.
            TransportError: it was certainly not committed.
        """
        ...

    def abort(self) -> None:
        """Abort if that is possible within REPLY_S; raises nothing. The broker aborts what is left
        open, at the next `init` of the transactional id or after its timeout."""
        ...

    def close(self) -> None:
        """Give everything back within about a second; nothing is sent any more."""
        ...


class KafkaClient(Protocol):
    """A connection to a cluster."""

    def partitions(self, topics: Iterable[str] | None = None) -> dict[str, int]:
        """name → number of partitions, of those topics that exist; all of them with None
        (internal ones left out). Asks the cluster."""
        ...

    def settings(self, topic: str) -> dict[str, str]:
        """The topic's settings in force, defaults included. Asks the cluster."""
        ...

    def create(
        self, topic: str, partitions: int, replication: int | None, settings: Mapping[str, str]
    ) -> None:
        """Create a topic and wait until it has a leader for every partition. Nothing happens if
        it is there already. `replication` None: the broker's default."""
        ...

    def alter(self, topic: str, settings: Mapping[str, str]) -> None:
        """Set these settings of a topic and leave the others as they are (KIP-339)."""
        ...

    def starts(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Log start offsets, one request per leader."""
        ...

    def ends(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Last stable offsets (read_committed), one request per leader, on a connection where no
        fetch is held back: this is asked before every step."""
        ...

    def written(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """High watermarks (read_uncommitted): the offsets behind all that was appended, decided or
        not. Asked once at a start."""
        ...

    def delete_records(self, place: TopicPartition, offset: int) -> None:
        """Delete the records below `offset` (KIP-107); OffsetOutOfRange above the end."""
        ...

    def committed(self, group: str) -> dict[TopicPartition, int]:
        """The group's committed offsets; of those that a transaction is still about to commit, the
        outcome is waited for (require stable, KIP-447)."""
        ...

    def reader(self) -> KafkaReader:
        """A reader with connections of its own; called once."""
        ...

    def producer(self, transactional_id: str | None) -> KafkaProducing:
        """A new producer with connections of its own, not initialised."""
        ...

    def close(self) -> None:
        """Close all connections. Readers and producers are closed by whoever has them."""
        ...


class CommitUnknown(TransportError):
    """Whether the step was committed is not known; the log will tell after a restart."""
