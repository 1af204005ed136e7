"""What one real architecture of the list says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# How many examples each architecture gets, and the seed of its weights and of its inputs.
EXAMPLES = 2
SEED = 16


@dataclass(frozen=True)
class Architecture:
    """A model from a published package, in a small configuration with random weights, and one use of it.

    Attributes
    ----------
    name, family, domain, framework, package
        `family` counts for the rule of at most four a family. `domain` is vision, video, volume, text, audio,
        series, graph, table or several.
    build
        Gives the model, with weights that the seed fixes. Nothing is downloaded.
    x
        Gives the input from a generator of random numbers: one array, or several in a tuple or a dict.
    target
        The output that is explained, as `attribute` takes it.
    arguments
        What else a user gives to `attribute`.
    score
        Gives the explained score, (N,), from what the model returns: what a reference differentiates. By default the
        target of `.logits`, or of the output itself.
    logits
        Gives from the model what returns its logits, where the model itself ends in a softmax or a sigmoid.
    ids
        The embedding layer that reads the ids, by name, where the input is whole numbers.
    """

    name: str
    family: str
    domain: str
    framework: str
    package: str
    build: Callable[[], Any]
    x: Callable[[np.random.Generator], Any]
    target: Any = 1
    arguments: Mapping[str, Any] = field(default_factory=dict)
    score: Callable[[Any], Any] | None = None
    logits: Callable[[Any], Callable[..., Any]] | None = None
    ids: str | None = None

    def inputs(self) -> Any:
        """Give the examples, the same at each call."""
        return self.x(np.random.default_rng(SEED))


def normal(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    """Standard normal numbers of that shape for each example."""
    return lambda generator: generator.standard_normal((EXAMPLES, *shape)).astype(np.float32)


def picture(*shape: int, scale: float = 1.0) -> Callable[[np.random.Generator], np.ndarray]:
    """Numbers in [0, scale] of that shape for each example, as pixels are."""

    def make(generator: np.random.Generator) -> np.ndarray:
        return (scale * generator.uniform(size=(EXAMPLES, *shape))).astype(np.float32)

    return make


def tokens(length: int, vocabulary: int = 50, first: int = 5) -> Callable[[np.random.Generator], np.ndarray]:
    """Ids from `first` on: special tokens lie below."""
    return lambda generator: generator.integers(first, vocabulary, (EXAMPLES, length))


def seeded_torch(make: Callable[[], Any], settle: tuple[int, ...] | None = None) -> Any:
    """Build a torch model in evaluation mode, all its weights drawn anew so that signals reach the output.

    `settle` is the shape of an example: batch norm takes its statistics from a batch of noise of that shape.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = make().eval()
        generator = torch.Generator().manual_seed(SEED)
        with torch.no_grad():
            for name, value in [*model.named_parameters(), *model.named_buffers()]:
                if not value.is_floating_point():
                    continue
                drawn = torch.randn(value.shape, generator=generator)
                kind = name.rsplit(".", 1)[-1]
                if kind == "running_mean":
                    value.copy_(0.1 * drawn)
                elif kind == "running_var":
                    value.copy_(1 + 0.1 * drawn.clamp(-3, 3))
                elif not isinstance(value, torch.nn.Parameter) or kind == "original0":
                    continue  # tables of positions, masks and windows; the lengths of weight normalisation
                elif value.ndim < 2:
                    value.add_(0.1 * drawn)
                elif value.numel() // value.shape[0] > 0:
                    fan_in = (
                        value[0].numel()
                        if kind in ("weight", "original1", "in_proj_weight")
                        else value.shape[-1]
                    )
                    value.copy_(drawn * ((2 if value.ndim > 3 else 1) / fan_in) ** 0.5)
            if settle is not None:
                norms = [
                    one for one in model.modules() if isinstance(one, torch.nn.modules.batchnorm._BatchNorm)
                ]
                for norm in norms:
                    norm.momentum = 1.0
                    norm.train()
                model(torch.randn((8, *settle), generator=generator))
                for norm in norms:
                    norm.eval()
    return model


def seeded_keras(make: Callable[[], Any], settle: tuple[int, ...] | None = None, scale: float = 1.0) -> Any:
    """Build a Keras model, all its weights drawn anew so that signals reach the output; `settle` as above."""
    import keras

    keras.utils.set_random_seed(SEED)
    model = make()
    generator = np.random.default_rng(SEED)
    for variable in model.weights:
        kind = variable.path.rsplit("/", 1)[-1]
        shape = tuple(variable.shape)
        drawn = generator.standard_normal(shape)
        if kind in ("mean", "variance", "count") or "float" not in str(variable.dtype):
            continue
        if kind in ("moving_mean", "beta", "bias"):
            variable.assign(0.1 * drawn)
        elif kind in ("moving_variance", "gamma", "scale", "g") or len(shape) < 2:
            variable.assign(variable.numpy() + 0.1 * np.clip(drawn, -3, 3))
        else:
            fan_in = shape[-1] if "embedding" in kind else int(np.prod(shape[:-1]))
            variable.assign(drawn * ((2 if len(shape) > 3 else 1) / fan_in) ** 0.5)
    if settle is not None:
        norms = [one for one in model._flatten_layers() if isinstance(one, keras.layers.BatchNormalization)]
        before = [one.momentum for one in norms]
        for norm in norms:
            norm.momentum = 0.0
        batch = (
            generator.standard_normal((8, *settle))
            if scale == 1
            else generator.uniform(0, scale, (8, *settle))
        )
        model(batch.astype(np.float32), training=True)
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
    return model
