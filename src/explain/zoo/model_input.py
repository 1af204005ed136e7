"""The input of a model of the zoo: shape, layout and range; seed models and pretrained models share this class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.inputs.display import Display
from explain.inputs.layout import ChannelOrder
from explain.preprocessing.settings import Preprocessing
from explain.zoo.layers import Framework


@dataclass(frozen=True, kw_only=True)
class ModelInput:
    """The input of a model.

    Parameters
    ----------
    example_shape : Mapping of framework to tuple
        Shape of one example, without the batch axis; None on an axis of any length.
    layout : Mapping of framework to str
        The layout of a batch, one letter per axis.
    mean, scale : float
        A picture in [0, 1] is ``x * scale + mean``.
    bounds : tuple of float
        The smallest and the largest value of a valid input.
    """

    example_shape: Mapping[Framework, tuple[int | None, ...]]
    layout: Mapping[Framework, str]
    mean: float
    scale: float
    bounds: tuple[float, float]

    def laid_out(self, x: npt.NDArray[np.float32], framework: Framework) -> npt.NDArray[np.float32]:
        """Convert a batch with channels last to the layout of a framework, contiguous."""
        if self.layout[framework] == "NCHW":
            x = x.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(x)

    def preprocessing(self, framework: Framework) -> Preprocessing:
        """Give how pictures become the input of a model that takes pictures."""
        channels: ChannelOrder = "first" if self.layout[framework] == "NCHW" else "last"
        return Preprocessing(
            size=self.example_shape[framework][1],
            divide_by=255,
            mean=self.mean,
            std=self.scale,
            channels=channels,
            source="the zoo",
        )

    def display(self, classes: tuple[str, ...], **details: Any) -> Display:
        """Give the data needed to draw an input; `details` are further arguments of `Display`."""
        return Display(mean=self.mean, scale=self.scale, bounds=self.bounds, classes=classes, **details)
