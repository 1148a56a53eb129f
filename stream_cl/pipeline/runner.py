"""Performs steps: reads slices, commits outputs, learns, writes checkpoints.

The order of a step, and what a crash between two numbers means:

1. take slices, decode         nothing happened
2. score with S(k−1)           nothing happened
3. commit outputs, manifest    not answered: the manifest's tail decides, at the next start
4. learn: S(k)                 the step is replayed silently at the next start
5. checkpoint, now and then    the one before is used

While 3 waits for the log, 1 of the next step is done: `lookahead`.
"""

from __future__ import annotations

from collections.abc import Callable

from stream_cl.checkpoint.folder import CheckpointFolder
from stream_cl.core.clock import Clock
from stream_cl.core.faults import Faults, NoFaults
from stream_cl.core.protocols import Transport, Writer
from stream_cl.core.records import Outgoing
from stream_cl.observe.trail import Trail
from stream_cl.pipeline import recovery, replay
from stream_cl.pipeline.around import Surroundings
from stream_cl.pipeline.checkpointer import Checkpointer
from stream_cl.pipeline.decoded import Decoded, decoded
from stream_cl.pipeline.lookahead import Lookahead
from stream_cl.pipeline.manifest import Open
from stream_cl.pipeline.pace import Pace
from stream_cl.pipeline.record import record_of
from stream_cl.pipeline.recovery import Identity
from stream_cl.pipeline.rehearsal import RehearsalPace
from stream_cl.pipeline.retention import Retention
from stream_cl.pipeline.scored import Scored
from stream_cl.pipeline.settings import Recovered, Settings
from stream_cl.pipeline.slicer import Slicer
from stream_cl.pipeline.state import State
from stream_cl.pipeline.step import Plan, learn, score
from stream_cl.pipeline.story import Story, check_nothing_between, new_lineage, read_story, salvage
from stream_cl.pipeline.taken import Taken
from stream_cl.pipeline.trails import tell_trail
from stream_cl.pipeline.watch import Status, StepTimes, status_of, times_of


class Pipeline:
    """The one writer of a set of topics.

    Args:
        fresh: builds S(0).
        watch: told of every step.
        trace: told of every step in which a record is traced; None looks for none.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        fresh: Callable[[], State],
        plan: Plan,
        settings: Settings,
        identity: Identity,
        folder: CheckpointFolder,
        clock: Clock,
        faults: Faults | None = None,
        watch: Callable[[StepTimes], None] | None = None,
        trace: Callable[[Trail], None] | None = None,
    ) -> None:
        self.plan = plan
        self.state = fresh()
        self.incarnation = 0
        self._fresh = fresh
        self._transport = transport
        self._settings = settings
        self._identity = identity
        self._folder = folder
        self._clock = clock
        self._faults = faults or NoFaults()
        topics = plan.topics
        self.inputs = [topics.events, topics.labels, topics.control]
        self.group = f"{topics.prefix}stream-cl"
        self.retention = Retention(transport, self.inputs, topics.manifest, folder)
        self._slicer = Slicer(transport, self.inputs, [topics.labels], settings.max_events)
        self._lookahead = Lookahead(self._slicer, self._decode)
        self._rehearsal = RehearsalPace(self.state.guard.learner, settings.compute_ms)
        self._pace = Pace(settings.max_events, settings.max_ms)
        self._watch = watch
        self._trace = trace
        self._writer: Writer | None = None
        self._checkpointer = Checkpointer(folder, fresh, clock, self._faults)
        self._manifest_end = 0
        self._lineage = ""
        self._checkpoint_s = clock.monotonic_s()
        self._around = Surroundings(
            transport, self.inputs, topics.prefix, self._slicer, self._checkpointer,
            self.retention, clock,
        )  # fmt: skip

    def start(self, new_state: bool = False) -> Recovered:
        """Fence, read the manifest, commit OPEN, replay.

        Args:
            new_state: give up the learned state, keep the positions.

        Raises:
            RecoveryError: the state cannot be rebuilt; the message names the ways out.
            UnknownTopic: an input topic is missing.
        """
        began_s = self._clock.monotonic_s()
        if not new_state:
            self._story()  # a start that must fail must not fence a pipeline that runs
        self._writer = self._transport.writer(self.group)
        self._faults.reach("fenced")
        topic = self.plan.topics.manifest
        self._transport.settle(topic)
        story = (
            salvage(self._transport, topic, self.group, self._folder)
            if new_state
            else self._story()
        )
        self._open(story, new_state)
        self._faults.reach("opened")
        differing = self._rebuild(story, new_state)
        self.retention.look()
        self.state.guard.timed_by(self._clock.monotonic_s)
        base, took_s = story.base, self._clock.monotonic_s() - began_s
        self._around.recovered = recovered = Recovered(
            self.incarnation, base.step if base else None, len(story.to_replay), differing,
            story.corrupt, took_s,
        )  # fmt: skip
        return recovered

    def look(self) -> Story:
        """Rebuild the state at the manifest's tail for reading only: a running pipeline is not
        fenced, and nothing is written. This one can take no steps then.

        Raises:
            RecoveryError: as `start`.
        """
        story = self._story()
        self._rebuild(story, new_state=False)
        return story

    def step(self, expiry: bool = True) -> bool:
        """Take one step if there is something to do. False when idle.

        Args:
            expiry: whether an expiry alone is reason enough for a step.

        Raises:
            Fenced: another process has become the writer. Stop.
        """
        began_s, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        self._around.looked_ms = now_ms
        read = self._lookahead.take(self.state.positions)
        taken = read.taken if read else self._slicer.take(self.state.positions, self._pace.limit)
        time_ms = self._logical_time(taken, now_ms, expiry)
        if time_ms is None:
            return False
        self._faults.reach("step-taken")
        taken_s = self._clock.monotonic_s()
        read = read or self._decode(taken)
        scored = score(self.state, read, time_ms, self.incarnation, self.plan)
        scored.rehearsals = self._rehearsal.choose(scored.to_learn)
        self._faults.reach("step-scored")
        scored_s = self._clock.monotonic_s()
        self._commit(scored, tick=not taken.slices)
        self._faults.reach("learning")
        committed_s = self._clock.monotonic_s()
        learn(self.state, scored, self.plan)
        self._faults.reach("learned")
        self._tell(scored, now_ms, (began_s, taken_s, scored_s, committed_s))
        if self._checkpoint_due():
            self.checkpoint()
        return True

    def _tell(self, scored: Scored, began_ms: int, at_s: tuple[float, float, float, float]) -> None:
        learned_s, learner_s = self._clock.monotonic_s(), self.state.guard.took()
        times = times_of(self.state.step, scored, began_ms, (*at_s, learned_s), learner_s)
        self._rehearsal.took(scored.to_learn, scored.rehearsals, times.learn_s)
        self._pace.took(times.records, times.whole_s)
        if self._watch is not None:
            self._watch(times)
        if self._trace is not None:
            ends_s = (*at_s, learned_s)
            tell_trail(scored, self.plan, self.state.step, began_ms, ends_s, self._trace)

    def _checkpoint_due(self) -> bool:
        late = self._clock.monotonic_s() - self._checkpoint_s >= self._settings.checkpoint_s
        return late or self.state.step % self._settings.checkpoint_every == 0

    def checkpoint(self, wait: bool = False) -> None:
        """Write a checkpoint of S(k) in the background, or now with `wait`."""
        self._checkpoint_s = self._clock.monotonic_s()
        self.retention.look()
        self._checkpointer.write(
            self.state,
            self.incarnation,
            {
                "lineage": self._lineage,
                "manifest_offset": self._manifest_end,
                "state_config": self._identity.state_config,
                "code": self._identity.code,
                "machine": self._identity.fingerprint,
            },
            wait=wait,
        )

    def close(self) -> None:
        """Write a last checkpoint if there is anything to write, and stop the thread."""
        self._faults.reach("closing")
        if self._writer is not None and self._checkpointer.last_step != self.state.step:
            self.checkpoint(wait=True)
        self._checkpointer.close()

    def abandon(self) -> None:
        """Stop without a last checkpoint, after a fault: the manifest has what is needed."""
        self._checkpointer.abandon()

    def status(self) -> Status:
        """This moment; for the thread that takes the steps."""
        around = self._around.look(self.state.positions)
        return status_of(self.state, self.incarnation, around, self.plan.every)

    def wait(self, timeout_s: float, poll_s: float) -> None:
        """Wait until something may have come, `timeout_s` at most; see `Transport.wait`."""
        self._transport.wait(timeout_s, poll_s)

    def lag(self) -> int:
        """Records of the input topics that are not read yet."""
        return self._around.lag(self.state.positions)

    def _story(self) -> Story:
        story = read_story(self._transport, self.plan.topics.manifest, self._folder)
        recovery.check_compatible(story, self._identity)
        return story

    def _logical_time(self, taken: Taken, now_ms: int, expiry: bool) -> int | None:
        """Logical time of the next step; None when there is nothing to do."""
        before = self.state.time_ms
        if taken.newest_ms is not None:
            return max(before, min(taken.newest_ms, now_ms))
        due = self.state.next_expiry_ms()
        if expiry and due is not None and due <= now_ms:
            return max(before, now_ms)
        return before if len(self.state.outbox) else None

    def _commit(self, scored: Scored, tick: bool) -> None:
        """One transaction: outputs, manifest record, consumed offsets."""
        state, topic = self.state, self.plan.topics.manifest
        due = state.step % self._settings.digest_every == 0
        record = record_of(state, scored, self.incarnation, tick=tick, with_digests=due)
        offsets = {taken.at: taken.stop for taken in scored.taken.slices}
        assert self._writer is not None, "start() was not called"
        batches = [*scored.outputs, Outgoing(topic, 0, [None], [record.encode()])]
        meanwhile = self._lookahead.behind(scored.taken, state.positions, self._pace.limit)
        self._manifest_end = self._writer.commit(batches, self.group, offsets, meanwhile)[-1] + 1

    def _open(self, story: Story, new_state: bool) -> None:
        bounds = self._transport.bounds(self.inputs)
        if not story.opened:
            earliest = self._settings.start == "earliest"
            story.positions = {at: b.start if earliest else b.end for at, b in bounds.items()}
        if new_state:
            # What has expired unread is lost either way; the records say from where on.
            story.positions = {
                at: max(story.positions.get(at, 0), b.start) for at, b in bounds.items()
            }
        self.incarnation, self._around.opened = story.incarnation + 1, len(bounds)
        self._lineage = story.lineage or new_lineage()
        opened = Open(
            incarnation=self.incarnation,
            step=story.last_step,
            lineage=self._lineage,
            positions=story.positions,
            config=self._identity.config,
            state_config=self._identity.state_config,
            code=self._identity.code,
            fingerprint=self._identity.fingerprint,
            new_state=new_state,
        )
        assert self._writer is not None
        batch = Outgoing(self.plan.topics.manifest, 0, [None], [opened.encode()])
        (offset,) = self._writer.commit([batch], self.group, {})
        check_nothing_between(self._transport, self.plan.topics.manifest, story, offset)
        self._manifest_end = offset + 1
        if new_state:
            self._folder.clear()

    def _rebuild(self, story: Story, new_state: bool) -> int:
        """S(k) at the manifest's tail; how many replayed digests differ in numbers only."""
        self.state = replay.restored(story, self._fresh(), new_state, self._checkpointer.resume)
        self._checkpointer.last_step = story.base.step if story.base else None
        machine = self._identity.fingerprint
        differing = replay.replay(self.state, story, self._slicer, self.plan, machine, self._faults)
        self.state.positions = {**story.positions, **self.state.positions}
        return differing

    def _decode(self, taken: Taken) -> Decoded:
        return decoded(taken, self.plan.decoder, self.plan.topics)
