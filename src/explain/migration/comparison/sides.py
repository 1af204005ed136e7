"""The two models of a migration check, each with its input as it takes it, and their runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from explain.algorithms.catalogue import find_method
from explain.backends.discovery import extension_for
from explain.backends.observation import Observation
from explain.backends.protocol import Extension, Question
from explain.errors import ExplainError, InputError, LayoutError, MigrationError
from explain.explanation.given_inputs import given_inputs
from explain.inputs.arrays import as_input, to_host
from explain.inputs.examples import Array, Examples
from explain.inputs.layout import Layout, layout_of
from explain.inputs.structure import Structure, structure_of
from explain.inputs.wiring import Wiring
from explain.migration.comparison.distance import apart
from explain.results.names import framework_name

# Rounding of float32 in a preprocessing.
_SAME_INPUT = 1e-6


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two models with its input, or its inputs.

    Parameters
    ----------
    model : object
        The model.
    extension : Extension
        Its framework's.
    inputs : tuple of numpy.ndarray
        As the model takes them; None for one that it is given as None.
    layouts : tuple of Layout
        Their axes.
    structure : Structure, optional
        How several are held together.
    wiring : Wiring, optional
        How the model is called with several.
    """

    model: Any
    extension: Extension
    inputs: tuple[Array | None, ...]
    layouts: tuple[Layout, ...]
    structure: Structure | None = None
    wiring: Wiring | None = None

    @classmethod
    def given(cls, name: str, model: Any, x: Any, layout: Any) -> Side:
        """Check a model and an input that are given for each other."""
        extension = _extension_of(name, model)
        parted = structure_of(x, lambda one: to_host(one, extension) is not None)
        if parted is None:
            host = as_input(x, extension, model=model)
            ids = host.dtype.kind == "i" and layout is None
            axes = (
                Layout("NT")
                if ids
                else layout_of(layout, partial(extension.default_layout, model, host.ndim))
            )
            axes.check(host)
            return cls(model, extension, (host,), (axes,))
        structure, _ = parted
        row = find_method("saliency")
        about: dict[str, Any] = dict.fromkeys(("baseline", "lengths", "bounds", "display"))
        given = given_inputs(x, extension, model, row, options={}, layout=layout, **about)
        hosts, axes_of_each = [one.host for one in given.several], [one.layout for one in given.several]
        return cls(model, extension, tuple(hosts), tuple(axes_of_each), structure, given.wiring)

    @property
    def canonical(self) -> tuple[Array, ...]:
        """The inputs, batch first and channels last; what is None is left out."""
        return tuple(
            layout.to_canonical(one)
            for one, layout in zip(self.inputs, self.layouts, strict=True)
            if one is not None
        )

    @property
    def count(self) -> int:
        """The number of examples."""
        return len(self.canonical[0])

    @property
    def x(self) -> Any:
        """The input as `explain.attribute` takes it."""
        return self.inputs[0] if self.structure is None else self.structure.rebuilt(self.inputs)

    @property
    def layout(self) -> Any:
        """Its layout as `explain.attribute` takes it."""
        return self.layouts[0] if self.structure is None else self.structure.rebuilt(self.layouts)

    @property
    def main_layout(self) -> Layout:
        """The axes of the first input that has numbers which can be moved, else of the first."""
        given = [pair for pair in zip(self.inputs, self.layouts, strict=True) if pair[0] is not None]
        return next(
            (layout for one, layout in given if one is not None and one.dtype.kind == "f"), given[0][1]
        )

    @property
    def title(self) -> str:
        """The model in words."""
        return f"{type(self.model).__name__} ({framework_name(self.extension.name)})"

    def rows(self, rows: range) -> Side:
        """Give the same with some of the examples only."""
        taken = tuple(
            None if one is None else np.take(one, rows, axis=layout.batch_axis)
            for one, layout in zip(self.inputs, self.layouts, strict=True)
        )
        return replace(self, inputs=taken)

    def first(self, count: int) -> Side:
        """Give the same with the first examples only."""
        return self.rows(range(min(count, self.count)))


def second_side(a: Side, model: Any, x_b: Any, layout_b: Any) -> Side:
    """Give the second model with its own input, or with the first one's in its layout."""
    if x_b is not None:
        b = Side.given("model_b", model, x_b, layout_b)
        if b.count != a.count:
            raise InputError(
                f"x_b has {b.count} examples and x {a.count}: give the same examples, in the same order."
            )
        return b
    extension = _extension_of("model_b", model)
    stated = extension.stated_input_shape(model) if a.structure is None else None
    given = [layout_b] if a.structure is None else a.structure.spread(layout_b, "layout_b", error=LayoutError)
    moved, layouts = [], []
    for one, own, layout in zip(a.inputs, a.layouts, given, strict=True):
        if one is None or one.dtype.kind != "f":
            axes = own
        else:
            ndim = one.ndim if stated is None else len(stated) + 1
            axes = layout_of(layout, partial(extension.default_layout, model, ndim))
            if set(axes.axes) | {"C"} != set(own.axes) | {"C"}:
                raise InputError(
                    f"x has the axes {own.axes}, but model_b takes {axes.axes}: say which is which with layout= and "
                    "layout_b=, or give x_b, the same examples as model_b takes them."
                )
        moved.append(
            None if one is None else np.ascontiguousarray(axes.from_canonical(own.to_canonical(one)))
        )
        layouts.append(axes)
    if a.structure is None:
        return Side(model, extension, tuple(moved), tuple(layouts))
    # Wired anew: the second model may have the batch elsewhere.
    return Side.given("model_b", model, a.structure.rebuilt(moved), a.structure.rebuilt(layouts))


def outputs_of(side: Side, size: int) -> dict[str, Array]:
    """Give a model's outputs for all examples, each batch first."""
    parts = [
        run(side.rows(range(start, min(start + size, side.count))), layers=False).outputs
        for start in range(0, side.count, size)
    ]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for name, array in found.items():
        if array.ndim == 0 or len(array) != side.count:
            raise MigrationError(
                f"The output {name} of {side.title} has shape {array.shape} for {side.count} examples: it should have "
                "one row an example. Is layout= right?"
            )
    return found


def run(side: Side, *, layers: bool) -> Observation:
    """Run a model as it is given; one whose layers cannot be reached gives its outputs alone."""
    layout, wiring = side.main_layout, side.wiring
    observed = side.extension.observe(side.model, side.inputs, layout, wiring, layers=layers)
    if observed is not None:
        return observed
    backend = side.extension.open(side.model, Question(layout, score="output", wiring=wiring), side.inputs[0])
    each = zip(side.inputs, side.layouts, strict=True)
    hosts = [np.ascontiguousarray(axes.to_batch_first(one)) for one, axes in each if one is not None]
    moved = tuple(one.astype(backend.dtype) for one in hosts if one.dtype.kind == "f")
    unmoved = tuple(one for one in hosts if one.dtype.kind != "f")
    with backend.session():
        examples = Examples(moved, unmoved=unmoved) if wiring is not None or moved else Examples(unmoved)
        outputs, _ = backend.outputs(backend.hold(examples))
    return Observation({"": outputs})


def same_inputs(a: Side, b: Side) -> bool:
    """Tell whether both models are given the same, whatever its layout."""
    return len(a.canonical) == len(b.canonical) and all(
        one.shape == other.shape and apart(one, other) < _SAME_INPUT
        for one, other in zip(a.canonical, b.canonical, strict=True)
    )


def _extension_of(name: str, model: Any) -> Extension:
    try:
        return extension_for(model)
    except ExplainError as cause:
        raise MigrationError(f"{name}: {cause}") from cause
