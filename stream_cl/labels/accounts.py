"""What each annotator has done: answers, abstentions, what they cost and how long they took.

For people; nothing in a step looks at it. An answer's cost is what the label says. Its time is
that which the label says it was given at, else the logical time at which it was read, after the
logical time at which it was asked for; less than nothing counts as nothing.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from stream_cl.core.snapshot import Snapshot


@dataclass(slots=True)
class Account:
    """Sums of one annotator; `priced` answers named a cost, `timed` ones have a time."""

    answers: int = 0
    abstained: int = 0
    priced: int = 0
    cost: float = 0.0
    timed: int = 0
    seconds: float = 0.0

    @property
    def mean_cost(self) -> float | None:
        return self.cost / self.priced if self.priced else None

    @property
    def mean_seconds(self) -> float | None:
        return self.seconds / self.timed if self.timed else None


class Accounts:
    """name → account, of the `capacity` annotators who answered last.

    Memory: capacity × about 500 bytes. Cost per answer: O(1).
    """

    def __init__(self, capacity: int) -> None:
        assert capacity > 0
        self.capacity = capacity
        self._accounts: dict[str, Account] = {}  # who has not answered for longest first

    def __len__(self) -> int:
        return len(self._accounts)

    def book(
        self, name: str, abstained: bool, cost: float | None = None, took_ms: int | None = None
    ) -> None:
        """One answer or abstention."""
        account = self._accounts.pop(name, None)
        if account is None:
            account = Account()
            if len(self._accounts) >= self.capacity:
                del self._accounts[next(iter(self._accounts))]
        self._accounts[name] = account
        account.answers += not abstained
        account.abstained += abstained
        if cost is not None:
            account.priced += 1
            account.cost += cost
        if took_ms is not None:
            account.timed += 1
            account.seconds += max(0, took_ms) / 1000

    def items(self) -> dict[str, Account]:
        """name → account; not to be changed."""
        return dict(self._accounts)

    def snapshot(self) -> Snapshot:
        rows = [list(astuple(account)) for account in self._accounts.values()]
        return {"names": list(self._accounts), "rows": rows}

    def restore(self, snapshot: Snapshot) -> None:
        names, rows = snapshot["names"], snapshot["rows"]
        assert len(names) <= self.capacity, f"{len(names)} annotators, where {self.capacity} fit"
        self._accounts = {name: Account(*row) for name, row in zip(names, rows, strict=True)}
