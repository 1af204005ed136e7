"""The training loop and the test accuracy, the same for both frameworks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from explain.errors import OptionError
from explain.zoo.data import Split
from explain.zoo.extensions import extension
from explain.zoo.layers import Framework
from explain.zoo.model_row import SeedModel
from explain.zoo.seed_models import seed_model
from explain.zoo.training.batches import Batch, evaluation_batches, steps_of, training_batches

Progress = Callable[[int, int, float], None]
Update = Callable[[Batch], Any]


class FrameworkTraining(Protocol):
    """The functions that a framework implements for training: the module ``zoo.training`` of its extension."""

    TITLE: str

    def has_gpu(self) -> bool:
        """Tell whether the framework finds a CUDA device."""

    def versions(self) -> dict[str, str]:
        """Give the versions of the packages used for training, by name."""

    def started(self, model: SeedModel, seed: int, device: str) -> AbstractContextManager[tuple[Any, Update]]:
        """Build an untrained model with initial weights drawn from a seed, and an optimiser.

        The context gives the model and a function that runs one training step on a batch and returns the loss. On exit
        the model is ready for inference, on the CPU.
        """

    def predict(self, model: Any, batch: Batch) -> npt.NDArray[np.floating]:
        """Give the outputs of a model, shape (N, classes); for names, the outputs after the last character of each."""


def train(
    name: str,
    split: Split,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Any:
    """Train a seed model from scratch, in its native framework.

    Parameters
    ----------
    name : str
        One of `explain.zoo.names()`.
    split : Split
        The training set.
    epochs : int, optional
        Passes over the training set; by default the number in the model's recipe.
    seed : int
        Seed of the initial weights, of the order and of the augmentation. On one machine's CPU, the same
        seed gives the same weights.
    device : {"auto", "cpu", "cuda"}
        The device for training; ``"auto"`` uses a GPU if there is one.
    progress : callable, optional
        Called after every step with the number of steps done, the total number of steps and the loss of the step.

    Returns
    -------
    torch.nn.Module or keras.Model
        The trained model; a PyTorch model in evaluation mode, on the CPU.

    Raises
    ------
    OptionError
        If the device is unknown or not available.
    """
    model = seed_model(name)
    device = choose_device(model.native, device)
    epochs = model.recipe.epochs if epochs is None else epochs
    steps = steps_of(len(split), model.recipe, epochs)
    training: FrameworkTraining = extension(model.native, "training")
    with training.started(model, seed, device) as (trained, update):
        for step, batch in enumerate(training_batches(model, split, epochs, seed), start=1):
            loss = update(batch)
            # A read of the loss waits for the GPU, so read it only for a progress report.
            if progress is not None:
                progress(step, steps, float(loss))
    return trained


def accuracy(name: str, framework: Framework, trained: Any, split: Split) -> float:
    """Give the share of a split that a seed model classifies correctly.

    Parameters
    ----------
    name : str
        The name of the seed model.
    framework : {"torch", "tensorflow"}
        The framework of `trained`.
    trained : torch.nn.Module or keras.Model
        The model.
    split : Split
        The split, usually the test set.

    Returns
    -------
    float
        In [0, 1].
    """
    training: FrameworkTraining = extension(framework, "training")
    correct = 0
    for batch in evaluation_batches(seed_model(name), split):
        correct += int((training.predict(trained, batch).argmax(axis=1) == batch.y).sum())
    return correct / len(split)


def choose_device(framework: Framework, device: str) -> str:
    """Resolve ``"auto"``, ``"cpu"`` or ``"cuda"`` to an available device, ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    OptionError
        If the name is unknown, or the device is not available.

    Examples
    --------
    >>> choose_device("torch", "cpu")
    'cpu'
    """
    if device not in ("auto", "cpu", "cuda"):
        raise OptionError(f'device={device!r} is unknown: give "auto", "cpu" or "cuda".')
    training: FrameworkTraining = extension(framework, "training")
    found = training.has_gpu()
    if device == "cuda" and not found:
        raise OptionError(f'device="cuda" but {training.TITLE} finds no CUDA device: give "auto" or "cpu".')
    return "cuda" if device != "cpu" and found else "cpu"
