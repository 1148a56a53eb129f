"""YAML with the place of every value, and with its surprises turned into messages.

What YAML 1.1 reads as something else than it looks like (010 is eight, 1:30 is ninety,
2024-05-01 is a date) is a mistake here, never a value. Numbers such as 1e-3, which YAML 1.1
takes for text, are numbers. Aliases are refused: a config needs none, and a few nested
ones can stand for gigabytes. A secret is text whatever it looks like, and no message shows it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import yaml

FROM_FILE, FROM_ENVIRONMENT, FROM_SET = range(3)
"""Where a value may come from; later wins, and mistakes are reported in this order."""

KeyPath = tuple[str | int, ...]
Rank = tuple[int, int]
"""Where something was written, to sort by: one of the three above, and the line."""

_SCIENTIFIC: Final = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
_OCTAL: Final = re.compile(r"[-+]?0[0-7_]+")
_SECRET: Final = re.compile(r"(.*_)?(password|token|secret)")
_TAG: Final = "tag:yaml.org,2002:"
_SHOWN_CHARS: Final = 60


class Origin(NamedTuple):
    """Where a value was written (`config.yaml:3`, `--set`), and how if it is one word."""

    place: str
    rank: Rank
    text: str | None = None


@dataclass(slots=True)
class Document:
    """Data, the origin of every key and value in it, and the mistakes found so far.

    `readable` is False where the text is no YAML at all, so that there are no data; `wrong`
    holds the paths whose values are mistakes already.
    """

    data: Any = None
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    mistakes: list[tuple[Rank, str]] = field(default_factory=list)
    readable: bool = True
    wrong: list[KeyPath] = field(default_factory=list)

    def fail(self, mistake: str, rank: Rank = (FROM_FILE, 0)) -> Document:
        """Nothing can be read, and this is why."""
        self.mistakes.append((rank, mistake))
        self.readable = False
        return self


def key_text(path: KeyPath) -> str:
    """`("encoder", "columns", 2)` as `encoder.columns[2]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def is_secret(path: KeyPath) -> bool:
    """Whether the value at `path` may not be shown: its key ends in password, token or secret."""
    return bool(path) and _SECRET.fullmatch(str(path[-1])) is not None


def parse(text: str, name: str, at: KeyPath = (), source: int = FROM_FILE) -> Document:
    """Read one YAML value.

    Args:
        text: the YAML.
        name: the file, or what else it came from, as messages name it.
        at: where in the config the value belongs.
        source: `FROM_FILE` for messages with a line, or one of the other two.
    """
    document = Document()
    reader = _Reader(document, name, source)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                # Its name is not shown: it may be a password that begins with an asterisk.
                problem = "an alias (a word behind *) is not read here; write it out, or quote it"
                return document.fail(*reader.mistake(event.start_mark, at, problem))
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document.data = None if node is None else reader.value(node, at)
    except yaml.MarkedYAMLError as error:
        return document.fail(*reader.mistake(error.problem_mark, at, _syntax(error)))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position))
        problem = f"character {int(error.character):#x} cannot stand in YAML; remove it"
        return document.fail(*reader.mistake(line, at, problem))
    except RecursionError:
        return document.fail(*reader.mistake(0, at, "nested too deep; a config has few levels"))
    return document


def _syntax(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "it cannot be read"
    if "'\\t'" in problem:
        return "a tab; YAML is indented with spaces"
    if "single document" in (error.context or ""):
        return "a second document begins; a config is one, remove the ---"
    quotes = "; put text with special characters in quotes" if "cannot start" in problem else ""
    context = f" {error.context}" if error.context else ""
    return f"not YAML: {problem}{context}{quotes}"


class _Reader:
    """Turns nodes into plain data and notes where each stood."""

    def __init__(self, document: Document, name: str, source: int) -> None:
        self._document = document
        self._name = name
        self._source = source

    def origin(self, mark: Any, text: str | None = None) -> Origin:
        """The origin of what stands at `mark`: a mark of PyYAML's, or a line from 0."""
        if self._source != FROM_FILE:
            return Origin(self._name, (self._source, 0), text)
        line = (mark if isinstance(mark, int) else mark.line if mark else 0) + 1
        return Origin(f"{self._name}:{line}", (FROM_FILE, line), text)

    def mistake(self, mark: Any, path: KeyPath, problem: str) -> tuple[str, Rank]:
        origin = self.origin(mark)
        where = f"{key_text(path)}: " if path else ""
        return f"{origin.place}: {where}{problem}", origin.rank

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._document.origins.setdefault(path, self.origin(node.start_mark, _word(node)))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._secret(node, path) if is_secret(path) else self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if is_secret(path):
            # Its keys are parts of the secret; no message may name them.
            return {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str):
                self._note(key_node, path, "a key is a list or a mapping; give it a name")
            elif key_node.tag != f"{_TAG}str":
                kind = key_node.tag.removeprefix(_TAG)
                problem = f"the key {key!r} is a {kind} in YAML; put it in quotes"
                self._note(key_node, path, problem)
            elif key in data:
                first = self._document.origins[*path, key].place
                problem = f"stands there twice, first at {first}; remove one"
                self._note(key_node, (*path, key), problem)
            else:
                here = (*path, key)
                self._document.origins[here] = self.origin(key_node.start_mark, _word(value_node))
                data[key] = self.value(value_node, here)
        return data

    def _secret(self, node: yaml.ScalarNode, path: KeyPath) -> str | None:
        """The text as it stands, whatever else YAML takes it for."""
        if node.tag == f"{_TAG}null":
            return None
        if not node.tag.startswith(_TAG):
            self._wrong(node, path, "begins with ! and has no quotes; put it in quotes")
            return None
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text = node.value
        kind = node.tag.removeprefix(_TAG)
        if kind == "str" and not (node.style is None and _SCIENTIFIC.fullmatch(text)):
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in ("true", "yes", "on")
        if kind not in ("str", "int", "float", "timestamp"):
            return self._wrong(node, path, f"the tag {node.tag} is not read here; remove it")
        if kind == "timestamp":
            return self._wrong(node, path, f"{text} is a date in YAML; put it in quotes")
        if kind == "int" and _OCTAL.fullmatch(text):
            return self._wrong(node, path, _octal(text))
        if ":" in text:
            return self._wrong(node, path, f"{text} counts in sixties in YAML; put it in quotes")
        return self._number(node, path, kind)

    def _number(self, node: yaml.ScalarNode, path: KeyPath, kind: str) -> int | float | None:
        text = node.value.replace("_", "")
        shown = text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."
        try:
            # .inf and .nan are not Python's spelling, and are refused all the same.
            number = int(text, 0) if kind == "int" else float(text)
            if kind == "str" and number == int(number):
                return int(number)  # 1e6, where YAML 1.1 would write 1000000
        except (ValueError, OverflowError):
            number = math.nan
        if isinstance(number, int) or math.isfinite(number):
            return number
        self._wrong(node, path, f"{shown} is not finite; give a finite number")
        return None

    def _wrong(self, node: yaml.Node, path: KeyPath, problem: str) -> None:
        self._note(node, path, problem)
        self._document.wrong.append(path)

    def _note(self, node: yaml.Node, path: KeyPath, problem: str) -> None:
        text, rank = self.mistake(node.start_mark, path, problem)
        self._document.mistakes.append((rank, text))


def _word(node: yaml.Node) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def _octal(text: str) -> str:
    digits = text.replace("_", "")
    means, looks = int(digits, 8), int(digits)
    return f"{text} is octal in YAML and means {means}; write {means} or {looks}"
