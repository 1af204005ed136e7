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
from explain.metrics.subject import Subject
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

    def attribution(self, method: str, values: npt.NDArray[Any] | None = None) -> Attribution:
        """Give a result of ``explain.attribute``, with its own values or with these."""
        own = explain.attribute(self.model, self.x, method, target=self.target.tolist())
        assert isinstance(own, Attribution)
        return own if values is None else replace(own, values=np.asarray(values, np.float32))

    def subject(self) -> Subject:
        """Give what a metric sees, from which it draws its random numbers."""
        return Subject(self.model, self.attribution("saliency"), {}, seed=SEED)


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
    method : str
        The method of the maps, whose values are slopes for ``"saliency"`` and shares of the score for others.
    explained : bool
        Whether the maps are the method's own; else the given ones, which the model has nothing to do with.
    read : callable
        From the `Measurement` to what is stored; by default its values.
    """

    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)
    channels: int = 1
    method: str = "input_x_gradient"
    explained: bool = False
    read: Callable[[Any], Any] = lambda found: found.values

    def measured(self) -> Floats:
        """Measure with ``explain.evaluate``."""
        one = fixture(self.channels)
        found = explain.evaluate(
            one.model,
            one.attribution(self.method, None if self.explained else one.given),
            [(self.metric, self.options)],
            masks=one.masks,
            seed=SEED,
            progress=False,
        )
        return np.asarray(self.read(found[self.metric]), np.float64)


# Two places a step, as PixelFlipping takes features; zeros take the place of what is removed.
_STEPS = {"n_steps": PLACES // 2, "reference": 0.0}
_NEAR = {"radius": 0.1, "n_samples": 8}
SUBSETS, SIZES = 20, (0.1, 0.3, 0.8)
FRACTIONS = (0.1, 0.25, 0.5, 0.75, 0.9)
# Sixteen squares of four places.
SEGMENTS = np.arange(16).reshape(4, 4).repeat(2, axis=0).repeat(2, axis=1)
# What the masks have of all places.
SHARE = 20 / PLACES

CASES = {
    # PixelFlipping has no point before anything is removed.
    "deletion": Case("deletion", _STEPS, read=lambda found: found.curve[:, 1:]),
    "deletion of pixels with channels": Case(
        "deletion",
        {"n_steps": PLACES, "reference": 0.0},
        channels=3,
        read=lambda found: found.curve[:, 1:],
    ),
    "insertion": Case("insertion", _STEPS, read=lambda found: found.curve[:, 1:]),
    "pixel_flipping": Case("pixel_flipping", {"places_per_step": 1, "reference": 0.0}, channels=3),
    "faithfulness_correlation": Case(
        "faithfulness_correlation",
        {"n_subsets": SUBSETS, "subset_size": 7, "reference": 0.0, "score": "explained"},
    ),
    "faithfulness_estimate": Case(
        "faithfulness_estimate", {"n_groups": PLACES, "reference": 0.0, "score": "probability"}
    ),
    "sensitivity_n": Case(
        "sensitivity_n",
        {"sizes": SIZES, "n_subsets": SUBSETS, "reference": 0.0, "score": "explained"},
        read=lambda found: found.curve,
    ),
    # Quantus tells only whether the score never falls, and leaves out the step from the reference.
    "monotonicity": Case(
        "monotonicity",
        {"n_steps": 2, "reference": 0.0, "score": "probability"},
        read=lambda found: (np.diff(found.curve[:, 1:]) >= 0).all(axis=1),
    ),
    "monotonicity by size": Case(
        "monotonicity",
        {"n_steps": 4, "absolute": True, "reference": 0.0, "score": "probability"},
        read=lambda found: (np.diff(found.curve[:, 1:]) >= 0).all(axis=1),
    ),
    "monotonicity_correlation": Case(
        "monotonicity_correlation",
        {"n_groups": PLACES, "n_samples": 4, "replacement": "places", "score": "probability"},
    ),
    # IROF does not divide the area by the number of segments, and leaves out the first half of a trapezoid.
    "irof": Case(
        "irof",
        {"feature_mask": SEGMENTS, "reference": 0.0},
        channels=3,
        read=lambda found: found.values * SEGMENTS.max() + found.values + 0.5 * (1 + found.curve[:, 1]),
    ),
    "road": Case("road", {"fractions": FRACTIONS}, read=lambda found: found.curve),
    "road of pixels with channels": Case(
        "road", {"fractions": FRACTIONS}, channels=3, read=lambda found: found.curve
    ),
    "infidelity to noise": Case(
        "infidelity", {"perturbation": "gaussian", "n_samples": 16}, channels=3, method="saliency"
    ),
    "infidelity to removal": Case(
        "infidelity",
        {"perturbation": "removal", "n_samples": 16, "reference": 0.0},
        channels=3,
        method="saliency",
    ),
    "sparseness": Case("sparseness"),
    "sparseness of several channels": Case("sparseness", channels=3),
    "complexity": Case("complexity", channels=3),
    "effective_complexity": Case("effective_complexity", {"tolerance": 0.3}, channels=3),
    "max_sensitivity": Case("max_sensitivity", _NEAR, channels=3, method="saliency", explained=True),
    "avg_sensitivity": Case("avg_sensitivity", _NEAR, channels=3, method="saliency", explained=True),
    "local_lipschitz": Case("local_lipschitz", _NEAR, channels=3, method="saliency", explained=True),
    "relative_input_stability": Case(
        "relative_input_stability", _NEAR, channels=3, method="saliency", explained=True
    ),
    "relative_output_stability": Case(
        "relative_output_stability", _NEAR, channels=3, method="saliency", explained=True
    ),
    "model_parameter_randomization": Case(
        "model_parameter_randomization",
        channels=3,
        method="saliency",
        explained=True,
        read=lambda found: found.curve,
    ),
    "efficient_model_parameter_randomization": Case(
        "efficient_model_parameter_randomization", channels=3, method="saliency", explained=True
    ),
    "random_logit": Case("random_logit", channels=3, method="saliency", explained=True),
    "pointing_game": Case("pointing_game", channels=3),
    "relevance_mass_accuracy": Case("relevance_mass_accuracy", channels=3),
    "relevance_rank_accuracy": Case("relevance_rank_accuracy", channels=3),
    "top_k_intersection": Case("top_k_intersection", {"k": 10}, channels=3),
    "top_k_intersection by the size of the mask": Case(
        "top_k_intersection", {"k": 10, "concept_influence": True}, channels=3
    ),
    # Quantus' weight is another: its share is stored without.
    "attribution_localization": Case(
        "attribution_localization", channels=3, read=lambda found: found.values * SHARE
    ),
    "localization_auc": Case("localization_auc", channels=3),
}
"""What is compared, by the name under which it is stored."""


def stored() -> dict[str, Any]:
    """Load what Quantus measured: the values by the name of the case, and the versions that made them."""
    held: dict[str, Any] = json.loads(FILE.read_text())
    return held
