"""The catalogue: the one table of methods. Everything that lists, checks or documents a method reads it."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from numbers import Integral, Real
from typing import Any, Literal, overload

from explain.backend import Primitive
from explain.errors import MethodError, OptionError
from explain.problem import Found, Problem
from explain.quadrature import RULES

Drawn = Literal["signed", "unsigned", "input"]


@dataclass(frozen=True)
class Option:
    """An option of a method.

    Parameters
    ----------
    name : str
        As it is given to `explain.attribute`.
    default : object
        What holds if it is not given.
    expects : str
        The values it takes, in words.
    accepts : callable
        Tells whether a value is one of them.
    summary : str
        What it does.
    plain : callable
        Brings an accepted value to the form in which it is kept.
    """

    name: str
    default: Any
    expects: str
    accepts: Callable[[Any], bool]
    summary: str
    plain: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True)
class Method:
    """A row of the catalogue.

    Parameters
    ----------
    name : str
        Canonical name: Captum's class name in snake case.
    aliases : tuple of str
        Short forms that people type.
    family : str
        Kind of method.
    summary : str
        What it shows, in a sentence.
    paper : str
        The paper, with its arXiv number.
    needs : frozenset of str
        Primitives that the backend must provide.
    implementation : str
        ``module:function`` over a `Problem`.
    options : tuple of Option
        What can be set, besides what every method takes.
    uses_baseline : bool
        Whether it compares the input with a baseline.
    begins_with_gradients : bool
        Whether it begins with the gradients at the input itself, which then share the prediction's forward pass.
    drawn : str
        ``"signed"``, ``"unsigned"`` or ``"input"`` (the values are themselves an input).
    reference_engines : tuple of str
        Libraries that compute the same thing, selectable with ``engine=``.
    refused_engines : Mapping of str to str
        Libraries that have the method and are refused all the same, and why.
    """

    name: str
    aliases: tuple[str, ...]
    family: str
    summary: str
    paper: str
    needs: frozenset[Primitive]
    implementation: str
    options: tuple[Option, ...] = ()
    uses_baseline: bool = False
    begins_with_gradients: bool = False
    drawn: Drawn = "signed"
    reference_engines: tuple[str, ...] = ()
    refused_engines: Mapping[str, str] = field(default_factory=dict)

    def function(self) -> Callable[[Problem], Found]:
        """Import and give the implementation."""
        module, _, name = self.implementation.partition(":")
        function: Callable[[Problem], Found] = getattr(importlib.import_module(module), name)
        return function

    def resolve_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Fill in defaults and refuse what is unknown or out of range.

        Raises
        ------
        OptionError
            Naming the option, the value and what is expected.
        """
        known = {option.name: option for option in self.options}
        for name, value in given.items():
            if name not in known:
                raise OptionError(self._unknown_option(name, known))
            if not known[name].accepts(value):
                raise OptionError(
                    f"{name}={value!r} is out of range for {self.name}: give {known[name].expects}."
                )
        return {
            name: option.plain(given[name]) if name in given else option.default
            for name, option in known.items()
        }

    def _unknown_option(self, name: str, known: Mapping[str, Option]) -> str:
        owners = [row.name for row in methods() if any(option.name == name for option in row.options)]
        valid = ", ".join(known) if known else "none of its own"
        message = f"{name!r} is not an option of {self.name}; its options are: {valid}."
        if owners:
            return f"{message} {name!r} belongs to {', '.join(owners)}."
        near = difflib.get_close_matches(name, [*known, *_COMMON], n=1)
        return f"{message} Did you mean {near[0]!r}?" if near else message


class Catalogue(Sequence[Method]):
    """The rows, in order; drawn as a table in a terminal and in a notebook."""

    def __init__(self, rows: Sequence[Method]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> Method: ...
    @overload
    def __getitem__(self, index: slice) -> Catalogue: ...
    def __getitem__(self, index: int | slice) -> Method | Catalogue:
        """Give a row, or a catalogue of some rows."""
        return Catalogue(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __iter__(self) -> Iterator[Method]:
        """Go through the rows."""
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


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and value == value


def _whole_number(name: str, default: int, least: int, summary: str) -> Option:
    return Option(
        name,
        default,
        f"a whole number of at least {least}",
        lambda value: _is_count(value, least),
        summary,
    )


def _is_count(value: Any, least: int = 1) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least


def _is_steps(value: Any) -> bool:
    """Tell whether a value is a number of steps: one for all, one an example, or the word for choosing it."""
    if isinstance(value, str):
        return value == "auto"
    listed = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(listed, (list, tuple)):
        return bool(listed) and all(_is_count(one) for one in listed)
    return _is_count(listed)


def _plain_steps(value: Any) -> Any:
    listed = value.tolist() if hasattr(value, "tolist") else value
    return tuple(int(one) for one in listed) if isinstance(listed, (list, tuple)) else listed


def _non_negative(name: str, default: float, summary: str) -> Option:
    return Option(
        name,
        default,
        "a number of at least 0",
        lambda value: _is_number(value) and 0 <= value < float("inf"),
        summary,
    )


# What every method takes, so that a near miss of one of these can be suggested.
_COMMON = (
    "target",
    "baseline",
    "score",
    "output",
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

_ROWS = Catalogue(
    [
        Method(
            name="saliency",
            aliases=("gradient", "vanilla_gradients"),
            family="gradient",
            summary="Which inputs the score is most sensitive to: its signed gradient.",
            paper="Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.gradient:saliency",
            begins_with_gradients=True,
            reference_engines=("captum", "tf-explain"),
        ),
        Method(
            name="integrated_gradients",
            aliases=("ig",),
            family="path",
            summary="How much each input adds to the score, compared with a baseline; sums to the difference.",
            paper="Sundararajan, Taly & Yan 2017, arXiv:1703.01365",
            needs=frozenset({"outputs", "path_gradients"}),
            implementation="explain.algorithms.path:integrated_gradients",
            options=(
                Option(
                    "n_steps",
                    "auto",
                    "'auto', a whole number of at least 1, or one such number an example",
                    _is_steps,
                    "Number of gradients along the path; 'auto' takes as many as the tolerance needs.",
                    _plain_steps,
                ),
                Option(
                    "rule",
                    None,
                    f"one of {', '.join(map(repr, RULES))}, or None",
                    lambda value: value is None or (isinstance(value, str) and value in RULES),
                    "Rule of integration. None: Gauss–Legendre; where n_steps is 'auto' the midpoint rule for a model "
                    "with kinks (ReLU, max pooling), Fejér's for a smooth one.",
                ),
                Option(
                    "tolerance",
                    0.02,
                    "a number above 0",
                    lambda value: _is_number(value) and 0 < value < float("inf"),
                    "Where n_steps is 'auto': the largest estimated error of the map, relative to its size.",
                ),
                _whole_number("max_steps", 405, 3, "Where n_steps is 'auto': the most steps it may take."),
            ),
            uses_baseline=True,
            reference_engines=("captum",),
            refused_engines={
                "tf-explain": "its integrated gradients leave out × (input − baseline), take absolute values and scale "
                "them to a picture"
            },
        ),
        Method(
            name="activation_maximization",
            aliases=("maximize", "feature_visualization"),
            family="maximization",
            summary="The input that most excites the score, found by climbing its gradient within the bounds.",
            paper="Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034; Mahendran & Vedaldi 2014, arXiv:1412.0035",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.maximization:activation_maximization",
            options=(
                _whole_number("n_steps", 128, 1, "Number of steps of Adam."),
                _non_negative(
                    "learning_rate", 0.05, "First step size, in half ranges of the input; falls to zero."
                ),
                _non_negative("l2_weight", 0.1, "Pull towards the middle of the bounds."),
                _non_negative("tv_weight", 0.5, "Pull of neighbours in space and time towards each other."),
                _whole_number("jitter", 2, 0, "Largest random shift of the picture at a step, in pixels."),
            ),
            drawn="input",
        ),
    ]
)


def methods() -> Catalogue:
    """Give the catalogue of methods, drawn as a table.

    Returns
    -------
    Catalogue
        A sequence of rows with ``.name``, ``.aliases``, ``.family``, ``.summary``, ``.paper`` and
        ``.options``.

    Examples
    --------
    >>> [row.name for row in methods() if row.family == "path"]
    ['integrated_gradients']
    """
    return _ROWS


def find_method(name: object) -> Method:
    """Find a method by its name or an alias; case, spaces and hyphens do not matter.

    Raises
    ------
    MethodError
        If there is none; suggests the nearest name.

    Examples
    --------
    >>> find_method("IG").name
    'integrated_gradients'
    """
    if isinstance(name, str):
        wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
        by_name = {known: row for row in _ROWS for known in (row.name, *row.aliases)}
        if wanted in by_name:
            return by_name[wanted]
        near = difflib.get_close_matches(wanted, by_name, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
    else:
        hint = ""
    known = ", ".join(f"{row.name} ({', '.join(row.aliases)})" for row in _ROWS)
    raise MethodError(f"method={name!r} is not in the catalogue.{hint} It has: {known}.")
