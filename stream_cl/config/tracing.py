"""The section `tracing` of the config."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from stream_cl.config.label_studio import check_url
from stream_cl.config.section import Section


class Tracing(Section):
    """Spans of events and labels that come with a sampled traceparent, by OpenTelemetry."""

    endpoint: Annotated[str, AfterValidator(check_url)] | None = Field(
        None,
        description="Where a collector takes OTLP over HTTP, such as "
        "http://127.0.0.1:4318/v1/traces; null: no tracing. Needs `pip install "
        "stream-cl[tracing]`.",
    )
    service: str = Field(
        "stream_cl", min_length=1, max_length=255, description="Name of the service in the traces."
    )
    timeout_s: float = Field(
        5.0, gt=0, le=60, description="Seconds that the collector may take for a batch of spans."
    )
