"""Pages as HTML, and the files that go with them, all out of this package.

Templates escape whatever is put into them. Nothing that comes from a stream is put into one: pages
fetch it as JSON, and their scripts show it as text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

FOLDER: Final = Path(__file__).parent
STATIC: Final = "/static/"

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined
)


def page(name: str, **values: Any) -> str:
    """The template `name`.html with the values in it."""
    return _TEMPLATES.get_template(f"{name}.html").render(**values)


class _Revalidated(StaticFiles):
    """Files that a browser keeps, and asks each time whether they are still the same: another
    version of the program has others under the same names."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


def static_files() -> Mount:
    """The route to scripts and styles."""
    return Mount(STATIC.rstrip("/"), _Revalidated(directory=FOLDER / "static"))


def not_found(*paths: str) -> Any:
    """What is said where there is nothing: which paths there are."""
    known = ", ".join(paths)

    def handler(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        text = f"there is {known}\n" if status == 404 else f"{error}\n"
        return PlainTextResponse(text, status, getattr(error, "headers", None))

    return handler
