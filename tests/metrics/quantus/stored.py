"""A small model with fixed examples and maps, and what Quantus 0.6 measures on them, stored by ``make``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

import explain
from explain.results.attribution import Attribution

FILE = Path(__file__).with_name("values.json")
N, SIZE, CLASSES = 6, 8, 4
PLACES = SIZE * SIZE
SEED = 3

Floats = npt.NDArray[np.float64]


class Network(nn.Module):
    """Two layers of tanh over pictures (N, C, 8, 8), in float64 whatever the inputs are: Quantus hands on float32."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, 4, 3, padding=1)
        self.hidden = nn.Linear(4 * PLACES, 8)
        self.head = nn.Linear(8, CLASSES)
        generator = np.random.default_rng(channels)
        with torch.no_grad():
            for parameter in self.parameters():
                # As wide as PyTorch's own, without its generator.
                bound = 1 / np.sqrt(parameter[0].numel() if parameter.ndim > 1 else 8)
                parameter.copy_(torch.from_numpy(generator.uniform(-bound, bound, tuple(parameter.shape))))
        self.double().eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits (N, 4)."""
        found = torch.tanh(self.convolution(x.double()))
        logits: Tensor = self.head(torch.tanh(self.hidden(found.flatten(1))))
        return logits


@dataclass(frozen=True)
class Fixture:
    """A model with N examples.

    Attributes
    ----------
    model : Network
        The model.
    x : numpy.ndarray of float32, shape (N, C, 8, 8)
        The examples.
    target : numpy.ndarray of int, shape (N,)
        Their targets.
    given : numpy.ndarray of float32, shape (N, C, 8, 8)
        Maps without ties, that the model has nothing to do with.
    masks : numpy.ndarray of bool, shape (N, 8, 8)
        Where the object is.
    """

    model: Network
    x: npt.NDArray[np.float32]
    target: npt.NDArray[np.intp]
    given: npt.NDArray[np.float32]
    masks: npt.NDArray[np.bool_]

    def gradient(
        self, x: npt.NDArray[Any], target: npt.NDArray[Any], model: nn.Module | None = None
    ) -> Floats:
        """Give the gradient of a logit by PyTorch alone, in the single precision that a result holds."""
        at = torch.tensor(np.asarray(x, np.float32)).requires_grad_()
        logits = (model or self.model)(at).gather(1, torch.as_tensor(np.asarray(target))[:, None])
        (found,) = torch.autograd.grad(logits.sum(), at)
        return found.numpy().astype(np.float64)

    def attribution(self, values: npt.NDArray[Any] | None = None) -> Attribution:
        """Give a result of ``explain.attribute`` that holds these values; by default its own, the gradients."""
        own = explain.attribute(self.model, self.x, "saliency", target=self.target.tolist())
        assert isinstance(own, Attribution)
        return own if values is None else replace(own, values=np.asarray(values, np.float32))


@cache
def fixture(channels: int = 1) -> Fixture:
    """Make the model and its examples; the same in every environment."""
    generator = np.random.default_rng(100 + channels)
    shape = (N, channels, SIZE, SIZE)
    masks = np.zeros((N, SIZE, SIZE), bool)
    for row in range(N):
        masks[row, row % 3 : row % 3 + 4, 1:6] = True
    return Fixture(
        model=Network(channels),
        x=generator.uniform(-1, 1, shape).astype(np.float32),
        target=generator.integers(0, CLASSES, N),
        given=generator.normal(size=shape).astype(np.float32),
        masks=masks,
    )


@dataclass(frozen=True)
class Case:
    """A metric of ours whose values are Quantus' too.

    Parameters
    ----------
    metric : str
        Our metric.
    options : Mapping
        Our options.
    channels : int
        The channels of the pictures.
    explained : bool
        Whether the maps are gradients of the model; else the given ones, which the model has nothing to do with.
    read : callable
        From the `Measurement` to what is stored; by default its values.
    """

    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)
    channels: int = 1
    explained: bool = False
    read: Callable[[Any], Any] = lambda found: found.values

    def measured(self) -> Floats:
        """Measure with ``explain.evaluate``."""
        one = fixture(self.channels)
        found = explain.evaluate(
            one.model,
            one.attribution(None if self.explained else one.given),
            [(self.metric, self.options)],
            masks=one.masks,
            seed=SEED,
            progress=False,
        )
        return np.asarray(self.read(found[self.metric]), np.float64)


# In two steps a place, as PixelFlipping takes features.
_STEPS = {"n_steps": PLACES // 2, "reference": 0.0}

CASES = {
    # PixelFlipping has no point before anything is removed.
    "deletion": Case("deletion", _STEPS, read=lambda found: found.curve[:, 1:]),
    "insertion": Case("insertion", _STEPS, read=lambda found: found.curve[:, 1:]),
    "sparseness": Case("sparseness"),
    "sparseness of several channels": Case("sparseness", channels=3),
}
"""What is compared, by the name under which it is stored."""


def stored() -> dict[str, Any]:
    """Load what Quantus measured: the values by the name of the case, and the versions that made them."""
    held: dict[str, Any] = json.loads(FILE.read_text())
    return held
