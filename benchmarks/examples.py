"""The examples to explain: from the test sets in the data folder, else the shipped samples, repeated with jitter."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.cases import NAME_LENGTH, Case
from explain import zoo
from explain.zoo.data import FOLDER_VARIABLE, Split, dataset
from explain.zoo.model_row import SeedModel
from explain.zoo.preprocessing import prepare
from explain.zoo.seed_models import SEED_MODELS

Floats = npt.NDArray[np.float32]

_SEED = 0
# As a fraction of a pixel's range: large enough that no two repeats are equal, too small to see.
_JITTER = 0.02
# The usual statistics of ImageNet's channels, in which EfficientNet-Lite0's weights were trained.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def data_folder() -> Path | None:
    """Give the folder of data sets in ``EXPLAIN_DATA``; None if the variable is not set."""
    stated = os.environ.get(FOLDER_VARIABLE)
    return Path(stated).expanduser() if stated else None


def origin() -> str:
    """Describe the source of the examples."""
    return (
        "test sets"
        if data_folder()
        else "the samples that ship with the package, repeated with seeded jitter"
    )


def examples_of(case: Case) -> Floats:
    """Give the examples of a case, preprocessed, in its framework's layout.

    Parameters
    ----------
    case : Case
        The case to measure.

    Returns
    -------
    numpy.ndarray of float32, shape (examples, *shape)
        The same examples in every run with the same data.
    """
    if case.model == "convolutional":
        return np.random.default_rng(_SEED).random((case.examples, *case.shape), dtype=np.float32)
    if case.model in ("resnet18", "efficientnet_lite0"):
        return photographs(case.examples, case.shape[-1])
    model = SEED_MODELS["fashion_rnn" if case.model == "lstm" else case.model]
    framework = "tensorflow" if case.framework == "tensorflow" else "torch"
    if data_folder():
        x = prepare(model, chosen(test_split(model.dataset), case.examples, model).x, framework)
    else:
        x = zoo.samples(model.name, framework=framework).x
    if model.dataset == "names":
        # Use only names with at least this many letters, cut to this length, so that no example has padding.
        x = x[x[:, :NAME_LENGTH].any(axis=2).all(axis=1), :NAME_LENGTH]
    return repeated(x, case.examples, jitter=0.0 if model.dataset == "names" else _JITTER)


@cache
def test_split(name: str) -> Split:
    """Read a test set once: decoding a whole data set takes longer than most cases."""
    return dataset(name).test


def chosen(split: Split, count: int, model: SeedModel) -> Split:
    """Draw examples of a split; for names twenty times as many, since short names are dropped later."""
    generator = np.random.default_rng(_SEED)
    many = min(len(split), 20 * count if model.dataset == "names" else count)
    return split.take(np.sort(generator.choice(len(split), many, replace=False)))


def repeated(x: Floats, count: int, jitter: float) -> Floats:
    """Give `count` examples: the examples of `x` in order, then repeats of them with small seeded noise."""
    generator = np.random.default_rng(_SEED)
    again = x[np.arange(count) % len(x)]
    noise = generator.uniform(-jitter, jitter, again.shape).astype(np.float32)
    noise[: len(x)] = 0
    return again + noise


def photographs(count: int, side: int) -> Floats:
    """Give photographs scaled to a square, normalised: from the data folder, else the shipped pictures, enlarged.

    Parameters
    ----------
    count : int
        The number of photographs.
    side : int
        Pixels along each side.

    Returns
    -------
    numpy.ndarray of float32, shape (count, 3, side, side)
    """
    folder = data_folder()
    given = sorted((folder / "samples" / "imagenet").glob("*.jpg")) if folder else []
    pictures = [Image.open(path).convert("RGB") for path in given[:count]]
    if not pictures:
        small = zoo.samples("cifar_keras", framework="tensorflow").x
        pictures = [Image.fromarray((255 * picture).round().astype(np.uint8)) for picture in small[:count]]
    scaled = [
        np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC), np.float32) / 255
        for picture in pictures
    ]
    normalised = (repeated(np.stack(scaled), count, _JITTER) - _MEAN) / _DEVIATION
    return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2), dtype=np.float32)
