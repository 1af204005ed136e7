"""Times metrics in this process: `python -m benchmarks.metric_calls ROUNDS PICTURES METRIC`.

It takes any number of metrics, runs in the environment of the peers, which has Quantus, and prints what it measured as
JSON. Each metric has the same model, map, draws and number of points in both libraries: Quantus gets the draws of
`explain` through ``perturb_func``, and the networks with random weights through ``explain_func``.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

import explain
from benchmarks.cases import CASES
from benchmarks.examples import examples_of, origin
from benchmarks.interleaving import Timed, interleaved, ratio, spread
from benchmarks.models_torch import model_of
from explain.metrics.faithfulness.infidelity import noisy_points
from explain.metrics.faithfulness.road import DRAWS as ROAD
from explain.metrics.faithfulness.road import drawn_noise
from explain.metrics.randomization.random_weights import random_weights
from explain.metrics.removal import ranks, removed_counts
from explain.metrics.robustness.neighbours import perturbed_inputs
from explain.metrics.subject import Subject
from explain.results.attribution import Attribution

EXPLAIN, QUANTUS, BARE = "explain", "Quantus", "bare passes"
OPTIONS: dict[str, dict[str, Any]] = {
    "deletion": {"n_steps": 24, "reference": 0.0},
    "infidelity": {"perturbation": "gaussian", "n_samples": 32},
    "max_sensitivity": {"radius": 0.02, "n_samples": 10},
    "model_parameter_randomization": {},
    "road": {"fractions": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)},
}
_SEED = 0
# A call on one picture takes milliseconds: several make one timing.
_REPEATS = {1: 3}

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Setting:
    """The model with its pictures and their map.

    Attributes
    ----------
    model : torch.nn.Module
        The model.
    attribution : Attribution
        The map by ``"saliency"``.
    x : numpy.ndarray of float32, shape (N, C, H, W)
        The pictures.
    target : numpy.ndarray of int, shape (N,)
        Their predicted classes.
    """

    model: nn.Module
    attribution: Attribution
    x: Array
    target: Array

    @property
    def values(self) -> Array:
        """The map, shape (N, C, H, W)."""
        return self.attribution.values

    @property
    def places(self) -> Array:
        """The value of each pixel, shape (N, H·W)."""
        found: Array = self.values.sum(axis=1, dtype=np.float64).reshape(len(self.x), -1)
        return found

    def subject(self) -> Subject:
        """Give what a metric sees, from which it draws its random numbers."""
        return Subject(self.model, self.attribution, {}, seed=_SEED)

    def measured(self, metric: str) -> Any:
        """Measure with ``explain.evaluate``."""
        asked = [(metric, OPTIONS[metric])]
        found = explain.evaluate(self.model, self.attribution, asked, seed=_SEED, progress=False)
        return found[metric]

    def by_quantus(self, name: str, maps: Array, call: dict[str, Any], **options: Any) -> Any:
        """Measure with Quantus, all pictures in one batch."""
        kind = getattr(import_module("quantus"), name)
        metric = kind(**{"abs": False, "normalise": False, **options}, disable_warnings=True)
        given = {"x_batch": self.x, "y_batch": self.target, "a_batch": maps}
        return metric(model=self.model, channel_first=True, batch_size=len(self.x), **given, **call)

    def scores(self, points: Array, size: int, *, is_probability: bool) -> Array:
        """Run the model on points, (K, N, C, H, W) to (K, N), `size` at a time, and nothing else."""
        flat = points.reshape(-1, *points.shape[2:])
        target = torch.from_numpy(np.tile(self.target, len(points)))[:, np.newaxis]
        found = []
        with torch.no_grad():
            for start in range(0, len(flat), size):
                logits = self.model(torch.from_numpy(flat[start : start + size]))
                outputs = logits.softmax(1) if is_probability else logits
                found.append(outputs.gather(1, target[start : start + size]))
        return torch.cat(found).reshape(points.shape[:2]).numpy()

    def gradients(self, points: Array, size: int) -> None:
        """Take the gradients at points, (K, N, C, H, W), `size` at a time, and nothing else."""
        flat = points.reshape(-1, *points.shape[2:])
        target = np.tile(self.target, len(points))
        for start in range(0, len(flat), size):
            gradient(self.model, flat[start : start + size], target[start : start + size])


def gradient(model: nn.Module, inputs: Array, targets: Array, **_: Any) -> Array:
    """Give the gradient of a logit, as Quantus asks for explanations."""
    x = torch.from_numpy(np.asarray(inputs, np.float32)).requires_grad_()
    scores = model(x).gather(1, torch.from_numpy(targets)[:, np.newaxis])
    (found,) = torch.autograd.grad(scores.sum(), x)
    return found.numpy()


@dataclass(frozen=True)
class Calls:
    """A metric three times: from the size of batches to the passes alone, and what Quantus gives of both results.

    Parameters
    ----------
    quantus : callable
        Gives what `read` gives of our result.
    bare : callable
        From the number of points at a time to the passes of the model alone, at inputs that are there already.
    read : callable
        From our `Measurement` to what Quantus gives too.
    points : int
        The number of passes of one picture.
    """

    quantus: Callable[[], Array]
    bare: Callable[[int], Any]
    read: Callable[[Any], Array]
    points: int


def deletion(one: Setting) -> Calls:
    """Remove all pixels in equal steps; Quantus counts features, and gets our pixels by ``perturb_func``."""
    n_steps, shape = OPTIONS["deletion"]["n_steps"], one.x.shape
    count = shape[2] * shape[3]
    order = np.stack([ranks(own) for own in one.places])[:, np.newaxis]
    whole = one.x.reshape(*shape[:2], count)
    counts = removed_counts(count, n_steps)

    def without(number: int) -> Array:
        return np.where(order < number, np.float32(0), whole)

    def quantus() -> Array:
        numbers = iter(counts[1:].tolist())

        def removed(arr: Array, indices: Array, **_: Any) -> Array:
            return without(next(numbers)).reshape(arr.shape)

        options = {"features_in_step": one.x[0].size // n_steps, "perturb_func": removed}
        return np.array(one.by_quantus("PixelFlipping", one.values, {"softmax": True}, **options))

    points = np.stack([without(number).reshape(shape) for number in counts.tolist()])
    bare = partial(one.scores, points, is_probability=True)
    return Calls(quantus, lambda size: bare(size), lambda found: found.curve[:, 1:], len(points))


def infidelity(one: Setting) -> Calls:
    """Add noise; Quantus gets the noisy pictures by ``perturb_func``, with one patch of the picture's size."""
    subject, count = one.subject(), OPTIONS["infidelity"]["n_samples"]
    with subject.opened() as model:
        (moved,) = noisy_points(subject, model, 0.1, count).inputs(slice(0, len(one.x)), slice(0, count))
    noisy = np.ascontiguousarray(np.moveaxis(moved.reshape(-1, count, *one.x.shape[1:]), 1, 0))

    def quantus() -> Array:
        options = {"perturb_patch_sizes": [one.x.shape[2]], "n_perturb_samples": count}
        return np.array(one.by_quantus("Infidelity", one.values, {}, **options, perturb_func=in_turn(noisy)))

    points = np.concatenate([one.x[np.newaxis], noisy])
    bare = partial(one.scores, points, is_probability=False)
    return Calls(quantus, lambda size: bare(size), lambda found: found.values, len(points))


def max_sensitivity(one: Setting) -> Calls:
    """Explain pictures near by; Quantus gets them by ``perturb_func``."""
    options = OPTIONS["max_sensitivity"]
    subject = one.subject()
    near = [
        perturbed_inputs(subject, row, options["radius"], options["n_samples"]) for row in range(len(one.x))
    ]
    points = np.stack(near, axis=1)

    def quantus() -> Array:
        call = {"explain_func": gradient}
        asked = {"nr_samples": len(points), "perturb_func": in_turn(points)}
        return np.array(one.by_quantus("MaxSensitivity", one.values, call, **asked))

    return Calls(quantus, partial(one.gradients, points), lambda found: found.values, len(points))


def model_parameter_randomization(one: Setting) -> Calls:
    """Explain with random weights, one layer more each time; Quantus gets our networks by ``explain_func``."""
    networks = [one.model]
    with random_weights(one.subject()) as network:
        for position in reversed(range(len(network.labels))):
            network.randomize(position)
            networks.append(deepcopy(network.model))

    def quantus() -> Array:
        following = iter(networks)

        def explained(model: nn.Module, inputs: Array, targets: Array, **_: Any) -> Array:
            return gradient(next(following), inputs, targets).sum(axis=1, keepdims=True)

        maps = one.places.reshape(len(one.x), 1, *one.x.shape[2:])
        by_layer = one.by_quantus("MPRT", maps, {"explain_func": explained}, abs=True)
        return np.stack([values for name, values in by_layer.items() if name != "original"], axis=1)

    points = np.repeat(one.x[np.newaxis], len(networks) - 1, axis=0)
    return Calls(quantus, partial(one.gradients, points), lambda found: found.curve, len(points))


def road(one: Setting) -> Calls:
    """Impute removed pixels; of pictures in colour Quantus takes values for pixels, so it gets our pixels."""
    subject, shape = one.subject(), one.x.shape
    size = shape[2] * shape[3]
    order = np.argsort(-one.places, axis=1, kind="stable")
    every = [(point, row) for point in range(len(OPTIONS["road"]["fractions"])) for row in range(len(one.x))]
    removed = [order[row, : int(size * OPTIONS["road"]["fractions"][point] + 1e-9)] for point, row in every]
    noise = [
        drawn_noise(subject.generator(ROAD, row, point), *shape[2:], shape[1]).reshape(size, -1)[own].T
        for (point, row), own in zip(every, removed, strict=True)
    ]
    impute = import_module("quantus.functions.perturb_func").noisy_linear_imputation

    def imputed_in_turn() -> Callable[..., Array]:
        following = iter(removed)
        return lambda arr, indices, **_: impute(arr=arr, indices=next(following), noise=0.01)

    def quantus() -> Array:
        percentages = [100 * one for one in OPTIONS["road"]["fractions"]]
        with mock.patch("numpy.random.randn", side_effect=noise), outputs_of(one.model) as seen:
            one.by_quantus(
                "ROAD",
                one.places.reshape(len(one.x), 1, *shape[2:]),
                {},
                percentages=percentages,
                perturb_func=imputed_in_turn(),
            )
        # It returns only how often the target's probability is the largest.
        found: Array = torch.stack(seen, dim=1).softmax(2).numpy()[np.arange(len(one.x)), :, one.target]
        return found

    with mock.patch("numpy.random.randn", side_effect=noise):
        imputed = imputed_in_turn()
        points = np.stack([imputed(arr=one.x[row], indices=None) for _, row in every]).astype(np.float32)
    bare = partial(one.scores, points.reshape(-1, *shape), is_probability=True)
    return Calls(quantus, lambda size: bare(size), lambda found: found.curve, len(points) // len(one.x))


METRICS = {
    one.__name__: one for one in (deletion, infidelity, max_sensitivity, model_parameter_randomization, road)
}


def in_turn(points: Array) -> Callable[..., Array]:
    """Give the perturbation of Quantus that gives these inputs, shape (K, N, ...), one after the other."""
    following = iter(points)
    return lambda arr, indices, **_: next(following).reshape(arr.shape)


@contextmanager
def outputs_of(model: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Keep what the model gives."""
    seen: list[torch.Tensor] = []
    hook = model.register_forward_hook(lambda _, __, logits: seen.append(logits.detach()))
    try:
        yield seen
    finally:
        hook.remove()


def setting(pictures: int) -> Setting:
    """Load the model and its pictures."""
    case = next(one for one in CASES if one.name == "cifar_keras-torch")
    x, model = examples_of(replace(case, examples=pictures)), model_of(case)
    with torch.no_grad():
        target = model(torch.from_numpy(x)).argmax(1).numpy()
    attribution = explain.attribute(model, x, "saliency", target=target.tolist())
    assert isinstance(attribution, Attribution)
    return Setting(model, attribution, x, target)


def measured(metric: str, pictures: int, rounds: int) -> dict[str, Any]:
    """Time one metric in both libraries, beside the passes that it needs, after a first call of each."""
    one = setting(pictures)
    calls = METRICS[metric](one)
    with outputs_of(one.model) as seen:
        ours = calls.read(one.measured(metric))
    # What the model gets at a time; other passes ask about the model itself.
    size = max(map(len, seen), default=pictures)
    if metric == "model_parameter_randomization":
        size = pictures
    quantus = calls.quantus()
    contenders = {
        EXPLAIN: Timed(partial(one.measured, metric)),
        QUANTUS: Timed(calls.quantus),
        BARE: Timed(partial(calls.bare, size)),
    }
    contenders[BARE].seconds()
    seconds = interleaved(contenders, rounds, metric, repeats=_REPEATS.get(pictures, 1))
    return {
        "points": calls.points,
        "at once": size,
        "apart": float(np.abs(ours - quantus).max() / np.abs(quantus).max()),
        "seconds": {name: spread(spent) for name, spent in seconds.items()},
        "ratios": {
            f"{slower} / {faster}": ratio(seconds, slower, faster)
            for slower, faster in ((QUANTUS, EXPLAIN), (EXPLAIN, BARE), (QUANTUS, BARE))
        },
    }


def main() -> None:
    """Measure the metrics that are named."""
    rounds, pictures, *names = sys.argv[1:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {name: measured(name, int(pictures), int(rounds)) for name in names}
    versions = {"PyTorch": torch.__version__, "Quantus": version("quantus"), "NumPy": np.__version__}
    about = {"versions": versions, "threads": torch.get_num_threads(), "examples": origin()}
    print(json.dumps({"metrics": found, **about}))


if __name__ == "__main__":
    main()
