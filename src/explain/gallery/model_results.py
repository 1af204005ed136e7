"""The gallery's data on a model: each method in every framework, and how closely the twins agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from explain.algorithms.method import Method
from explain.gallery.exhibits import Exhibit
from explain.results.attribution import Attribution
from explain.results.comparison import Comparison
from explain.zoo.layers import Framework


@dataclass(frozen=True, eq=False)
class MethodResult:
    """One method on one model, in every framework.

    Attributes
    ----------
    method : Method
        The row of the catalogue.
    attributions : Mapping of str to Attribution
        By framework, in order; empty where the method does not apply.
    comparison : Comparison, optional
        How similar the two attributions are; None unless there are two.
    reason : str
        Why the method does not apply: the message of the error; empty if it applies.
    """

    method: Method
    attributions: Mapping[str, Attribution]
    comparison: Comparison | None = None
    reason: str = ""

    @property
    def first(self) -> Attribution:
        """The attribution that supplies the inputs and the names."""
        return next(iter(self.attributions.values()))


@dataclass(frozen=True, eq=False)
class ModelResults:
    """Every method on one model.

    Attributes
    ----------
    name : str
        The name of the seed model.
    exhibit : Exhibit
        How the model is shown.
    classes : tuple of str
        The name of the true class of each sample shown.
    methods : tuple of MethodResult
        In the order of the catalogue.
    twin_gap : float, optional
        The greatest difference between the twins' logits on all the samples; None for one framework.
    correct : Mapping of str to (int, int)
        By framework: how many of all the samples are classified correctly, and how many there are.
    front : int
        The sample that the first page shows, as an index into those shown.
    """

    name: str
    exhibit: Exhibit
    classes: tuple[str, ...]
    methods: tuple[MethodResult, ...]
    twin_gap: float | None
    correct: Mapping[Framework, tuple[int, int]] = field(default_factory=dict)
    front: int = 0
