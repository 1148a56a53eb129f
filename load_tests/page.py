"""Tables of figures in a page, between markers, so that no figure is ever typed by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def put(page: Path | None, name: str, text: str) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->`; nothing without a page."""
    if page is None:
        return
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    old = page.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    assert pattern.search(old), f"{page} has no {begin} … {end}"
    page.write_text(pattern.sub(lambda _: f"{begin}\n{text.strip()}\n{end}", old), encoding="utf-8")


def as_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in markdown: the first column to the left, the others to the right."""
    rules = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, rules, *rows])
