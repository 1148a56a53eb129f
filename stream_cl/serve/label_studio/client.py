"""Label Studio's API: what the bridge asks of it.

`GET /api/projects/{id}`, `POST /api/projects`, `POST /api/projects/{id}/import`, `GET /api/tasks`
with a filter, `POST /api/dm/actions?id=delete_tasks`, `GET /api/users`, `GET|POST|PATCH
/api/webhooks` (Label Studio 1.23, API reference). A personal access token is a refresh token, for
which `POST /api/token/refresh` gives one that lasts minutes; a legacy token is sent as it is.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from stream_cl.core.errors import TransportError, UserError
from stream_cl.core.origin import PASSING, Origin, UnreadableCertificates

ANSWER_BYTES: Final = 200_000_000
PAGE_TASKS: Final = 50
"""Tasks asked for at once; a record has a megabyte at most, and a task no more."""
FILTERS: Final = 20
"""Requests that are looked for in one question; they stand in the URL."""
_FIELDS: Final = (
    "id,data,meta,annotations,updated_at,total_annotations,cancelled_annotations,"
    "result,completed_by,was_cancelled"
)
"""Of a task, and (the API takes one list for both) of the annotations in it."""
_MESSAGE: Final = 200

Task = dict[str, Any]


class Unreachable(TransportError):
    """Label Studio does not answer now; the same may be asked again later."""


class LabelStudioClient:
    """Asks Label Studio.

    Args:
        url: http or https, with a path if it has one; no credentials in it.
        token: a personal access token or a legacy token.
        ca_file: PEM certificates that it is trusted by; None takes the system's.
        timeout_s: seconds to connect, and for it to go on with an answer.

    Every method raises `Unreachable` where it does not answer, and `UserError` where it refuses us
    or has not what was asked for.
    """

    def __init__(
        self, url: str, token: str, ca_file: Path | None = None, timeout_s: float = 30.0
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._personal = token.count(".") == 2
        self._access: str | None = None
        try:
            self._origin = Origin(url, ca_file, timeout_s)
        except UnreadableCertificates as reason:
            raise UserError(
                f"label_studio.ca_file: {ca_file} holds no certificates that can be read "
                f"({reason}); name a PEM file"
            ) from None

    def project(self, number: int) -> dict[str, Any]:
        """A project."""
        return self._object("GET", f"/api/projects/{number}", what=f"project {number}")

    def create_project(self, title: str, label_config: str, answers: int) -> int:
        """Make a project, in which a task is done after so many answers; its number."""
        body = {"title": title, "label_config": label_config, "maximum_annotations": answers}
        return int(self._object("POST", "/api/projects", body)["id"])

    def add(self, project: int, tasks: Sequence[Task]) -> None:
        """Import tasks."""
        self._ask("POST", f"/api/projects/{project}/import", tasks)

    def find(self, project: int, requests: Sequence[str]) -> list[Task]:
        """The tasks whose `data.request` is among `requests`."""
        found: list[Task] = []
        for first in range(0, len(requests), FILTERS):
            items = [
                {"filter": "filter:tasks:data.request", "operator": "equal", "type": "String",
                 "value": request}
                for request in requests[first : first + FILTERS]
            ]  # fmt: skip
            size = 4 * len(items)
            found += self._tasks(project, {"conjunction": "or", "items": items}, size)
        return found

    def changed(self, project: int, since: str, size: int = PAGE_TASKS) -> list[Task]:
        """The `size` tasks that were changed first at `since` or later (RFC 3339), by the time of
        their change; "" for all times."""
        item = {"filter": "filter:tasks:updated_at", "operator": "greater_or_equal",
                "type": "Datetime", "value": since}  # fmt: skip
        return self._tasks(project, {"conjunction": "and", "items": [item] if since else []}, size)

    def delete(self, project: int, tasks: Sequence[int]) -> None:
        """Delete tasks."""
        query = urlencode({"id": "delete_tasks", "project": project})
        body = {"selectedItems": {"all": False, "included": list(tasks)}}
        self._ask("POST", f"/api/dm/actions?{query}", body)

    def people(self) -> dict[int, str]:
        """User → email."""
        found = self._ask("GET", "/api/users")
        return {int(one["id"]): str(one["email"]) for one in found if "email" in one}

    def enter_webhook(self, project: int, url: str, secret: str) -> None:
        """Have it tell `url` of every answer; what stood there before is brought up to date."""
        wanted = {
            "project": project,
            "url": url,
            "send_payload": False,
            "send_for_all_actions": False,
            "headers": {"Authorization": f"Bearer {secret}"},
            "actions": ["ANNOTATION_CREATED", "ANNOTATION_UPDATED"],
            "is_active": True,
        }
        there = self._ask("GET", f"/api/webhooks/?{urlencode({'project': project})}")
        same = [one for one in there if one.get("url") == url]
        if same:
            self._ask("PATCH", f"/api/webhooks/{same[0]['id']}/", wanted)
        else:
            self._ask("POST", "/api/webhooks/", wanted)

    def _tasks(self, project: int, filters: Mapping[str, Any], size: int) -> list[Task]:
        query = orjson.dumps({"filters": filters, "ordering": ["tasks:updated_at"]}).decode()
        fields = {"project": project, "query": query, "page_size": size, "fields": "all",
                  "include": _FIELDS}  # fmt: skip
        tasks = self._object("GET", f"/api/tasks?{urlencode(fields)}").get("tasks")
        if not isinstance(tasks, list):
            raise self._strange("/api/tasks")
        return tasks

    def _object(self, method: str, path: str, body: Any = None, what: str = "") -> dict[str, Any]:
        found = self._ask(method, path, body, what)
        if not isinstance(found, dict):
            raise self._strange(path)
        return found

    def _ask(self, method: str, path: str, body: Any = None, what: str = "") -> Any:
        """The JSON that it answers with."""
        status, found = self._send(method, path, body, self._authorization())
        if status == 401 and self._personal and self._access is not None:
            self._access = None  # it lasts for minutes only
            status, found = self._send(method, path, body, self._authorization())
        if 200 <= status < 300:
            return found
        if status in PASSING:
            raise Unreachable(f"Label Studio at {self.url} answered {status}")
        raise self._refusal(status, path, found, what)

    def _authorization(self) -> str:
        if not self._personal:
            return f"Token {self._token}"
        if self._access is None:
            path = "/api/token/refresh"
            status, found = self._send("POST", path, {"refresh": self._token}, None)
            if status in PASSING:
                raise Unreachable(f"Label Studio at {self.url} answered {status}")
            if status != 200 or not isinstance(found, dict) or "access" not in found:
                raise self._refusal(status if status != 200 else 401, path, found, "")
            self._access = str(found["access"])
        return f"Bearer {self._access}"

    def _send(
        self, method: str, path: str, body: Any, authorization: str | None
    ) -> tuple[int, Any]:
        headers = {"Accept": "application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        packed = None if body is None else orjson.dumps(body)
        if packed is not None:
            headers["Content-Type"] = "application/json"
        try:
            status, text = self._origin.ask(method, path, headers, ANSWER_BYTES, packed)
        except ssl.SSLCertVerificationError as error:
            raise UserError(
                f"label_studio.url: the certificate of {self.url} is refused "
                f"({error.verify_message}); give label_studio.ca_file"
            ) from None
        except (OSError, HTTPException) as error:
            # Messages of http.client may repeat what was sent; its names say enough.
            reason = error if isinstance(error, OSError) else type(error).__name__
            raise Unreachable(f"Label Studio at {self.url} does not answer ({reason})") from None
        if len(text) > ANSWER_BYTES:
            raise self._strange(path)
        try:
            return status, orjson.loads(text) if text else None
        except orjson.JSONDecodeError:
            if 200 <= status < 300:
                raise self._strange(path) from None
            return status, None

    def _refusal(self, status: int, path: str, found: Any, what: str) -> UserError:
        said = found.get("detail") if isinstance(found, dict) else None
        why = f": {said!s:.{_MESSAGE}}" if said else ""
        if status in (401, 403):
            return UserError(
                f"label_studio.token: {self.url} refuses it ({status}{why}); give one of a user "
                "who may see the project"
            )
        if status == 404 and what:
            return UserError(
                f"label_studio.project: {self.url} has no {what}; "
                "`stream-cl label-studio CONFIG --create` makes one"
            )
        if 300 <= status < 400:
            return UserError(
                f"label_studio.url: {self.url} redirects ({status}), which is not followed; give "
                "the URL that it redirects to"
            )
        bare = path.partition("?")[0]
        return UserError(f"label_studio.url: {self.url}{bare} answered {status}{why}")

    def _strange(self, path: str) -> UserError:
        bare = path.partition("?")[0]
        return UserError(
            f"label_studio.url: {self.url}{bare} answered as Label Studio does not; "
            "give the URL at which it is opened in a browser"
        )
