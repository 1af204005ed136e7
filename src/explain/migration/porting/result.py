"""The result of a port: the paired layers, as data and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from explain.results.comparison import figure_text


@dataclass(frozen=True)
class PortRow:
    """A layer of the source and the layer of the target that received its weights.

    Attributes
    ----------
    source, target : str
        The names of the two layers; empty if one has no partner.
    kind : str
        Their kind, as in `explain.parameters.canonical.ParameterLayer`.
    shapes : str
        The shapes of the tensors in canonical axes.
    reason : str
        Why they were paired, as in `explain.migration.porting.fitting.Pair`; or why the weights were not ported.
    notes : tuple of str
        The conversions of the tensors besides moving axes; which model ends in a softmax, if only one does.
    """

    source: str
    target: str
    kind: str
    shapes: str
    reason: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Port:
    """The result of `explain.port`. Its `str` is a table.

    Attributes
    ----------
    source_framework, target_framework : str
        The frameworks of the two models.
    rows : tuple of PortRow
        A row for each layer, in the order of the target.
    set_aside : tuple of str
        The layers of either model that the mapping left out.
    apart : float, optional
        If examples were given, the relative L2 of the outputs of the two models on them, before a terminal softmax;
        None if it is unknown.
    """

    source_framework: str
    target_framework: str
    rows: tuple[PortRow, ...]
    set_aside: tuple[str, ...] = ()
    apart: float | None = None

    def __str__(self) -> str:
        """Write the table of layers, and the distance of the outputs."""
        count = len(self.rows)
        head = f"{count} layer{'s' * (count != 1)} ported from {self.source_framework} to {self.target_framework}"
        left = f"\nleft out: {', '.join(self.set_aside)}" if self.set_aside else ""
        seen = (
            ""
            if self.apart is None
            else f"\noutputs on x: {figure_text('relative_l2', self.apart)} apart (relative L2)"
        )
        return f"{head}\n{port_table(self.rows)}{left}{seen}"


def port_table(rows: Sequence[PortRow]) -> str:
    """Write rows as a table for a terminal."""
    cells = [("source", "target", "kind", "tensors, channels last", "paired by")]
    cells += [
        (row.source or "—", row.target or "—", row.kind, row.shapes, "; ".join((row.reason, *row.notes)))
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
