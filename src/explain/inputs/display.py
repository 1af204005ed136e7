"""How to turn an input back into a picture, or into named steps or columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from itertools import islice
from typing import Any, Literal

import numpy as np

from explain.errors import OptionError
from explain.inputs.naming.brief import brief
from explain.inputs.naming.given_names import given_names

# How many entries of a container, and how many characters of a text, are written.
_MOST = 6
_MOST_CHARACTERS = 80


@dataclass(frozen=True)
class Display:
    """The settings for drawing an input as it was before normalisation.

    Parameters
    ----------
    mean, scale : float or tuple of float
        The picture is ``x * scale + mean``, in [0, 1]; one number, or one per channel.
    bounds : tuple of float, optional
        The least and the greatest value a valid input can have, in the model's own units (before
        ``scale`` and ``mean`` are applied).
    classes : sequence of str
        Names of the model's outputs, in order; also an array or an index of them, ``{0: "cat"}`` or ``{"cat": 0}``.
        They are held as a tuple of str, as all names are.
    step_names : sequence of sequences of str
        For sequences: the names of every example's steps (the characters of a name).
    feature_names : sequence of str
        For tables: the names of the columns; for series: the names of the channels.
    example_names : sequence of str
        The names of the examples, such as the files from which they were read.
    sampling_rate : float, optional
        For series: steps per second, which turns steps into seconds on the time axis.
    color : {"rgb", "bgr"}
        The order of the three channels of a picture: red, green, blue, or the reverse, as Caffe's models take it.
    preprocessing : Mapping
        How the input was made from a file, as plain data: the settings of an `explain.preprocessing.Preprocessing`.

    Examples
    --------
    >>> Display(mean=0.5, scale=0.5, bounds=(-1, 1)).bounds
    (-1, 1)
    """

    mean: float | tuple[float, ...] = 0.0
    scale: float | tuple[float, ...] = 1.0
    bounds: tuple[float, float] | None = None
    classes: tuple[str, ...] = ()
    step_names: tuple[tuple[str, ...], ...] = ()
    feature_names: tuple[str, ...] = ()
    example_names: tuple[str, ...] = ()
    sampling_rate: float | None = None
    color: Literal["rgb", "bgr"] = "rgb"
    preprocessing: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Hold names as tuples of str, whatever they were given in, and refuse what cannot be drawn."""
        for name in ("classes", "feature_names", "example_names"):
            object.__setattr__(self, name, given_names(name, getattr(self, name)))
        object.__setattr__(self, "step_names", _of_each_example(self.step_names))
        for name in ("mean", "scale"):
            _check_numbers(name, getattr(self, name))
        rate = self.sampling_rate
        if rate is not None and not (_is_number(rate) and 0 < rate < float("inf")):
            raise OptionError(
                f"display.sampling_rate={brief(rate)} is not a positive number: give the steps per second, for "
                "example 500, or None for an axis of steps."
            )
        if self.color not in ("rgb", "bgr"):
            raise OptionError(f"display.color={brief(self.color)} is not known: give 'rgb' or 'bgr'.")

    def __repr__(self) -> str:
        """Name the fields that were given, long ones shortened: a thousand class names do not fill a screen."""
        given = []
        for one in fields(self):
            value = getattr(self, one.name)
            default = {} if one.default is MISSING else one.default
            # An array as `mean` has no single truth, so types are compared first.
            if not (isinstance(value, type(default)) and value == default):
                given.append(f"{one.name}={shortened(value)}")
        return f"Display({', '.join(given)})"

    def to_json(self) -> dict[str, Any]:
        """Give the fields as plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Display:
        """Rebuild a `Display` from the result of `to_json`; lists become tuples again."""

        def frozen(value: Any) -> Any:
            return tuple(frozen(item) for item in value) if isinstance(value, list) else value

        return cls(**{name: frozen(value) for name, value in fields.items()})


def _of_each_example(given: Any) -> tuple[tuple[str, ...], ...]:
    """Give the names of the steps of each example; a str stands for its letters."""
    if given is None:
        return ()
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise OptionError(
            f"display.step_names={brief(given)} is not a sequence of names for each example: give "
            'step_names=(("a", "film"), ("the", "end")).'
        )
    return tuple(given_names("step_names", tuple(one) if isinstance(one, str) else one) for one in given)


def _check_numbers(name: str, given: Any) -> None:
    try:
        np.asarray(given, np.float64)
    except (TypeError, ValueError) as cause:
        raise OptionError(
            f"display.{name}={brief(given)} has to be a number, or one for each channel: give {name}=0.5, or "
            f"{name}=(0.5, 0.4, 0.4)."
        ) from cause


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


_PLAIN = Display()


def display_of(display: Display | Mapping[str, Any] | None) -> Display:
    """Give a `Display`, also from a mapping of its fields."""
    if display is None:
        return _PLAIN
    if isinstance(display, Display):
        return display
    known = [one.name for one in fields(Display)]
    if not isinstance(display, Mapping) or set(display) - set(known):
        raise OptionError(
            f"display={brief(display)} is not understood: give an explain.Display or a dict of {', '.join(known)}."
        )
    return Display.from_json(dict(display))


def shortened(value: Any, most: int = _MOST) -> str:
    """Write a value for a reader: the first entries of a long one, and how many more there are.

    Parameters
    ----------
    value : object
        Of any type; arrays are written as their shape.
    most : int
        How many entries of a container are written; half as many of each that is in another.

    Returns
    -------
    str
        The `repr` of a short value.

    Examples
    --------
    >>> shortened(tuple(range(1000)), most=3), shortened((1, "a")), shortened("x" * 200)[-3:]
    ('(0, 1, 2, … 997 more)', "(1, 'a')", "x…'")
    """
    inner = max(most // 2, 1)
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}"
    if isinstance(value, Mapping):
        entries = [f"{shortened(key)}: {shortened(one, inner)}" for key, one in islice(value.items(), most)]
        return f"{{{', '.join(entries + _more(len(value), most))}}}"
    if isinstance(value, tuple | list):
        entries = [shortened(one, inner) for one in value[:most]] + _more(len(value), most)
        if isinstance(value, list):
            return f"[{', '.join(entries)}]"
        return f"({', '.join(entries)}{',' if len(entries) == 1 else ''})"
    if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
        return repr(value[:_MOST_CHARACTERS] + "…")
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if isinstance(value, str) or len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _more(count: int, most: int) -> list[str]:
    return [f"… {count - most:,} more"] if count > most else []
