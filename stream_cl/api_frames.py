"""From rows to a data frame of whichever library is installed.

A column has one kind: booleans, whole numbers, numbers, moments or texts, and null where a row
has nothing. Objects become a column for each of their names (`features.size`). Where values are
of several kinds, or lists, the column holds their JSON: a stream may change its mind about what
a feature is, and a data frame may not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Literal

from stream_cl.core.errors import UserError

Library = Literal["polars", "pandas"]
Row = dict[str, Any]
COLUMNS_MAX: Final = 2000
"""Columns that objects are spread over; with more of them, each object stays one text."""
_WHOLE_MAX: Final = 2**63 - 1


def library(wanted: str | None) -> Library:
    """Which library makes the frames: the one that is wanted, else polars, else pandas.

    Raises:
        UserError: it is not installed, or none is.
    """
    if wanted not in (None, "polars", "pandas"):
        raise UserError(f"frames: {wanted!r:.60} is neither polars nor pandas; give one of them")
    for name in ("polars", "pandas"):
        if wanted in (None, name) and find_spec(name) is not None:
            return "polars" if name == "polars" else "pandas"
    what = wanted or "polars, nor pandas,"
    raise UserError(
        f"neither {what} is installed; `pip install polars`, or take `.rows(…)`, a list of dicts"
        if wanted is None
        else f"{what} is not installed; `pip install {what}`, or take `.rows(…)`, a list of dicts"
    )


def frame(rows: Sequence[Row], names: Sequence[str], made_by: Library) -> Any:
    """The rows as a data frame; `names` are the columns that are there even without a row."""
    columns = columns_of(rows, names)
    if made_by == "polars":
        polars: Any = import_module("polars")

        kinds = {
            bool: polars.Boolean,
            int: polars.Int64,
            float: polars.Float64,
            datetime: polars.Datetime("ms", "UTC"),
            str: polars.String,
        }
        series = [polars.Series(name, values, kinds[kind], strict=False)
                  for name, (kind, values) in columns.items()]  # fmt: skip
        return polars.DataFrame(series)
    pandas: Any = import_module("pandas")

    dtypes = {
        bool: "boolean",
        int: "Int64",
        float: "float64",
        datetime: "datetime64[ms, UTC]",
        str: "object",
    }
    return pandas.DataFrame(
        {name: pandas.Series(values, dtype=dtypes[kind])
         for name, (kind, values) in columns.items()}
    )  # fmt: skip


def columns_of(rows: Sequence[Row], names: Sequence[str]) -> dict[str, tuple[type, list[Any]]]:
    """Name → kind and values of every column, in order of first appearance.

    >>> columns_of([{"a": {"x": 1}}, {"a": {"x": 2.5, "y": "z"}}], [])
    {'a.x': (<class 'float'>, [1.0, 2.5]), 'a.y': (<class 'str'>, [None, 'z'])}
    """
    found: dict[str, list[Any]] = {name: [] for name in names}
    for name in dict.fromkeys(name for row in rows for name in row):
        found[name] = [row.get(name) for row in rows]
    for name in names:
        found[name] = found[name] or [None] * len(rows)
    columns: dict[str, tuple[type, list[Any]]] = {}
    for name, values in found.items():
        for inner, spread in _spread(name, values).items():
            columns[inner] = _typed(spread)
    return columns


def _spread(name: str, values: list[Any]) -> dict[str, list[Any]]:
    """A column of objects as a column for each of their names; any other as it is."""
    objects = [value for value in values if value is not None]
    if not objects or not all(isinstance(value, Mapping) for value in objects):
        return {name: values}
    keys = dict.fromkeys(key for value in objects for key in value)
    if not keys or len(keys) > COLUMNS_MAX:
        return {name: values}
    return {
        f"{name}.{key}": [None if value is None else value.get(key) for value in values]
        for key in keys
    }


def _typed(values: list[Any]) -> tuple[type, list[Any]]:
    """The kind of a column, and its values as that kind."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return float, [None if value is None else float(value) for value in values]
    if len(kinds) == 1 and kinds <= {bool, int, float, str, datetime}:
        (kind,) = kinds
        if kind is not int or all(value is None or abs(value) <= _WHOLE_MAX for value in values):
            return kind, values
    return str, [None if value is None else _json(value) for value in values]


def _json(value: Any) -> str:
    # Not orjson, which writes no whole numbers beyond 64 bits.
    return json.dumps(value, default=str, ensure_ascii=False)
