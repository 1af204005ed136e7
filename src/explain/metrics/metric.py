"""A row of the catalogue of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from explain.algorithms.method import Option
from explain.inputs.layout import KINDS, Kind
from explain.metrics.measured import Measured
from explain.metrics.results.measurement import Better
from explain.metrics.subject import Subject

Need = Literal["scores", "explanations", "weights", "masks"]
"""What a metric needs besides the map: scores of the model at other inputs, explanations of other inputs or of other
seeds, weights that it may change, or masks of the object."""


@dataclass(frozen=True)
class Metric:
    """A row of the catalogue of metrics.

    Parameters
    ----------
    implementation : callable
        The function, from a `Subject` and the options to what it measured. Its name is the metric's, and the folder of
        its file the family.
    summary : str
        What it measures, in one sentence.
    paper : str
        The paper, with its arXiv number.
    better : {"higher", "lower", "nearer to zero", ""}
        Which values speak for an explanation.
    needs : frozenset of str
        What it needs besides the map: ``"scores"``, ``"explanations"``, ``"weights"``, ``"masks"``.
    limits : tuple of float
        The least and the greatest value that is possible; infinite where there is none.
    title : str
        Its name in pictures and tables, if that is not `name` in words.
    aliases : tuple of str
        Other names that users type.
    options : tuple of Option
        The options of the metric.
    kinds : tuple of str
        The kinds of examples that it applies to, among ``"image"``, ``"volume"``, ``"sequence"`` and ``"table"``.
    takes_token_ids : bool
        Whether it applies to token ids, which cannot change gradually.
    seeded : bool
        Whether it draws random numbers.
    """

    implementation: Callable[[Subject, Mapping[str, Any]], Measured]
    summary: str
    paper: str
    better: Better
    needs: frozenset[Need] = frozenset()
    limits: tuple[float, float] = (float("-inf"), float("inf"))
    title: str = ""
    aliases: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    kinds: tuple[Kind, ...] = KINDS
    takes_token_ids: bool = True
    seeded: bool = False

    @property
    def name(self) -> str:
        """The name that `explain.evaluate` takes."""
        return self.implementation.__name__

    @property
    def label(self) -> str:
        """The name in pictures and tables."""
        return self.title or self.name.replace("_", " ")

    @property
    def family(self) -> str:
        """Kind of metric: the name of the folder that its file is in."""
        return self.implementation.__module__.rpartition(".")[0].rpartition(".")[2]
