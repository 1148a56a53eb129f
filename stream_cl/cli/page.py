"""The frame and the parts of reports: one HTML file that asks for nothing from anywhere.

The parts are macros of `page.html`, which escapes whatever is no Markup: what a stream says
is text on the page and never markup, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2.environment import TemplateModule

TEXT_SHOWN: Final = 200
"""Characters of a text that are shown; a record may have a million."""

Cell = str | Markup


@cache
def _parts() -> TemplateModule:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
    )
    return environment.get_template("page.html").module


def _printable(value: Any) -> Any:
    """Control characters, which HTML cannot hold, and those that turn the direction of reading,
    replaced; Markup is made of texts that were here already."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in value)


def _part(name: str, *arguments: Any) -> Markup:
    made: Markup = getattr(_parts(), name)(*arguments)
    return made


def page(title: str, body: Iterable[Markup]) -> str:
    """The whole file."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    # The stylesheet is ours; everything else on the page is a part or is escaped.
    return str(_part("document", title, Markup(style), body))


def short(value: object, most: int = TEXT_SHOWN) -> str:
    """A value as a text of at most `most` characters."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def heading(level: int, text: Cell) -> Markup:
    """A heading of level 1 to 3."""
    return _part("heading", level, text)


def paragraph(text: Cell, css: str = "") -> Markup:
    """A paragraph, of a class if it is named."""
    return _part("paragraph", text, css)


def verdict(good: bool, text: str) -> Markup:
    """Green or red words."""
    return _part("verdict", good, text)


def table(
    heads: Sequence[str], rows: Iterable[Sequence[Cell]], classes: Sequence[str] = ()
) -> Markup:
    """A table that scrolls by itself where it is wider than the page; `classes` by column."""
    named = [*classes, *[""] * (len(heads) - len(classes))]
    return _part("table", heads, [_fitting(heads, row) for row in rows], named)


def _fitting(heads: Sequence[str], row: Sequence[Cell]) -> Sequence[Cell]:
    assert len(row) == len(heads), f"{len(row)} cells below {len(heads)} heads"
    return row


def figure(title: str, svg: Markup, caption: str, keys: Sequence[tuple[str, str]] = ()) -> Markup:
    """A picture with its name above; below it which colour is what, (class, words) each, and
    what is to be seen."""
    return _part("figure", title, svg, caption, keys)


def figures(*each: Markup) -> Markup:
    """Pictures beside each other where there is room."""
    return _part("figures", each)


def tiles(each: Sequence[tuple[str, Cell, Cell]]) -> Markup:
    """Figures that are seen first: name, value, and a note below it."""
    return _part("tiles", each)


def details(summary: str, text: str) -> Markup:
    """Preformatted text that opens when it is wanted."""
    return _part("details", summary, text)
