"""How to turn an input back into a picture, or into named steps or columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from explain.errors import OptionError
from explain.inputs.naming.brief import brief


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
    classes : tuple of str
        Names of the model's outputs, in order.
    step_names : tuple of tuple of str
        For sequences: the names of every example's steps (the characters of a name).
    feature_names : tuple of str
        For tables: the names of the columns; for series: the names of the channels.
    example_names : tuple of str
        The names of the examples, such as the files from which they were read.
    sampling_rate : float, optional
        For series: steps per second, which turns steps into seconds on the time axis.
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
    preprocessing: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        """Give the fields as plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Display:
        """Rebuild a `Display` from the result of `to_json`; lists become tuples again."""

        def frozen(value: Any) -> Any:
            return tuple(frozen(item) for item in value) if isinstance(value, list) else value

        return cls(**{name: frozen(value) for name, value in fields.items()})


def display_of(display: Display | Mapping[str, Any] | None) -> Display:
    """Give a `Display`, also from a mapping of its fields."""
    if display is None:
        return Display()
    if isinstance(display, Display):
        return display
    known = [one.name for one in fields(Display)]
    if not isinstance(display, Mapping) or set(display) - set(known):
        raise OptionError(
            f"display={brief(display)} is not understood: give an explain.Display or a dict of {', '.join(known)}."
        )
    return Display.from_json(dict(display))
