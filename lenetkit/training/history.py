"""What was measured after each epoch, as tables that notebooks show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Row = Mapping[str, float]


class History(list[dict[str, float]]):
    """A row for each epoch; pandas.DataFrame takes it."""

    @property
    def columns(self) -> dict[str, list[float]]:
        """The columns of the last row, NaN where an epoch lacks one."""
        names = self[-1] if self else {}
        return {name: [row.get(name, float("nan")) for row in self] for name in names}

    def _repr_html_(self) -> str:
        return _table(self)


class Columns(dict[str, list[float]]):
    """The columns of a table, a value for each epoch; pandas.DataFrame takes it."""

    def _repr_html_(self) -> str:
        return _table(self.rows)

    @property
    def rows(self) -> list[dict[str, float]]:
        """A row for each epoch."""
        return [dict(zip(self, values, strict=True)) for values in zip(*self.values(), strict=True)]


def _table(rows: Sequence[Row]) -> str:
    from lenetkit.html.rendering import render  # Jinja2 takes a while to import

    return render("history.html", rows=rows)
