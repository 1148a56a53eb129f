"""What there is in a cluster, and what we may do there: for `stream-cl topics` and `doctor`.

Always by kafka-python, whatever client the pipeline uses. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from stream_cl.core.clock import Clock
from stream_cl.transport.kafka_client import REPLY_S
from stream_cl.transport.kafka_options import KafkaOptions
from stream_cl.transport.kafka_reach import Reached, check_reachable

T = TypeVar("T")
NOBODY: Final = 2**62
"""A producer id that no broker gives out: they count from 0."""
_TOPIC_REFUSED: Final = 29
_GROUP_REFUSED: Final = 30
_TRANSACTIONAL_ID_REFUSED: Final = 53
"""Error codes of Kafka's protocol."""
_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as it is.

    partitions: 0 where we may not even see the topic. settings: those in force, empty where we
    may not see them. operations: what we may do with it, as `READ`; None where the broker does not
    say.
    """

    name: str
    partitions: int
    replication: int
    settings: dict[str, str]
    operations: frozenset[str] | None


class KafkaAdmin:
    """A connection for looking.

    Raises:
        TransportError: the cluster cannot be reached, or refuses us; `reached` says who answered.
    """

    def __init__(self, options: KafkaOptions, clock: Clock) -> None:
        self._clock = clock
        self.reached: Reached = check_reachable(options, clock)
        from kafka import KafkaAdminClient

        from stream_cl.transport.kafka_python import common_settings

        self._admin = self._told("connecting", lambda: KafkaAdminClient(**common_settings(options)))

    def topics(self, names: Sequence[str]) -> dict[str, FoundTopic]:
        """Those of the topics that are there, or that may not be seen.

        Raises:
            TransportError: the cluster did not answer.
        """
        found = self._told("asking for topics", lambda: self._admin.describe_topics(list(names)))
        there = {one["name"]: one for one in found if one["error_code"] == 0}
        hidden = [one["name"] for one in found if one["error_code"] == _TOPIC_REFUSED]
        settings = self._settings(list(there)) if there else {}
        seen = {
            name: FoundTopic(
                name,
                len(one["partitions"]),
                min((len(p["replica_nodes"]) for p in one["partitions"]), default=0),
                settings.get(name, {}),
                _operations(one),
            )
            for name, one in there.items()
        }
        return seen | {name: FoundTopic(name, 0, 0, {}, frozenset()) for name in hidden}

    def brokers(self) -> list[str]:
        """`host:port` that each broker tells its clients to use."""
        found = self._told("asking for brokers", self._admin.describe_cluster)
        addresses = [(one["host"], one["port"]) for one in found["brokers"]]
        return sorted(f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in addresses)

    def may_commit_as(self, group: str) -> bool:
        """Whether we may commit offsets of a group.

        Found by a heartbeat of a member that is not there: rights are looked at first, and the
        group is not disturbed.
        """
        from kafka.protocol.consumer import HeartbeatRequest
        from kafka.protocol.metadata import CoordinatorType

        request = HeartbeatRequest(group_id=group, generation_id=0, member_id="nobody")
        code = self._coordinated(group, CoordinatorType.GROUP, request, f"group {group}")
        return code != _GROUP_REFUSED

    def may_write_as(self, transactional_id: str) -> bool:
        """Whether we may use a transactional id.

        Found by asking to end a transaction of a producer that cannot be: rights are looked at
        first, and nobody who holds the id is disturbed.
        """
        from kafka.protocol.metadata import CoordinatorType
        from kafka.protocol.producer import EndTxnRequest

        request = EndTxnRequest(
            transactional_id=transactional_id,
            producer_id=NOBODY,
            producer_epoch=0,
            committed=False,
        )
        what = f"transactional id {transactional_id}"
        code = self._coordinated(transactional_id, CoordinatorType.TRANSACTION, request, what)
        return code != _TRANSACTIONAL_ID_REFUSED

    def _coordinated(self, key: str, kind: Any, request: Any, what: str) -> int:
        """The error code that the coordinator of `key` answers."""
        from kafka.errors import AuthorizationError

        async def ask() -> int:
            try:
                found = await self._admin._find_coordinator_ids([key], key_type=kind)
            except AuthorizationError as error:
                return int(error.errno)
            answer = await self._admin._manager.send(request, node_id=found[key])
            return int(answer.error_code)

        code: int = self._told(f"asking for {what}", lambda: self._admin._manager.run(ask))
        return code

    def close(self) -> None:
        """Close the connections."""
        self._admin.close()

    def _settings(self, names: list[str]) -> dict[str, dict[str, str]]:
        from kafka.admin import ConfigResource, ConfigResourceType

        wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        found = self._told(
            "asking for topics' settings",
            lambda: self._admin.describe_configs(wanted, config_filter="all"),
        )
        return {
            topic: {name: str(one["value"]) for name, one in configs.items()}
            for topic, configs in found.get("topic", {}).items()
        }

    def _told(self, doing: str, ask: Callable[[], T]) -> T:
        """The answer, waited for while a coordinator is being found or loads its log."""
        from kafka.errors import RetriableError

        from stream_cl.transport.kafka_python_inside import told

        end_s = self._clock.monotonic_s() + REPLY_S
        while True:
            try:
                return ask()
            except RetriableError as error:
                if self._clock.monotonic_s() >= end_s:
                    raise told(error, doing) from error
                self._clock.sleep(_PAUSE_S)
            except Exception as error:
                raise told(error, doing) from error


def _operations(described: dict[str, Any]) -> frozenset[str] | None:
    given = described.get("authorized_operations")
    return None if given is None else frozenset(str(one) for one in given)
