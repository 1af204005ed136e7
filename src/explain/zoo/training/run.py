"""Trains a seed model on its data set, and writes its weight file and its card."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from explain.files.atomic_write import replace_file
from explain.zoo.cards import write_card
from explain.zoo.data import dataset
from explain.zoo.extensions import extension
from explain.zoo.seed_models import seed_model
from explain.zoo.synthetic.sets import SETS_OF_MODELS
from explain.zoo.training.held_out import shortcut_figures
from explain.zoo.training.loop import Progress, accuracy, choose_device, train
from explain.zoo.weight_files import write_weights


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training run.

    Attributes
    ----------
    path : pathlib.Path
        The weight file; the card is in the same folder.
    test_accuracy : float
        Share of the test set that is classified correctly, in [0, 1].
    required_accuracy : float
        The share below which the run has failed.
    """

    path: Path
    test_accuracy: float
    required_accuracy: float


def train_and_write(
    name: str,
    folder: Path,
    *,
    device: str = "auto",
    seed: int = 0,
    epochs: int | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train a seed model in its native framework and write its weights and its card.

    Parameters
    ----------
    name : str
        One of `explain.zoo.names()`.
    folder : pathlib.Path
        The folder for ``NAME.safetensors`` and ``NAME.md``.
    device : {"auto", "cpu", "cuda"}
        The device for training.
    seed : int
        Seed of the initial weights, of the order and of the augmentation.
    epochs : int, optional
        Passes over the training set; by default the number in the model's recipe.
    progress : callable, optional
        Called after every step with the number of steps done, the total number of steps and the loss of the step.

    Returns
    -------
    TrainingResult
        The path of the weights and their test accuracy.

    Raises
    ------
    ZooError
        If there is no seed model of that name.
    DataError
        If its data set cannot be found, downloaded or read.
    FrameworkNotInstalledError
        If its native framework cannot be imported.
    OptionError
        If the device is unknown or not available.
    """
    model = seed_model(name)
    data = dataset(model.dataset)
    trained = train(name, data.train, epochs=epochs, seed=seed, device=device, progress=progress)
    reached = accuracy(name, model.native, trained, data.test)
    device_option = "" if device == "auto" else f" --device {device}"
    epochs_option = "" if epochs is None else f" --epochs {epochs}"
    metadata = {
        "name": name,
        "seed": seed,
        "epochs": model.recipe.epochs if epochs is None else epochs,
        "device": choose_device(model.native, device),
        "test_accuracy": reached,
        "test_examples": len(data.test),
        "versions": {
            "Python": platform.python_version(),
            "numpy": version("numpy"),
            **extension(model.native, "training").versions(),
        },
        "command": f"python gallery/train.py {name} --seed {seed}{device_option}{epochs_option}",
    }
    if model.dataset in SETS_OF_MODELS:
        metadata |= shortcut_figures(model, trained)
    path = folder / f"{name}.safetensors"
    write_weights(path, model, extension(model.native, "weights").parameters(trained), metadata)
    replace_file(path.with_suffix(".md"), write_card(model, metadata).encode())
    return TrainingResult(path, reached, model.required_accuracy)
