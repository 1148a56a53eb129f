"""How objects show themselves in a notebook: small tables, in which everything is text.

What a stream says stands in notebooks that people open and send around: nothing of it may be
markup, and nothing may be long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

TEXT_SHOWN: Final = 120
ROWS_SHOWN: Final = 20


def text(value: object) -> str:
    """A value as short text that is no markup; control characters are replaced."""
    shown = f"{value:.6g}" if isinstance(value, float) else str(value)
    if len(shown) > TEXT_SHOWN:
        shown = f"{shown[: TEXT_SHOWN - 1]}…"
    return escape("".join(c if c.isprintable() else "�" for c in shown))


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table below a line of text; at most `ROWS_SHOWN` rows, then how many more there are.

    >>> "<i>" in table("<i>", ["a"], [["<i>"]])
    False
    """
    listed = list(rows)
    head = "".join(f'<th style="text-align:left">{text(one)}</th>' for one in heads)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{text(cell)}</td>' for cell in row) + "</tr>"
        for row in listed[:ROWS_SHOWN]
    )
    more = len(listed) - ROWS_SHOWN
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    return (
        f"<div><p><b>{text(title)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{body}"
        f"</tbody></table>{rest}</div>"
    )


def fields(title: str, values: Mapping[str, Any]) -> str:
    """A table of names and values."""
    return table(title, ["field", "value"], list(values.items()))
