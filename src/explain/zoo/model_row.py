"""A row of the table of the seed models: what a model is made of, and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from explain.zoo.layers import Framework, ParameterLayer, PlainLayer
from explain.zoo.model_input import ModelInput

Output = Literal["logits", "probabilities", "log-probabilities"]

FRAMEWORKS: tuple[Framework, ...] = ("torch", "tensorflow")


@dataclass(frozen=True)
class Recipe:
    """How a seed model is trained: Adam with decoupled weight decay, a warm-up and a cosine schedule.

    Parameters
    ----------
    epochs : int
        Passes over the training set.
    batch_size : int
        Examples per step.
    learning_rate : float
        The highest learning rate, reached after the warm-up.
    weight_decay : float
        Decoupled weight decay of every parameter.
    augmentation : bool
        Whether pictures are mirrored at random and shifted by up to four pixels.
    clip_norm : float, optional
        The global norm to which gradients are clipped, for recurrent models.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    augmentation: bool = False
    clip_norm: float | None = None


@dataclass(frozen=True, kw_only=True)
class SeedModel(ModelInput):
    """One row of the table; the fields of its input are documented at `ModelInput`.

    Parameters
    ----------
    name : str
        The name that `explain.zoo.load` takes.
    summary : str
        A description of the model in one sentence.
    native : {"torch", "tensorflow"}
        The framework that trained the model, and whose tensor names its weight file uses.
    dataset : str
        The data set that it was trained on, as `explain.zoo.data.dataset` takes it.
    classes : tuple of str
        The names of its outputs, in order.
    output : {"logits", "probabilities", "log-probabilities"}
        The kind of its outputs.
    required_accuracy : float
        The test accuracy below which a training run has failed.
    architecture : tuple of ParameterLayer or PlainLayer
        Every layer, in order. `names_rnn`, `names_transformer` and, in PyTorch, `fashion_rnn` and those of motifs
        connect them in their own code, the other models are a plain chain of layers.
    recipe : Recipe
        The settings of its training.
    """

    name: str
    summary: str
    native: Framework
    dataset: str
    classes: tuple[str, ...]
    output: Output
    required_accuracy: float
    architecture: tuple[ParameterLayer | PlainLayer, ...]
    recipe: Recipe

    @property
    def layers(self) -> tuple[ParameterLayer, ...]:
        """The layers that hold parameters, in order."""
        return tuple(layer for layer in self.architecture if isinstance(layer, ParameterLayer))
