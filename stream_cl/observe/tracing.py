"""Spans of what a step did with traced records, by OpenTelemetry; the only module that imports it.

A record is traced where its header `traceparent` says that it is sampled: who produces an event
decides. Names and attributes are those of the semantic conventions for messaging (1.36). For each
traced event a span `process events` below its producer's, and below that `send predictions` and,
if it was asked for, `send label-requests`; for each traced label a span `process labels`. Request
and label carry the event's `traceparent` on, so all of it is one trace. One span `step` of its own
trace links to the others.

Spans wait in a queue of 2,048 and are sent by a thread; what does not fit is dropped, so that a
collector that is slow or gone delays nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from stream_cl.core.errors import UserError
from stream_cl.observe.trail import TracedEvent, TracedLabel, TracedRecord, Trail

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanKind

LINKS_MAX: Final = 128
CLOSE_MS: Final = 5000
"""What is left in the queue has this long to be sent when a pipeline ends."""


def otlp(endpoint: str, timeout_s: float) -> SpanExporter:
    """What sends spans to a collector, by OTLP over HTTP.

    Raises:
        UserError: the extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise UserError(
            f'tracing.endpoint: needs `pip install "stream-cl[tracing]"` ({error.name} is missing)'
        ) from None
    # A collector that is away would fill the log with one traceback a batch.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    return OTLPSpanExporter(endpoint=endpoint, timeout=timeout_s)


class Tracing:
    """Makes spans of trails.

    Args:
        exporter: where spans go.
        service: name of the service.
        system: `kafka` or `sqlite`, what carries the records.
        group: the consumer group.
        now: send every span at once, in the caller's thread; for tests.
    """

    def __init__(
        self, exporter: SpanExporter, service: str, system: str, group: str, now: bool = False
    ) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
        processor = SimpleSpanProcessor(exporter) if now else BatchSpanProcessor(exporter)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("stream_cl")
        self._propagator = TraceContextTextMapPropagator()
        self._system = system
        self._group = group

    def __call__(self, trail: Trail) -> None:
        """The spans of one step."""
        from opentelemetry.trace import Link, SpanKind

        made = [self._event(event, trail) for event in trail.events]
        made += [self._label(label, trail) for label in trail.labels]
        span = self._tracer.start_span(
            "step",
            kind=SpanKind.INTERNAL,
            start_time=trail.began_ns,
            links=[Link(one.get_span_context()) for one in made[:LINKS_MAX]],
            attributes={"stream_cl.step": trail.step, "messaging.batch.message_count": len(made)},
        )
        span.end(trail.learned_ns)

    def _event(self, event: TracedEvent, trail: Trail) -> Span:
        from opentelemetry.trace import SpanKind, set_span_in_context

        record = event.record
        span = self._span(
            "process", record, SpanKind.CONSUMER, trail.began_ns, self._context(record),
            {
                "stream_cl.step": trail.step, "stream_cl.model": trail.model,
                "stream_cl.asked": event.asked, "stream_cl.propensity": event.propensity,
                "stream_cl.reason": event.reason,
            },
        )  # fmt: skip
        below = set_span_in_context(span)
        sent = [(trail.predictions, record.id)]
        if event.request is not None:
            sent.append((trail.requests, event.request))
        for topic, message in sent:
            out = record._replace(topic=topic)
            more = {"messaging.message.id": message}
            child = self._span("send", out, SpanKind.PRODUCER, trail.scored_ns, below, more)
            child.end(trail.committed_ns)
        span.end(trail.committed_ns)
        return span

    def _label(self, label: TracedLabel, trail: Trail) -> Span:
        from opentelemetry.trace import SpanKind

        span = self._span(
            "process", label.record, SpanKind.CONSUMER, trail.committed_ns,
            self._context(label.record),
            {
                "stream_cl.step": trail.step, "stream_cl.annotator": label.annotator,
                "stream_cl.abstained": label.abstained,
            },
        )  # fmt: skip
        span.end(trail.learned_ns)
        return span

    def _span(
        self,
        operation: str,
        record: TracedRecord,
        kind: SpanKind,
        start_ns: int,
        context: Context,
        more: dict[str, Any],
    ) -> Span:
        attributes: dict[str, Any] = {
            "messaging.system": self._system,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": record.topic,
            "messaging.message.id": record.id,
        }
        if operation == "process":
            attributes["messaging.consumer.group.name"] = self._group
            attributes["messaging.destination.partition.id"] = str(record.partition)
            attributes[f"messaging.{self._system}.offset"] = record.offset
        return self._tracer.start_span(
            f"{operation} {record.topic}",
            context=context,
            kind=kind,
            start_time=start_ns,
            attributes={**attributes, **more},
        )

    def _context(self, record: TracedRecord) -> Context:
        carrier = {
            name: value.decode("ascii", "replace")
            for name, value in record.headers
            if name in ("traceparent", "tracestate")
        }
        return self._propagator.extract(carrier)

    def close(self) -> None:
        """Send what waits, for at most `CLOSE_MS`."""
        self._provider.force_flush(CLOSE_MS)
        self._provider.shutdown()
