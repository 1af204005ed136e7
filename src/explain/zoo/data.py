"""The data sets of the seed models: from a folder of the user, from the user's cache, or downloaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from explain.errors import DataError, ZooError
from explain.zoo import download, readers
from explain.zoo.checked_names import one_of
from explain.zoo.labels import CIFAR10_CLASSES, FASHION_MNIST_CLASSES, LANGUAGES
from explain.zoo.preprocessing import one_hot
from explain.zoo.synthetic.sets import SETS, SETS_OF_MODELS, held_out, training_examples

FOLDER_VARIABLE = "EXPLAIN_DATA"
HELD_OUT_FRACTION = 0.2

# The seed that splits the names, not that of a training run: every run trains and tests on the same names.
_SPLIT_SEED = 0


@dataclass(frozen=True, eq=False)
class Split:
    """The training or the test part of a data set.

    Attributes
    ----------
    x : numpy.ndarray of uint8
        Pictures (N, H, W, 3), grey pictures (N, H, W), one-hot names (N, T, 57), or token ids (N, T).
    y : numpy.ndarray of int64, shape (N,)
        Labels.
    lengths : numpy.ndarray of int64, shape (N,), optional
        For names: the number of real steps of each name; the other steps are zeros.
    """

    x: npt.NDArray[np.uint8]
    y: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Give the number of examples."""
        return len(self.y)

    def take(self, rows: npt.NDArray[np.int64]) -> Split:
        """Give the examples at some rows; the time axis of names is cut to the longest of these names."""
        if self.lengths is None:
            return Split(self.x[rows], self.y[rows])
        lengths = self.lengths[rows]
        return Split(self.x[rows, : int(lengths.max(initial=0))], self.y[rows], lengths)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set: the training split, the test split, and the names of the classes."""

    train: Split
    test: Split
    classes: tuple[str, ...]


def dataset(name: str) -> Dataset:
    """Read a data set.

    The data come from the folder in the environment variable ``EXPLAIN_DATA``, which has the structure below. If
    that is not set or lacks them, they come from the user's cache. If the cache lacks them, they are downloaded
    from their publisher into the cache and checked by SHA-256::

        cifar10-jpeg.zip      train/CLASS/NAME.jpg and test/CLASS/NAME.jpg
        fashion_mnist/        the four IDX files, gzipped
        names/                LANGUAGE.txt, one name per line

    Parameters
    ----------
    name : {"cifar10", "fashion_mnist", "names"} or a key of `explain.zoo.synthetic.sets.SETS_OF_MODELS`
        The name of the data set. Those of the second kind are made, and need no folder.

    Returns
    -------
    Dataset
        The training and the test split. The test split of ``names`` is a fifth of the names of every language,
        drawn with a fixed seed; the authors of the other two data sets define their splits. Those of made data differ
        in their seed.

    Raises
    ------
    ZooError
        If there is no data set of that name.
    DataError
        If the data cannot be found, downloaded or read.

    Examples
    --------
    >>> dataset("mnist")
    Traceback (most recent call last):
    explain.errors.ZooError: name='mnist' is not one of the data sets: cifar10, fashion_mnist, names, shapes_random, ...
    """
    if name in SETS_OF_MODELS:
        return _made(name)
    if name not in _READERS:
        raise ZooError(one_of("name", name, (*_READERS, *SETS_OF_MODELS), "the data sets"))
    return _READERS[name](_user_folder())


def _user_folder() -> Path | None:
    """Give the folder in ``EXPLAIN_DATA``; None if the variable is not set."""
    stated = os.environ.get(FOLDER_VARIABLE)
    if not stated:
        return None
    folder = Path(stated).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"{FOLDER_VARIABLE}={stated!r} is not a folder. Set it to a folder that holds the data sets, or "
            "unset it to have them downloaded."
        )
    return folder


def _cache() -> Path:
    """Give the folder for downloads; create it if it does not exist."""
    from platformdirs import user_cache_path

    folder = user_cache_path("explain") / "data"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _cifar10(folder: Path | None) -> Dataset:
    archive = None if folder is None else folder / "cifar10-jpeg.zip"
    if archive is not None and archive.exists():
        train, test = (
            Split(*readers.read_jpeg_archive(archive, split, CIFAR10_CLASSES)) for split in _SPLITS
        )
    else:
        archive = download.fetch(download.CIFAR10, _cache())
        train, test = (Split(*readers.read_cifar_binary(archive, split)) for split in _SPLITS)
    return Dataset(train, test, CIFAR10_CLASSES)


def _fashion_mnist(folder: Path | None) -> Dataset:
    given = None if folder is None else folder / "fashion_mnist"
    if given is not None and given.is_dir():
        files = [given / one.file_name for one in download.FASHION_MNIST]
    else:
        files = [download.fetch(one, _cache()) for one in download.FASHION_MNIST]
    train_pictures, train_labels, test_pictures, test_labels = (readers.read_idx(file) for file in files)
    for pictures, labels in ((train_pictures, train_labels), (test_pictures, test_labels)):
        if len(pictures) != len(labels):
            raise DataError(
                f"{files[0].parent} has {len(pictures)} pictures but {len(labels)} labels in one split: its "
                "files do not belong together. Put good copies in their place."
            )
    return Dataset(
        Split(train_pictures, train_labels.astype(np.int64)),
        Split(test_pictures, test_labels.astype(np.int64)),
        FASHION_MNIST_CLASSES,
    )


def _names(folder: Path | None) -> Dataset:
    given = None if folder is None else folder / "names"
    if given is None or not given.is_dir():
        given = _cache() / "names"
        if not all((given / f"{language}.txt").exists() for language in LANGUAGES):
            download.extract_names(download.fetch(download.NAMES, _cache()), given)
    every_language = readers.read_names(given, LANGUAGES)
    generator = np.random.default_rng(_SPLIT_SEED)
    parts: tuple[list[str], list[str]] = ([], [])
    labels: tuple[list[int], list[int]] = ([], [])
    for label, names in enumerate(every_language):
        held_out = max(1, round(HELD_OUT_FRACTION * len(names)))
        order = generator.permutation(len(names))
        for part, rows in enumerate((order[held_out:], order[:held_out])):
            parts[part].extend(names[row] for row in np.sort(rows))
            labels[part].extend([label] * len(rows))
    train, test = (_encoded(names, label) for names, label in zip(parts, labels, strict=True))
    return Dataset(train, test, LANGUAGES)


def _made(name: str) -> Dataset:
    one = SETS_OF_MODELS[name]
    train, test = (
        Split(drawn.x, drawn.y) for drawn in (training_examples(one), held_out(one.of, one.shortcut))
    )
    return Dataset(train, test, SETS[one.of].classes)


def _encoded(names: list[str], labels: list[int]) -> Split:
    steps, lengths = one_hot(names)
    return Split(steps, np.array(labels, dtype=np.int64), lengths)


_SPLITS = ("train", "test")

_READERS: Mapping[str, Callable[[Path | None], Dataset]] = {
    "cifar10": _cifar10,
    "fashion_mnist": _fashion_mnist,
    "names": _names,
}
