"""Renders dashboards, provisioning and alerts into the package, for `stream-cl dashboards export`.

`python -m stream_cl.observe.dashboards.render`, as `make dashboards` does. It needs
grafana-foundation-sdk 0.0.21: other versions write another schema.
"""

from __future__ import annotations

import json
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from stream_cl.observe.alerts import rules
from stream_cl.observe.dashboards.labels import labels
from stream_cl.observe.dashboards.learning import learning
from stream_cl.observe.dashboards.operations import operations
from stream_cl.observe.dashboards.stream import stream
from stream_cl.observe.rendered import FOLDER

DASHBOARDS: Final = {
    "stream": stream,
    "learning": learning,
    "labels": labels,
    "operations": operations,
}

_MADE: Final = "# Made by `make dashboards` from stream_cl/observe/dashboards/render.py.\n"
_DASHBOARD_FILES: Final = f"""{_MADE}apiVersion: 1
providers:
  - name: stream_cl
    folder: stream_cl
    type: file
    allowUiUpdates: false
    updateIntervalSeconds: 30
    options:
      path: /etc/grafana/dashboards/stream_cl
"""
_DATA_SOURCES: Final = f"""{_MADE}# Grafana puts PROMETHEUS_URL in from its environment.
apiVersion: 1
datasources:
  - name: Prometheus
    uid: prometheus
    type: prometheus
    access: proxy
    url: $PROMETHEUS_URL
    isDefault: true
    jsonData:
      httpMethod: POST
      # That of prometheus.yml: $__rate_interval is four times as long.
      timeInterval: 15s
"""


def rendered() -> dict[str, str]:
    """Every file: its path, with `/`, and its text."""
    dashboards = {
        f"grafana/dashboards/{name}.json": _json(made()) for name, made in DASHBOARDS.items()
    }
    return {
        **dashboards,
        "grafana/provisioning/dashboards/stream_cl.yml": _DASHBOARD_FILES,
        "grafana/provisioning/datasources/prometheus.yml": _DATA_SOURCES,
        "prometheus/alerts.yml": rules(),
    }


def _json(made: Dashboard) -> str:
    tree = json.loads(json.dumps(made, cls=JSONEncoder), object_hook=_shown)
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def _shown(part: dict[str, Any]) -> dict[str, Any]:
    """Without the place that the library gives every link and mark: a menu that hides them."""
    if part.get("placement") == "inControlsMenu":
        del part["placement"]
    return part


def main() -> None:
    """Write them all."""
    for path, text in rendered().items():
        file = FOLDER / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
