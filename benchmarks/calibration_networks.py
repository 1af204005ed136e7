"""The networks whose estimated map error is compared with the true one: two of the shipped ones, and others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmarks.cases import CASES, Case
from benchmarks.examples import examples_of
from benchmarks.models_torch import logits_of, model_of
from explain import zoo

Floats = npt.NDArray[np.float32]

TUNED = ("cifar_net", "cifar_keras")
"""The networks on which the rule to stop was tuned: they are reported apart."""

TRANSFORMER = "names_transformer"
LARGE = "efficientnet_lite0"
_RECURRENT = ("fashion_rnn", "lstm")
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "ReLU": nn.ReLU,
    "LeakyReLU": lambda: nn.LeakyReLU(0.1),
    "GELU": nn.GELU,
}
_SEEDS = (0, 1, 2)
_FEATURES, _WIDTH = 24, 64
_SIDE, _CHANNELS = 12, 12
_CLASSES = 5

NAMES = (
    *TUNED,
    *_RECURRENT,
    TRANSFORMER,
    LARGE,
    *(f"random {kind}, {activation}" for kind in ("MLP", "CNN") for activation in _ACTIVATIONS),
)
"""All networks, in the order of the page."""


@dataclass(frozen=True)
class Network:
    """A network and its examples.

    Attributes
    ----------
    name : str
        Its name on the page; random networks that differ in their seed alone share one.
    model : torch.nn.Module
        The model, as its user gives it.
    logits : torch.nn.Module
        A module that gives the logits to explain.
    x : numpy.ndarray of float32
        The examples.
    at_once : int
        The points of one pass of the reference.
    """

    name: str
    model: nn.Module
    logits: nn.Module
    x: Floats
    at_once: int = 256


class NamesFromVectors(nn.Module):
    """`names_transformer` behind its embedding: (N, T, 48) vectors of letters without padding to (N, 18) logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, vectors: Tensor) -> Tensor:
        """Give the logits, by the operations of the model itself."""
        part = self.model.get_submodule
        read = torch.ones(vectors.shape[:2], dtype=torch.bool, device=vectors.device)
        x = vectors + part("positions")(torch.arange(vectors.shape[1], device=vectors.device))
        for number in (1, 2):
            x = x + self.model._attention(number, part(f"attention_norm{number}")(x), read)
            wide = nn.functional.gelu(part(f"widen{number}")(part(f"dense_norm{number}")(x)))
            x = x + part(f"narrow{number}")(wide)
        logits: Tensor = part("classify")(part("norm")(x).mean(1))
        return logits


def networks(examples: int, large_examples: int, only: list[str] | None) -> Iterator[Network]:
    """Give the networks one after another, so that only one is held.

    Parameters
    ----------
    examples, large_examples : int
        The number of examples of a shipped network and of EfficientNet-Lite0. Random networks have half as many each.
    only : list of str, optional
        Their names; None for all.
    """
    cases = {case.model: case for case in CASES if case.framework == "torch"}
    for name in NAMES:
        if only and name not in only:
            continue
        if name == TRANSFORMER:
            yield _transformer(replace(cases["names_rnn"], examples=examples))
        elif name == LARGE:
            yield _of_case(replace(cases[name], examples=large_examples), at_once=4)
        elif name in cases:
            yield _of_case(replace(cases[name], examples=examples))
        else:
            for seed in _SEEDS:
                model, x = _random(name, seed, max(2, examples // 2))
                yield Network(name, model, model, x)


def _of_case(case: Case, at_once: int = 256) -> Network:
    model = model_of(case)
    return Network(case.model, model, logits_of(case, model), examples_of(case), at_once)


def _transformer(names: Case) -> Network:
    model = zoo.load(TRANSFORMER, framework="torch").eval().requires_grad_(False)
    # The places of the letters, from 1; a name of the case has no padding.
    ids = examples_of(names).argmax(axis=-1) + 1
    vectors = model.embedding(torch.from_numpy(ids)).numpy()
    network = NamesFromVectors(model)
    return Network(TRANSFORMER, network, network, vectors)


def _random(name: str, seed: int, examples: int) -> tuple[nn.Module, Floats]:
    """Give a network with the weights of a seed, the deeper the larger the seed, and normal examples."""
    build = _perceptron if "MLP" in name else _convolutional
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, shape = build(_ACTIVATIONS[name.split(", ")[1]], depth=2 + seed)
        for weights in (one.weight for one in model.modules() if isinstance(one, nn.Linear | nn.Conv2d)):
            # Signals neither grow nor shrink from layer to layer, or few kinks would be near the path.
            nn.init.kaiming_normal_(weights)
    x = np.random.default_rng(seed).normal(size=(examples, *shape)).astype(np.float32)
    return model.eval().requires_grad_(False), x


def _perceptron(activation: Callable[[], nn.Module], depth: int) -> tuple[nn.Module, tuple[int, ...]]:
    widths = [_FEATURES, *[_WIDTH] * depth]
    layers = [
        layer for before, after in pairwise(widths) for layer in (nn.Linear(before, after), activation())
    ]
    return nn.Sequential(*layers, nn.Linear(_WIDTH, _CLASSES)), (_FEATURES,)


def _convolutional(activation: Callable[[], nn.Module], depth: int) -> tuple[nn.Module, tuple[int, ...]]:
    channels = [3, *[_CHANNELS] * depth]
    layers = [
        layer
        for before, after in pairwise(channels)
        for layer in (nn.Conv2d(before, after, 3, padding=1), activation())
    ]
    head = (nn.AvgPool2d(2), nn.Flatten(), nn.Linear(_CHANNELS * (_SIDE // 2) ** 2, _CLASSES))
    return nn.Sequential(*layers, *head), (3, _SIDE, _SIDE)
