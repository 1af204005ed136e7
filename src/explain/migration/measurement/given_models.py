"""The two models of a migration check, each with its input in its own layout, and functions that run them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np

from explain.algorithms.catalogue import find_method
from explain.backends.discovery import extension_for
from explain.backends.observation import Observation
from explain.backends.protocol import Extension
from explain.backends.question import Question
from explain.errors import ExplainError, InputError, LayoutError, MigrationError
from explain.explanation.given_inputs import given_inputs
from explain.inputs.arrays import as_input, to_host
from explain.inputs.examples import Array, Examples
from explain.inputs.layout import Layout, layout_of
from explain.inputs.structure import Structure, structure_of
from explain.inputs.wiring import Wiring
from explain.migration.measurement.distance import apart
from explain.public_calls.progress import counted
from explain.results.names import framework_name

# Inputs count as equal if they differ by no more than float32 rounding in a preprocessing.
_SAME_INPUT = 1e-6


@dataclass(frozen=True, eq=False)
class GivenModel:
    """One of the two models with its input, or its inputs.

    Parameters
    ----------
    model : object
        The model.
    extension : Extension
        The extension of its framework.
    inputs : tuple of numpy.ndarray
        The inputs as the model takes them; None for an input that is None.
    layouts : tuple of Layout
        Their layouts.
    structure : Structure, optional
        The tuple, list or dict that contains several inputs.
    wiring : Wiring, optional
        How the model is called with several inputs.
    framework : str, optional
        The framework that the caller states.
    output : int or str, optional
        The output that the caller chose.
    """

    model: Any
    extension: Extension
    inputs: tuple[Array | None, ...]
    layouts: tuple[Layout, ...]
    structure: Structure | None = None
    wiring: Wiring | None = None
    framework: str | None = None
    output: int | str | None = None

    @classmethod
    def checked(cls, name: str, model: Any, x: Any, layout: Any, framework: str | None = None) -> GivenModel:
        """Check that a model and its input fit together.

        Parameters
        ----------
        name : str
            The name of the model's argument, for messages.
        model, x, layout, framework
            As in `explain.check_migration`.
        """
        extension = _extension_of(name, model, framework)
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
            return cls(model, extension, (host,), (axes,), framework=framework)
        structure, _ = parted
        row = find_method("saliency")
        about: dict[str, Any] = dict.fromkeys(("baseline", "lengths", "bounds", "display"))
        given = given_inputs(x, extension, model, row, options={}, layout=layout, **about)
        hosts, axes_of_each = [one.host for one in given.several], [one.layout for one in given.several]
        return cls(model, extension, tuple(hosts), tuple(axes_of_each), structure, given.wiring, framework)

    @property
    def canonical(self) -> tuple[Array, ...]:
        """The inputs, batch first and channels last, without those that are None."""
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
        """The input, or the inputs, as `explain.attribute` takes them."""
        return self.inputs[0] if self.structure is None else self.structure.rebuilt(self.inputs)

    @property
    def layout(self) -> Any:
        """The layout, or layouts, as `explain.attribute` takes them."""
        return self.layouts[0] if self.structure is None else self.structure.rebuilt(self.layouts)

    @property
    def main_layout(self) -> Layout:
        """The layout of the first input of floating-point numbers, else of the first input."""
        given = [pair for pair in zip(self.inputs, self.layouts, strict=True) if pair[0] is not None]
        return next(
            (layout for one, layout in given if one is not None and one.dtype.kind == "f"), given[0][1]
        )

    @property
    def title(self) -> str:
        """The class and the framework of the model, as displayed; of a function its name, of a file the file's."""
        named = PurePath(self.model).name if isinstance(self.model, (str, PurePath)) else None
        name = named or getattr(self.model, "__name__", None) or type(self.model).__name__
        return f"{name} ({framework_name(self.extension.name)})"

    def examples(self, rows: range) -> GivenModel:
        """Give the model with some of the examples."""
        taken = tuple(
            None if one is None else np.take(one, rows, axis=layout.batch_axis)
            for one, layout in zip(self.inputs, self.layouts, strict=True)
        )
        return replace(self, inputs=taken)

    def first(self, count: int) -> GivenModel:
        """Give the model with the first examples."""
        return self.examples(range(min(count, self.count)))


def second_model(
    a: GivenModel, model: Any, x_b: Any, layout_b: Any, framework_b: str | None = None
) -> GivenModel:
    """Give the second model with its own input, else with the input of the first model in the second's layout.

    Parameters
    ----------
    a : GivenModel
        The first model.
    model, x_b, layout_b, framework_b
        As in `explain.check_migration`.
    """
    if x_b is not None:
        b = GivenModel.checked("model_b", model, x_b, layout_b, framework_b)
        if b.count != a.count:
            raise InputError(
                f"x_b has {b.count} examples and x {a.count}: give the same examples, in the same order."
            )
        return b
    extension = _extension_of("model_b", model, framework_b)
    stated = extension.stated_input_shape(model) if a.structure is None else None
    stated_layouts = (
        [layout_b] if a.structure is None else a.structure.spread(layout_b, "layout_b", error=LayoutError)
    )
    moved, layouts = [], []
    for one, own, layout in zip(a.inputs, a.layouts, stated_layouts, strict=True):
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
        return GivenModel(model, extension, tuple(moved), tuple(layouts), framework=framework_b)
    # Checked on its own: the second model may have its batch on another axis.
    return GivenModel.checked(
        "model_b", model, a.structure.rebuilt(moved), a.structure.rebuilt(layouts), framework_b
    )


def outputs_of(given: GivenModel, size: int) -> dict[str, Array]:
    """Run a model on all examples, `size` at once, and give its outputs by name, batch first."""
    parts = []
    with counted(given.count) as work:
        for start in range(0, given.count, size):
            few = given.examples(range(start, min(start + size, given.count)))
            parts.append(observe(few, layers=False).outputs)
            work.advance(few.count)
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for name, array in found.items():
        if array.ndim == 0 or len(array) != given.count:
            raise MigrationError(
                f"The output {name} of {given.title} has shape {array.shape} for {given.count} examples: it should "
                "have one row for each example. Is layout= right?"
            )
    return found


def observe(given: GivenModel, *, layers: bool) -> Observation:
    """Run a model in its current mode, and record its outputs and, if they are reachable, its layers."""
    layout, wiring = given.main_layout, given.wiring
    observed = given.extension.observe(given.model, given.inputs, layout, wiring, layers=layers)
    if observed is not None:
        return observed
    question = Question(layout, score="output", output=given.output, wiring=wiring)
    backend = given.extension.open(given.model, question, given.inputs[0])
    each = zip(given.inputs, given.layouts, strict=True)
    hosts = [np.ascontiguousarray(axes.to_batch_first(one)) for one, axes in each if one is not None]
    moved = tuple(one.astype(backend.dtype) for one in hosts if one.dtype.kind == "f")
    unmoved = tuple(one for one in hosts if one.dtype.kind != "f")
    with backend.session():
        examples = Examples(moved, unmoved=unmoved) if wiring is not None or moved else Examples(unmoved)
        outputs, _ = backend.outputs(backend.hold(examples))
    # Such a backend gives one output at a time.
    name = "" if given.output is None else str(given.output)
    return Observation({name: outputs}, is_opaque="layers" not in backend.provides)


def same_inputs(a: GivenModel, b: GivenModel) -> bool:
    """Tell whether both models receive the same values, each in its own layout."""
    return len(a.canonical) == len(b.canonical) and all(
        one.shape == other.shape and apart(one, other) < _SAME_INPUT
        for one, other in zip(a.canonical, b.canonical, strict=True)
    )


def _extension_of(name: str, model: Any, framework: str | None) -> Extension:
    try:
        return extension_for(model, framework)
    except ExplainError as cause:
        raise MigrationError(f"{name}: {cause}") from cause
