"""Inputs that were read from files, and the data needed to draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import PreprocessingWarning
from explain.inputs.display import Display
from explain.preprocessing.settings import Preprocessing


@dataclass(frozen=True, eq=False)
class Inputs:
    """Inputs from files, as `explain.attribute` takes them.

    Attributes
    ----------
    x : numpy.ndarray, list of str, or dict of str to numpy.ndarray
        A batch: pictures (N, C, H, W) or (N, H, W, C), tables (N, C), series (N, T, C), sound (N, T) or (N, C, T),
        all float32; texts; arrays as they are in their file, several by their names.
    display : Display
        The data needed to draw them: names of examples and features, the sampling rate, and for pictures what undoes
        the preprocessing.
    kind : str
        ``"picture"``, ``"table"``, ``"series"``, ``"sound"``, ``"text"`` or ``"array"``.
    layout : str, optional
        One letter per axis of `x`, for the ``layout`` of `explain.attribute`; None where its rank does not tell.
    lengths : numpy.ndarray of int64, shape (N,), optional
        Of series and sounds of several lengths: the number of real steps; the steps after it are zeros.
    preprocessing : Preprocessing, optional
        For pictures: how they were made.
    doubts : tuple of (str, type)
        The warnings that `read` gave.
    """

    x: Any
    display: Display
    kind: str
    layout: str | None = None
    lengths: npt.NDArray[np.int64] | None = None
    preprocessing: Preprocessing | None = None
    doubts: tuple[tuple[str, type[PreprocessingWarning]], ...] = ()

    @property
    def keywords(self) -> dict[str, Any]:
        """What `explain.attribute` takes beside `x`: ``explain.attribute(model, inputs.x, **inputs.keywords)``."""
        given = {"display": self.display, "layout": self.layout, "lengths": self.lengths}
        return {name: value for name, value in given.items() if value is not None}

    def __len__(self) -> int:
        """Give the number of examples."""
        first = next(iter(self.x.values())) if isinstance(self.x, dict) else self.x
        return len(first)

    def __repr__(self) -> str:
        """Say what was read on one line, without its values."""
        if isinstance(self.x, dict):
            what = "{" + ", ".join(f"{name!r}: {value.shape}" for name, value in self.x.items()) + "}"
        else:
            what = f"{len(self.x)} strings" if isinstance(self.x, list) else f"{self.x.shape}"
        parts = [f"{self.kind}: {what}", f"layout {self.layout}" if self.layout else ""]
        parts += [f"{len(self.display.feature_names)} named features" if self.display.feature_names else ""]
        parts += [self.preprocessing.describe() if self.preprocessing else ""]
        return f"Inputs({'; '.join(filter(None, parts))})"
