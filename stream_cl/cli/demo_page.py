"""The frame of the demo's report: one HTML file that asks for nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

_STYLE: Final = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2126; --faint: #616b75;
  --rule: #dde2e7; --chosen: #0b6fb8; --random: #c2570c; --naive: #8a5cc2; --true: #1c2126;
  --good: #187a3c; --bad: #b3261e; --shade: #8c96a033; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181c; --ink: #e4e9ee;
  --faint: #98a3ae; --rule: #323a42; --chosen: #5ab0f2; --random: #f29b5a; --naive: #bd98ee;
  --true: #e4e9ee; --good: #5ccb85; --bad: #ff8a80; --shade: #98a3ae33; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 3rem; max-width: 68rem; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .4rem; padding-top: .8rem; }
p { margin: .4rem 0; max-width: 46rem; } .faint, figcaption, summary { color: var(--faint); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1.2rem 2rem; }
figure { margin: .6rem 0; min-width: 0; } figure h3 { font-size: 1rem; margin: 0; }
figcaption { font-size: .88rem; }
svg { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; }
svg text { fill: var(--faint); }
.grid { stroke: var(--rule); } .axis { stroke: var(--faint); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .band { opacity: .2; }
.line.chosen { stroke: var(--chosen); } .line.random { stroke: var(--random); }
.line.true { stroke: var(--true); stroke-width: 2.5; }
.line.naive { stroke: var(--naive); stroke-dasharray: 6 4; }
.line.level { stroke: var(--faint); stroke-dasharray: 3 4; stroke-width: 1.5; }
.band.chosen, .bar.chosen { fill: var(--chosen); } .band.random, .bar.random
  { fill: var(--random); }
line.mark { stroke: var(--bad); stroke-width: 1.5; } svg text.mark { fill: var(--bad); }
.down { fill: var(--shade); }
.key { display: inline-flex; flex-wrap: wrap; gap: 0 1rem; font-size: .88rem; }
.key i { display: inline-block; width: 1.4em; border-top: 3px solid; vertical-align: middle;
  margin-right: .4em; } .key .dashed { border-top-style: dashed; }
.key .chosen { border-color: var(--chosen); } .key .random { border-color: var(--random); }
.key .naive { border-color: var(--naive); } .key .true { border-color: var(--true); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0;
  border-bottom: 1px solid var(--rule); } th { font-weight: 600; }
td.features { min-width: 15rem; max-width: 26rem; font-size: .85rem; color: var(--faint); }
pre { overflow-x: auto; font-size: .82rem; border-left: 3px solid var(--rule);
  padding-left: .8rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .good, .bad { font-weight: 600; }
summary { cursor: pointer; }
"""

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


class Html(NamedTuple):
    """Text that is HTML already. Everything else is escaped."""

    text: str


Cell = str | Html
KEYS: Final = {
    "true": "true",
    "chosen": "where it is unsure",
    "random": "at random",
    "naive": "naive",
}


def page(title: str, body: Iterable[str]) -> str:
    """The whole file."""
    return _PAGE.format(title=safe(title), style=_STYLE, body="\n".join(body))


def safe(cell: Cell) -> str:
    """The cell as HTML; control characters, which HTML cannot hold, are replaced."""
    if isinstance(cell, Html):
        return cell.text
    return escape("".join(c if c.isprintable() or c in "\n\t" else "�" for c in cell))


def paragraph(text: Cell, css: str = "") -> str:
    """A paragraph, of a class if it is named."""
    return f'<p class="{css}">{safe(text)}</p>'


def verdict(good: bool, text: str) -> Html:
    """Green or red words."""
    return Html(f'<span class="{"good" if good else "bad"}">{safe(text)}</span>')


def table(heads: Sequence[str], rows: Iterable[Sequence[Cell]], classes: Sequence[str] = ()) -> str:
    """A table that scrolls by itself where it is wider than the page; `classes` by column."""
    named = [*classes, *[""] * (len(heads) - len(classes))]
    head = "".join(f"<th>{safe(text)}</th>" for text in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{css}">{safe(cell)}</td>' for css, cell in zip(named, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def key(keys: Sequence[tuple[str, str]]) -> str:
    """Which colour is what: (class, words) each."""
    return (
        '<span class="key">'
        + "".join(
            f'<span><i class="{css}{" dashed" if css == "naive" else ""}"></i>{safe(words)}</span>'
            for css, words in keys
        )
        + "</span>"
    )


def figure(title: str, svg: str, caption: str, keys: Sequence[tuple[str, str]] = ()) -> str:
    """A picture with its name above, and what the colours are and what is to be seen below."""
    below = key(keys) + "<br>" if keys else ""
    return (
        f"<figure><h3>{safe(title)}</h3>{svg}<figcaption>{below}{safe(caption)}</figcaption>"
        "</figure>"
    )


def figures(*each: str) -> str:
    """Pictures beside each other where there is room."""
    return f'<div class="figures">{"".join(each)}</div>'


def details(summary: str, text: str) -> str:
    """Preformatted text that opens when it is wanted."""
    return f"<details><summary>{safe(summary)}</summary><pre>{safe(text)}</pre></details>"
