"""CSV files as streams of events: one row, one event, read once from start to end."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

from stream_cl.core.errors import UserError

LABEL: Final = "label"
_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_EXACT_INTEGER: Final = 2**63


class Row(NamedTuple):
    """One row: its number from 0, its line in the file from 1, and what it holds.

    `id` and `label` are the text of their cells, None where there is no such column;
    `label` is None where its cell is empty, too.
    """

    number: int
    line: int
    id: str | None
    features: dict[str, Any]
    label: str | None


def value_of(text: str) -> bool | int | float | str | None:
    """What a cell means: a number, true or false, null where it is empty, else text.

    NaN is null, since it says that a number is missing; infinities stay text.
    """
    if text in _WORDS:
        return _WORDS[text]
    try:
        number = float(text)
    except ValueError:
        return text
    if math.isnan(number):
        return None
    if "_" in text or math.isinf(number):
        return text
    if number.is_integer() and abs(number) < _EXACT_INTEGER and text.strip("+- ").isdigit():
        return int(text)
    return number


def read_rows(path: Path, id_column: str | None = None, need_label: bool = False) -> Iterator[Row]:
    """The rows of a .csv or .csv.gz file, whose first line names the columns.

    The column `label` and the id column are no features.

    Raises:
        UserError: the file is not there, is no CSV, lacks a column that is needed, or a row
            has not as many cells as there are columns; with the line.
    """
    with _opened(path) as file:
        reader = csv.reader(_lines(file))
        try:
            columns = next(reader, [])
            _check(path, columns, id_column, need_label)
            yield from _rows(path, reader, columns, id_column)
        except csv.Error as error:
            raise _mistake(path, reader.line_num, f"is no CSV ({error})") from error
        except UnicodeDecodeError as error:
            what = f"byte {error.object[error.start]:#x} is not UTF-8; save the file as UTF-8"
            raise _mistake(path, reader.line_num + 1, what) from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            what = f"is no whole gzip file ({error}); copy it again"
            raise _mistake(path, reader.line_num + 1, what) from error
        except OSError as error:
            what = f"cannot be read ({error.strerror or error})"
            raise _mistake(path, reader.line_num + 1, what) from error


def _lines(file: IO[bytes]) -> Iterator[str]:
    # Decoded line by line, so that a byte that is not UTF-8 has a line.
    encoding = "utf-8-sig"
    for line in file:
        yield line.decode(encoding)
        encoding = "utf-8"


def _rows(path: Path, reader: Any, columns: list[str], id_column: str | None) -> Iterator[Row]:
    label_at = columns.index(LABEL) if LABEL in columns else None
    id_at = columns.index(id_column) if id_column else None
    features = [(i, name) for i, name in enumerate(columns) if i not in (label_at, id_at)]
    number = 0
    for cells in reader:
        if not cells:
            continue  # an empty line, as many files have at their end
        if len(cells) != len(columns):
            what = f"{len(cells)} cells where the header names {len(columns)} columns"
            raise _mistake(path, reader.line_num, what)
        yield Row(
            number,
            reader.line_num,
            None if id_at is None else cells[id_at],
            {name: value_of(cells[i]) for i, name in features},
            None if label_at is None else cells[label_at] or None,
        )
        number += 1
    if not number:
        raise UserError(f"{path}: has no rows; give a file with a header and one row an event")


def _check(path: Path, columns: list[str], id_column: str | None, need_label: bool) -> None:
    if not columns:
        raise UserError(f"{path}: is empty; give a CSV file with a header")
    for column in columns:
        if not column:
            raise _mistake(path, 1, "a column without a name; name it")
        if columns.count(column) > 1:
            raise _mistake(path, 1, f"two columns are called {column!r}; rename one")
    if need_label and LABEL not in columns:
        raise UserError(f"{path}: has no column `label`; there are {', '.join(columns)}")
    if id_column is not None and id_column not in columns:
        raise UserError(
            f"--id {id_column}: {path} has no such column; there are {', '.join(columns)}"
        )


def _opened(path: Path) -> IO[bytes]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; name a .csv or .csv.gz file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; name a .csv or .csv.gz file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name another") from None
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else file


def _mistake(path: Path, line: int, what: str) -> UserError:
    return UserError(f"{path}:{line}: {what}")
