"""The two models of a migration check, each with its input as it takes it, and their runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from explain.arguments import layout_of
from explain.backend import Extension, Question, extension_for
from explain.errors import ExplainError, InputError, MigrationError
from explain.examples import Array, Examples
from explain.inputs import as_input, to_host
from explain.layout import Layout
from explain.migration.distance import apart
from explain.observation import Observation
from explain.render.names import framework_name
from explain.structure import structure_of

# Rounding of float32 in a preprocessing.
_SAME_INPUT = 1e-6


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two models with its input.

    Parameters
    ----------
    model : object
        The model.
    extension : Extension
        Its framework's.
    x : numpy.ndarray
        In its layout.
    layout : Layout
        Its axes.
    """

    model: Any
    extension: Extension
    x: Array
    layout: Layout

    @classmethod
    def given(cls, name: str, model: Any, x: Any, layout: str | Layout | None) -> Side:
        """Check a model and an input that are given for each other."""
        try:
            extension = extension_for(model)
        except ExplainError as cause:
            raise MigrationError(f"{name}: {cause}") from cause
        if structure_of(x, lambda one: to_host(one, extension) is not None) is not None:
            raise MigrationError(
                f"The input of {name} is a {type(x).__name__} of several: models are checked on one input. Wrap both "
                "so that they take one array and part it, or compare what explain.attribute gives with explain.compare."
            )
        host = as_input(x, extension, model=model)
        axes = (
            Layout("NT")
            if host.dtype.kind == "i" and layout is None
            else layout_of(layout, extension, model, host.ndim)
        )
        axes.check(host)
        return cls(model, extension, host, axes)

    @property
    def canonical(self) -> Array:
        """The input, batch first and channels last."""
        return self.layout.to_canonical(self.x)

    @property
    def title(self) -> str:
        """The model in words."""
        return f"{type(self.model).__name__} ({framework_name(self.extension.name)})"

    def first(self, count: int) -> Side:
        """Give the same with the first examples only."""
        return replace(
            self, x=np.take(self.x, range(min(count, len(self.canonical))), axis=self.layout.batch_axis)
        )


def second_side(a: Side, model: Any, x_b: Any, layout_b: str | Layout | None) -> Side:
    """Give the second model with its own input, or with the first one's in its layout."""
    if x_b is not None:
        b = Side.given("model_b", model, x_b, layout_b)
        if len(b.canonical) != len(a.canonical):
            raise InputError(
                f"x_b has {len(b.canonical)} examples and x {len(a.canonical)}: give the same examples, in the same "
                "order."
            )
        return b
    try:
        extension = extension_for(model)
    except ExplainError as cause:
        raise MigrationError(f"model_b: {cause}") from cause
    if a.x.dtype.kind == "i":
        return Side(model, extension, a.x, a.layout)
    stated = extension.stated_input_shape(model)
    ndim = a.x.ndim if stated is None else len(stated) + 1
    axes = layout_of(layout_b, extension, model, ndim)
    wanted = set(axes.axes) | {"C"}
    if wanted != set(a.layout.axes) | {"C"}:
        raise InputError(
            f"x has the axes {a.layout.axes}, but model_b takes {axes.axes}: say which is which with layout= and "
            "layout_b=, or give x_b, the same examples as model_b takes them."
        )
    return Side(model, extension, np.ascontiguousarray(axes.from_canonical(a.canonical)), axes)


def outputs_of(side: Side, size: int) -> dict[str, Array]:
    """Give a model's outputs for all examples, each batch first."""
    parts = []
    count = len(side.canonical)
    for start in range(0, count, size):
        rows = range(start, min(start + size, count))
        part = replace(side, x=np.take(side.x, rows, axis=side.layout.batch_axis))
        parts.append(run(part, layers=False).outputs)
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for name, array in found.items():
        if array.ndim == 0 or len(array) != count:
            raise MigrationError(
                f"The output {name} of {side.title} has shape {array.shape} for {count} examples: it should have one "
                "row an example. Is layout= right?"
            )
    return found


def run(side: Side, *, layers: bool) -> Observation:
    """Run a model as it is given; one whose layers cannot be reached gives its outputs alone."""
    observed: Observation | None = side.extension.observe(side.model, side.x, side.layout, layers=layers)
    if observed is not None:
        return observed
    backend = side.extension.open(side.model, Question(side.layout, score="output"), side.x)
    host = np.ascontiguousarray(side.layout.to_batch_first(side.x))
    with backend.session():
        examples = Examples((host if host.dtype.kind == "i" else host.astype(backend.dtype),))
        outputs, _ = backend.outputs(backend.hold(examples))
    return Observation({"": outputs})


def same_inputs(a: Side, b: Side) -> bool:
    """Tell whether both models are given the same, whatever its layout."""
    one, other = a.canonical, b.canonical
    return one.shape == other.shape and apart(one, other) < _SAME_INPUT
