"""A row of the catalogue, with the options of a method, and the table of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any, Literal, overload

import numpy as np

from explain.backends.found import Found
from explain.backends.protocol import Primitive, Rule
from explain.errors import OptionError
from explain.inputs.layout import KINDS, Kind
from explain.inputs.naming.brief import brief
from explain.inputs.naming.suggestions import suggestion
from explain.inputs.reduction import Reduction
from explain.running.problem import Problem

Drawn = Literal["signed", "unsigned", "input"]
LayerUse = Literal["none", "may", "must", "map"]
Beginning = Literal["gradients", "units"] | Rule


@dataclass(frozen=True)
class Option:
    """An option of a method.

    Parameters
    ----------
    name : str
        The keyword argument of `explain.attribute`.
    default : object
        Its value if it is not given.
    expects : str
        The values it takes, in words.
    accepts : callable
        Tells whether a value is one of them.
    summary : str
        The effect of the option.
    plain : callable
        Converts an accepted value to the form that the method gets.
    recorded : callable
        Converts the method's form to plain data for the result, which does not contain whole arrays.
    per_input : callable, optional
        For an option that may have a separate value for each of several inputs: tells whether a tuple or list
        is one value for all of them.
    """

    name: str
    default: Any
    expects: str
    accepts: Callable[[Any], bool]
    summary: str
    plain: Callable[[Any], Any] = lambda value: value
    recorded: Callable[[Any], Any] = lambda value: value
    per_input: Callable[[Any], bool] | None = None


def resolved_options(owner: str, options: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in defaults and refuse values that are out of range.

    Parameters
    ----------
    owner : str
        What has the options, for the message.
    options : sequence of Option
        All of them.
    given : Mapping
        The values that the caller gave, each of a known option.

    Raises
    ------
    OptionError
        If a value is refused; the message names the option, the value and what is expected.
    """
    known = {option.name: option for option in options}
    for name, value in given.items():
        if not known[name].accepts(value):
            raise OptionError(
                f"{name}={brief(value)} is out of range for {owner}: give {known[name].expects}."
            )
    return {
        name: option.plain(_python_number(given[name])) if name in given else option.default
        for name, option in known.items()
    }


def _python_number(value: Any) -> Any:
    """Give a number of NumPy as one of Python: sums and products of small whole numbers of NumPy overflow."""
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class Method:
    """A row of the catalogue.

    Parameters
    ----------
    implementation : callable
        The function from a `Problem` to what it finds. Its name is the method's, and the folder of its file the
        family.
    aliases : tuple of str
        Other names that users type.
    summary : str
        The meaning of its values, in one sentence.
    paper : str
        The paper, with its arXiv number.
    needs : frozenset of str
        Primitives that the backend must provide.
    options : tuple of Option
        The options of the method, besides the arguments that every method takes.
    kinds : tuple of str
        The kinds of examples that it applies to, among ``"image"``, ``"volume"``, ``"sequence"`` and
        ``"table"``; see `explain.inputs.layout.Layout`.
    uses_baseline : bool
        Whether it compares the input with a baseline.
    takes_references : bool
        Whether it compares with a set of reference examples, the same for every input, rather than with one
        baseline per input; then `uses_baseline` is true too.
    begins_with : str, optional
        What it asks first of the backend at the input itself: ``"gradients"``, a rule of backward passes, or
        ``"units"``, the output of its layer and the gradients to it. The backend may then take it from the prediction's
        forward pass.
    forms_points : bool
        Whether it runs several points of an example, in one batch.
    drawn : str
        ``"signed"``, ``"unsigned"`` or ``"input"`` (the values are themselves an input).
    layer : str
        The effect of `layer=`: ``"none"``, it is refused; ``"may"``, the method explains the layer's
        activations instead of the input; ``"must"``, it always does; ``"map"``, the layer's map is resampled
        to the input's size.
    through_neuron : bool
        For a method that must have a layer: whether `neuron=` selects one of its units, to explain what flows
        to the target through it.
    of_shape : bool
        Whether it needs the axes of the input: each of several inputs is then explained alone, the others fixed.
    of_whole_places : bool
        Whether each channel of a position has the value of the whole position, so that a heatmap takes their
        mean.
    keeps_values : bool
        Whether its points have only values of x, of the baseline and of other examples, so that whole numbers and
        booleans stay what they are.
    is_slope : bool
        Whether its values are slopes of the score, which neither add up to anything nor have a sign for a whole token:
        one number for a token is then the norm over its embedding vector, unless `reduce` names another.
    seeded : bool
        Whether it draws random numbers, so that its values depend on `seed`.
    compares_examples : bool
        Whether the values of an example depend on the other examples of the batch.
    title : str
        Its name in pictures and tables, if that is not `name` in words.
    reference_engines : tuple of str
        Libraries that compute the same thing, selectable with ``engine=``.
    refused_engines : Mapping of str to str
        Libraries that have the method and are refused, and why.
    """

    implementation: Callable[[Problem], Found]
    aliases: tuple[str, ...]
    summary: str
    paper: str
    needs: frozenset[Primitive]
    options: tuple[Option, ...] = ()
    kinds: tuple[Kind, ...] = KINDS
    uses_baseline: bool = False
    takes_references: bool = False
    begins_with: Beginning | None = None
    forms_points: bool = True
    drawn: Drawn = "signed"
    layer: LayerUse = "none"
    through_neuron: bool = False
    of_shape: bool = False
    of_whole_places: bool = False
    keeps_values: bool = False
    is_slope: bool = False
    seeded: bool = False
    compares_examples: bool = False
    title: str = ""
    reference_engines: tuple[str, ...] = ()
    refused_engines: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Canonical name: Captum's class name in snake case."""
        return self.implementation.__name__

    @property
    def family(self) -> str:
        """Kind of method: the name of the folder that its file is in, with spaces."""
        folder = self.implementation.__module__.rpartition(".")[0].rpartition(".")[2]
        return folder.replace("_", " ")

    @property
    def token_reduction(self) -> Reduction:
        """How the values at a token's embedding vector become one number, unless `reduce` names another way."""
        if self.is_slope:
            return "norm"
        return "mean" if self.of_whole_places else "sum"

    @property
    def takes_inputs_together(self) -> bool:
        """Whether several inputs are explained together, packed into one: not if the method needs their axes."""
        return not (self.of_shape or self.layer == "map" or self.kinds != KINDS)

    def function(self) -> Callable[[Problem], Found]:
        """Give the function that computes it."""
        return self.implementation

    def resolve_options(self, given: Mapping[str, Any], others: Sequence[Method] = ()) -> dict[str, Any]:
        """Fill in defaults and refuse options that are unknown or out of range.

        Parameters
        ----------
        given : Mapping
            The options of the call.
        others : sequence of Method
            The other methods, to name in the error message those that have an unknown option.

        Raises
        ------
        OptionError
            If an option is refused; the message names the option, the value and what is expected.
        """
        known = {option.name: option for option in self.options}
        for name in given:
            if name not in known:
                raise OptionError(self._unknown_option(name, known, others))
        return resolved_options(self.name, self.options, given)

    def recorded_options(self, resolved: Mapping[str, Any]) -> dict[str, Any]:
        """Give the options as the result records them."""
        return {option.name: option.recorded(resolved[option.name]) for option in self.options}

    def _unknown_option(self, name: str, known: Mapping[str, Option], others: Sequence[Method]) -> str:
        owners = [row.name for row in others if any(option.name == name for option in row.options)]
        valid = ", ".join(known) if known else "none of its own"
        message = f"{name!r} is not an option of {self.name}; its options are: {valid}."
        if owners:
            return f"{message} {name!r} belongs to {', '.join(owners)}."
        return f"{message}{suggestion(name, [*known, *COMMON])}"


class Catalogue(Sequence[Method]):
    """The rows, in order; shown as a table in a terminal and in a notebook."""

    def __init__(self, rows: Sequence[Method]) -> None:
        self._rows = tuple(rows)

    @cached_property
    def by_name(self) -> Mapping[str, Method]:
        """The rows by name and by alias; cached, since every call looks a method up."""
        return {known: row for row in self._rows for known in (row.name, *row.aliases)}

    @overload
    def __getitem__(self, index: int) -> Method: ...
    @overload
    def __getitem__(self, index: slice) -> Catalogue: ...
    def __getitem__(self, index: int | slice) -> Method | Catalogue:
        """Give a row, or a catalogue of some rows."""
        return Catalogue(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __iter__(self) -> Iterator[Method]:
        """Iterate over the rows."""
        return iter(self._rows)

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self._rows)

    def _cells(self) -> list[tuple[str, str, str, str]]:
        header = ("method", "aliases", "family", "summary")
        return [header, *((row.name, ", ".join(row.aliases), row.family, row.summary) for row in self._rows)]

    def __repr__(self) -> str:
        """Draw the rows as a table of plain text."""
        cells = self._cells()
        widths = [max(len(row[column]) for row in cells) for column in range(3)]
        lines = [
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
            for row in cells
        ]
        return "\n".join(
            [lines[0], "  ".join("-" * width for width in [*widths, len("summary")]), *lines[1:]]
        )

    def _repr_html_(self) -> str:
        """Draw the rows as a table in a notebook."""
        header, *rows = self._cells()
        head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


COMMON = (
    "target",
    "baseline",
    "score",
    "output",
    "reduce",
    "layout",
    "lengths",
    "forward_kwargs",
    "framework",
    "engine",
    "batch_size",
    "memory_budget",
    "bounds",
    "seed",
    "display",
)
"""Arguments that every method takes: no option has such a name, and they are suggested for misspelt options."""
