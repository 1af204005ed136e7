"""The table of a model's layers: plain rows, which show themselves as text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from explain.errors import FrameworkNotInstalledError

_HEAD = ("layer", "kind", "output", "parameters", "layer=", "map")
_MOST_LINES, _WIDEST = 40, 44


@dataclass(frozen=True)
class LayerRow:
    """One call of a layer, or a layer that is not called.

    Parameters
    ----------
    name : str
        The layer's name in the model.
    call : int
        The number of the call: 0 for the first.
    n_calls : int
        How often the model calls the layer; 0 if never.
    kind : str
        The name of its class.
    axes : str
        The axes of `shape`, batch first and channels last, as ``"NHWC"``; empty where they cannot be told.
    shape : tuple of int
        Shape of its output for one example, without the batch axis: in the order of `axes`, the same in every
        framework, or as the layer gives it where they are not known.
    parameters : int
        The number of its parameters and of those of the layers inside it, without the statistics of normalisations.
    can_be_layer : bool
        Whether `layer` can be given to `explain.attribute`.
    has_map : bool, optional
        Whether its output is a map over the input's space or time, which class activation maps need; None if not known.
    is_default : bool
        Whether class activation maps use it if no layer is named.
    """

    name: str
    call: int
    n_calls: int
    kind: str
    axes: str
    shape: tuple[int, ...]
    parameters: int
    can_be_layer: bool
    has_map: bool | None
    is_default: bool = False

    @property
    def layer(self) -> str | tuple[str, int]:
        """What `layer=` of `explain.attribute` takes: the name, and the number of the call if there are several."""
        return self.name if self.n_calls < 2 else (self.name, self.call)

    @property
    def output(self) -> str:
        """The shape of the output in words.

        Examples
        --------
        >>> LayerRow("conv1", 0, 1, "Conv2d", "NHWC", (32, 32, 8), 224, True, True).output
        'H 32, W 32, C 8'
        """
        if self.axes:
            return ", ".join(
                f"{letter} {size}" for letter, size in zip(self.axes[1:], self.shape, strict=True)
            )
        return f"({', '.join(map(str, ('N', *self.shape)))})" if self.n_calls else "not called"

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as it is shown."""
        marks = {True: "yes", False: "", None: "?"}
        label = self.name if self.n_calls < 2 else f"{self.name}, {self.call}"
        shown = marks[self.has_map] + (", default" if self.is_default else "")
        return label, self.kind, self.output, f"{self.parameters:,}", marks[self.can_be_layer], shown


@dataclass(frozen=True)
class LayerTable(Sequence[LayerRow]):
    """The layers of a model in the order in which their calls end; a sequence of `LayerRow`.

    Parameters
    ----------
    rows : tuple of LayerRow
        The calls, then the layers that are never called.
    model_name, framework : str
        The class of the model, and its framework.
    parameters : int
        The number of parameters of the model.
    input_shape : str
        The input for which the shapes hold, with its axes.
    note : str
        Why maps are not known, if they are not.
    """

    rows: tuple[LayerRow, ...]
    model_name: str
    framework: str
    parameters: int
    input_shape: str
    note: str = ""

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        """Give a row by its number, or some of them by a slice."""
        return self.rows[index]

    def __iter__(self) -> Iterator[LayerRow]:
        """Go through the rows."""
        return iter(self.rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the layers, each once, in the order of their calls."""
        return tuple(dict.fromkeys(row.name for row in self.rows))

    @property
    def head(self) -> str:
        """The line above the table."""
        return (
            f"{self.model_name} ({self.framework}): {len(self.names)} layers, {self.parameters:,} parameters, "
            f"input {self.input_shape}"
        )

    def __repr__(self) -> str:
        """Give the table as far as it fits a screen."""
        return self.text(max_rows=_MOST_LINES)

    def __str__(self) -> str:
        """Give the table as far as it fits a screen."""
        return self.text(max_rows=_MOST_LINES)

    def text(self, max_rows: int | None = None) -> str:
        """Give the table as text.

        Parameters
        ----------
        max_rows : int, optional
            Of a longer table, rows in the middle are left out; None shows all.
        """
        shown, hidden = _cut(self.rows, max_rows)
        lines = [_HEAD, *(tuple(map(_short, row.cells)) for row in shown)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
        text = [
            "  ".join(
                cell.rjust(width) if column == 3 else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        if hidden:
            text.insert(1 + len(shown) // 2, f"... {hidden} more rows: table.text() shows them all")
        return "\n".join([self.head, *text, *self._notes()])

    def _notes(self) -> list[str]:
        several = any(row.n_calls > 1 for row in self.rows)
        notes = ["A layer with several calls is named with its call: layer=('name', 1)."] if several else []
        return [*notes, *([self.note] if self.note else [])]

    def _repr_html_(self) -> str:
        """Give the table for a notebook."""
        heads = "".join(f'<th style="text-align:left">{html.escape(cell)}</th>' for cell in _HEAD)
        rows = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align:{"right" if column == 3 else "left"}">{html.escape(cell)}</td>'
                for column, cell in enumerate(row.cells)
            )
            + "</tr>"
            for row in self.rows
        )
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self._notes())
        return (
            f'<div style="max-height:40em;overflow:auto"><p>{html.escape(self.head)}</p>'
            f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{notes}</div>"
        )

    def to_json(self) -> dict[str, Any]:
        """Give the table as data for JSON: the facts of the model, and an object for each row under ``"rows"``."""
        facts = {key: value for key, value in asdict(self).items() if key != "rows"}
        return {**facts, "rows": [{**asdict(row), "layer": row.layer} for row in self.rows]}

    def to_dataframe(self) -> Any:
        """Give the table as a `pandas.DataFrame` with one row per call.

        Raises
        ------
        FrameworkNotInstalledError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as cause:
            raise FrameworkNotInstalledError(
                f"to_dataframe needs pandas, which cannot be imported ({cause}): pip install "
                '"explain-toolkit[tables]".'
            ) from cause
        return pandas.DataFrame([{"layer": row.layer, **asdict(row)} for row in self.rows])


def _short(cell: str) -> str:
    """Cut the middle out of a long name: its end says most."""
    return cell if len(cell) <= _WIDEST else f"{cell[:12]}...{cell[-(_WIDEST - 15) :]}"


def _cut(rows: Sequence[LayerRow], most: int | None) -> tuple[Sequence[LayerRow], int]:
    if most is None or len(rows) <= most:
        return rows, 0
    half = most // 2
    return (*rows[:half], *rows[-half:]), len(rows) - 2 * half
