"""A page of metrics as rows."""

from __future__ import annotations

from typing import Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from stream_cl.api_frames import Row
from stream_cl.core.errors import UserError

PAGE_BYTES: Final = 32_000_000
TIMEOUT_S: Final = 10.0


def scraped(url: str, token: str | None = None) -> list[Row]:
    """A row for each sample of the page: `name`, `labels` and `value`.

    Args:
        url: of the page.
        token: what the page asks for, if it does.

    Raises:
        UserError: there is no page, or it holds something else.
    """
    from prometheus_client.parser import text_string_to_metric_families

    if urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"metrics: {url!r:.100} is no URL; give http://HOST:PORT/metrics")
    # No proxy out of the environment: a pipeline is near by.
    opener = build_opener(ProxyHandler({}))
    try:
        request = Request(url, headers={"Accept": "text/plain; version=0.0.4"})
        if token is not None:
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        with opener.open(request, timeout=TIMEOUT_S) as response:
            body = response.read(PAGE_BYTES + 1)
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(f"metrics: {url!r:.100} gives nothing ({reason}); is it running?") from None
    if len(body) > PAGE_BYTES:
        raise UserError(f"metrics: {url!r:.100} has more than {PAGE_BYTES:,} bytes")
    try:
        return [
            {"name": sample.name, "value": float(sample.value), "labels": dict(sample.labels)}
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        ]
    except (ValueError, KeyError, IndexError) as error:
        raise UserError(
            f"metrics: {url!r:.100} is no page of metrics ({error!s:.100}); name /metrics"
        ) from None
