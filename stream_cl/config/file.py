"""From a YAML file, the environment and `--set` to a `Config`, or to every mistake at once.

Later wins: the defaults, the file, the environment (`STREAM_CL__STEP__MAX_EVENTS=500`),
`--set step.max_events=500`. Where an override chooses another kind of a section, the
settings that were given to the kind before are left out, not reported.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from stream_cl.config import ENVIRONMENT_PREFIX, Config, kinds
from stream_cl.config.messages import Place, locate, message
from stream_cl.config.rules import Relation
from stream_cl.config.yaml import (
    FROM_ENVIRONMENT,
    FROM_FILE,
    FROM_SET,
    Document,
    KeyPath,
    Origin,
    is_secret,
    key_text,
    parse,
)
from stream_cl.core.errors import ConfigError

FILE_BYTES: Final = 1_000_000
_ROUNDS: Final = 100
"""Every round leaves out what was wrong, and the defaults alone are valid: few are needed."""


def load(path: Path | None, sets: Sequence[str], environ: Mapping[str, str]) -> Config:
    """The config of `path` (the defaults without one) with all overrides.

    Args:
        path: a YAML file; relative paths in the config start at its folder.
        sets: `key.path=value`, the value in YAML.
        environ: the environment.

    Raises:
        ConfigError: one line for every mistake, `file:line: key.path: what is wrong; what
            would be right`, in the order of the file, then environment, then `--set`.
    """
    document = _read(path) if path else Document({})
    for override in _overrides(sets, environ, document):
        _override(document, *override)
    config = None
    if document.readable:
        config = _validate(document, str(path) if path else "the defaults")
    if document.mistakes or config is None:
        raise ConfigError([text for _, text in sorted(document.mistakes, key=itemgetter(0))])
    return config.beside(path.parent if path else Path())


def _read(path: Path) -> Document:
    failed = Document()
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES + 1)
    except FileNotFoundError:
        return failed.fail(f"{path}: there is no such file; `stream-cl init {path}` writes one")
    except IsADirectoryError:
        return failed.fail(f"{path}: is a folder; name a YAML file")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return failed.fail(f"{path}: cannot be read ({reason}); name a YAML file")
    if len(raw) > FILE_BYTES:
        return failed.fail(f"{path}: larger than {FILE_BYTES} bytes; name a file with a config")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = raw[error.start]
        return failed.fail(f"{path}:{line}: byte {byte:#x} is not UTF-8; save the file as UTF-8")
    document = parse(text, str(path))
    if document.readable and document.data is None and not document.wrong:
        document.data = {}
    if document.readable and not isinstance(document.data, dict):
        place = document.origins[()].place
        return document.fail(f"{place}: not a mapping; give keys, such as `seed: 0`")
    return document


class _Override(NamedTuple):
    place: str
    source: int
    keys: tuple[str, ...]
    text: str


def _overrides(
    sets: Sequence[str], environ: Mapping[str, str], document: Document
) -> list[_Override]:
    """What is laid over the file, in that order."""
    found = [
        _Override(
            f"environment {name}",
            FROM_ENVIRONMENT,
            tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")),
            value,
        )
        for name, value in environ.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    ]
    # Whole sections before their keys, and a kind before the settings that it has.
    found.sort(key=lambda one: (len(one.keys), one.keys[-1] != "kind", one.keys))
    for item in sets:
        name, equals, value = item.partition("=")
        if equals:
            found.append(_Override("--set", FROM_SET, tuple(name.strip().split(".")), value))
        else:
            problem = f"--set: {item!r} has no `=`; give key.path=value"
            document.mistakes.append(((FROM_SET, 0), problem))
    for one in found:
        if not all(one.keys):
            keys = ".".join(one.keys)
            problem = f"{one.place}: {keys!r} has an empty part; give key.path=value"
            document.mistakes.append(((one.source, 0), problem))
    return [one for one in found if all(one.keys)]


def _override(
    document: Document, place: str, source: int, keys: tuple[str, ...], text: str
) -> None:
    # An empty word is empty text, as a shell means it; `null` says null. A secret is taken as
    # it stands: whoever puts one into the environment does not think of YAML.
    as_it_stands = not text or (is_secret(keys) and text != "null")
    given = Document(text) if as_it_stands else parse(text, place, keys, source)
    document.mistakes += given.mistakes
    if not document.readable or not given.readable:
        return
    inner = document.data
    for depth, key in enumerate(keys[:-1], start=1):
        if inner.get(key) is None:
            inner[key] = {}
            document.origins[keys[:depth]] = Origin(place, (source, 0))
        if not isinstance(inner[key], dict):
            return  # what stands there is a mistake, and is reported there
        inner = inner[key]
    if len(keys) > 1 and keys[-1] == "kind":
        _change_kind(document, keys[:-1], inner, given.data, source)
    inner[keys[-1]] = given.data
    document.wrong = [path for path in document.wrong if path[: len(keys)] != keys] + given.wrong
    for path in [path for path in document.origins if path[: len(keys)] == keys]:
        del document.origins[path]
    document.origins |= given.origins
    document.origins[keys] = Origin(place, (source, 0), text)


def _change_kind(
    document: Document, path: KeyPath, given: dict[Any, Any], new: Any, source: int
) -> None:
    """Leave out what an earlier source gave to the kind before, but for what all kinds have."""
    # What may stand inside a section is what may stand by itself.
    section = str(path[0])
    models = kinds(section)
    default = getattr(Config.model_fields[section].default, "kind", None) if models else None
    old = given.get("kind", default)
    if old == new or not {str(old), str(new)} <= models.keys():
        return
    before, after = models[str(old)], models[str(new)]
    shared = {
        name
        for base in after.__mro__
        if issubclass(before, base)
        for name in getattr(base, "model_fields", {})
    }
    for name in before.model_fields.keys() & given.keys():
        if name not in shared and document.origins[*path, name].rank[0] < source:
            del given[name]


def _validate(document: Document, name: str) -> Config | None:
    """Validate; after mistakes again without the wrong values, to find what they hid."""
    data = copy.deepcopy(document.data)
    left_out = list(document.wrong)
    for path in left_out:
        _leave_out(data, path)
    for _ in range(_ROUNDS):
        try:
            return Config.model_validate(data)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        if errors[0]["type"] == "relations":
            _relations(document, errors[0]["ctx"]["broken"], left_out)
            return None
        for one in errors:
            place = locate(one["loc"])
            missing = one["type"] == "missing"
            # What is missing only because it was wrong was reported as wrong.
            if not (missing and any(place.path == out[: len(place.path)] for out in left_out)):
                _report(document, one, place, name)
            left_out.append(place.path)
            _leave_out(data, place.path[:-1] if missing else place.path)
    return None


def _report(document: Document, error: Mapping[str, Any], place: Place, name: str) -> None:
    key = (*place.path, "kind") if error["type"] == "union_tag_invalid" else place.path
    written_at = key
    while written_at and written_at not in document.origins:
        written_at = written_at[:-1]
    origin = document.origins.get(written_at, Origin(name, (FROM_FILE, 0)))
    what = message(error, place, origin.text if written_at == place.path else None)
    document.mistakes.append((origin.rank, f"{origin.place}: {key_text(key)}: {what}"))


def _relations(document: Document, broken: Sequence[Relation], left_out: Sequence[KeyPath]) -> None:
    """Values that do not fit together, unless one of them was a mistake already."""
    for keys, text in broken:
        paths = [tuple(key.split(".")) for key in keys]
        if any(path[: len(out)] == out for path in paths for out in left_out):
            continue
        # A default breaks no relation alone, so one of them was written.
        origin = next(document.origins[path] for path in paths if path in document.origins)
        document.mistakes.append((origin.rank, f"{origin.place}: {keys[0]}: {text}"))


def _leave_out(data: Any, path: KeyPath) -> None:
    """Remove the value at `path`; a list loses it whole, since the others would move."""
    for key in path[:-1]:
        if not isinstance(data.get(key), dict):
            data.pop(key, None)
            return
        data = data[key]
    data.pop(path[-1], None)
