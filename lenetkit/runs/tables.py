"""The tables of a run, as CSV files."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from pathlib import Path

from lenetkit.errors import RunError
from lenetkit.files import atomic
from lenetkit.files.opening import NotRegularError, open_regular, refusal
from lenetkit.values import show


class Table:
    """A CSV file that grows in memory and is written atomically."""

    def __init__(self, path: Path, columns: Iterable[str]) -> None:
        self.path = path
        self._lines = [",".join(columns)]

    @property
    def text(self) -> str:
        """The header and all rows."""
        return "\n".join(self._lines) + "\n"

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def add(self, *cells: object) -> None:
        """Add a row."""
        self._lines.append(",".join(map(str, cells)))

    def restore(self, count: int, digest: str) -> None:
        """Read the file's first `count` rows and drop the rest.

        Raises RunError if the rows do not have this digest.
        """
        if not count:
            return
        try:
            lines = _read_text(self.path).splitlines()
        except OSError as error:
            expected = f"the run's first {count:,} rows, without which it cannot continue"
            lost = isinstance(error, FileNotFoundError | NotRegularError)
            hint = "; put it back" if lost else ""
            raise RunError(f"{self.path}: {refusal(error, expected)}{hint}") from None
        except UnicodeDecodeError:
            lines = []
        header = self._lines
        self._lines = lines[: count + 1]
        if len(self._lines) != count + 1 or self.digest != digest:
            self._lines = header
            raise RunError(
                f"{self.path}: is not as the run left it, so it cannot continue; undo the change"
            )

    def save(self) -> None:
        """Write the file."""
        atomic.write_text(self.path, self.text)


def read_columns(path: Path, names: Iterable[str]) -> dict[str, list[float]]:
    """The columns of a table of numbers. Raises RunError if one is missing or damaged."""
    try:
        rows = [row for row in csv.reader(_read_text(path).splitlines()) if row]
    except OSError as error:
        raise RunError(f"{path}: {refusal(error, 'a table of the run')}") from None
    except UnicodeDecodeError:
        raise RunError(f"{path}: is damaged: it is not UTF-8 text") from None
    except csv.Error as error:
        raise RunError(f"{path}: is damaged: {error}") from None
    columns = rows.pop(0) if rows else []
    if lacking := [name for name in names if name not in columns]:
        raise RunError(f"{path}: is damaged: it lacks the columns {', '.join(lacking)}")
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns) or not all(map(_is_number, row)):
            raise RunError(
                f"{path}: is damaged: row {number}: expected {len(columns)} numbers, "
                f"found {show(','.join(row))}"
            )
    return {name: [float(row[i]) for row in rows] for i, name in enumerate(columns)}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_text(path: Path) -> str:
    with open_regular(path) as file:
        return file.read().decode("utf-8")
