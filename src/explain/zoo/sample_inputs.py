"""The small inputs that ship with the package, or that it makes, preprocessed for each seed model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import DataError
from explain.files.atomic_write import replace_file
from explain.inputs.display import Display, shortened
from explain.zoo.data import Split, dataset
from explain.zoo.layers import Framework
from explain.zoo.model_row import SeedModel
from explain.zoo.preprocessing import one_hot, prepare, spell
from explain.zoo.synthetic.ground_truth import ground_truth
from explain.zoo.synthetic.sets import SETS_OF_MODELS

_MADE_EXAMPLES = 20
_NAMES_FILE = "names.json"
_NAMES_ORIGIN = (
    "Held-out names of S. Robertson's character-RNN tutorial data (2017), accents stripped; MIT licence. "
    "Chosen by explain.zoo.sample_inputs.choose_names with seed 0, written by write_name_samples."
)


@dataclass(frozen=True, eq=False)
class Samples:
    """Real inputs for a seed model, and the data needed to draw them.

    Attributes
    ----------
    x : numpy.ndarray of float32, or of int64 for token ids
        The inputs, preprocessed, in the framework's layout: pictures (N, 3, 32, 32) or (N, 32, 32, 3),
        rows of a picture (N, 28, 28), characters of a name (N, T, 57) with all-zero steps after its end, or
        token ids (N, T), of a name with zeros after its end.
    y : numpy.ndarray of int64, shape (N,)
        The true classes.
    classes : tuple of str
        The names of the classes.
    display : Display
        Mean, scale, bounds and classes; for names and made sequences, also the characters or tokens of each.
    layout : str
        One letter per axis of `x`: ``"NCHW"``, ``"NHWC"``, ``"NTC"`` or ``"NT"``.
    lengths : numpy.ndarray of int64, shape (N,), optional
        For names: the number of real steps of each name.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    display: Display
    layout: str
    lengths: npt.NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        """Write shapes and the first class names, without the arrays."""
        lengths = "" if self.lengths is None else f", lengths={shortened(self.lengths)}"
        return (
            f"Samples(x={shortened(self.x)}, layout={self.layout!r}, y={shortened(self.y)}, "
            f"classes={shortened(self.classes)}{lengths})"
        )

    def __len__(self) -> int:
        """Give the number of examples."""
        return len(self.y)


def read_samples(model: SeedModel, framework: Framework) -> Samples:
    """Read the samples of a seed model.

    Parameters
    ----------
    model : SeedModel
        The model to preprocess them for.
    framework : {"torch", "tensorflow"}
        The framework whose layout to use.

    Returns
    -------
    Samples
        Twenty pictures, 24 names, or the first twenty examples of `explain.zoo.ground_truth`.

    Raises
    ------
    DataError
        If the files are missing from the package.

    Examples
    --------
    >>> from explain.zoo.seed_models import seed_model
    >>> read_samples(seed_model("fashion_rnn"), "torch").x.shape
    (20, 28, 28)
    """
    if model.dataset in SETS_OF_MODELS:
        made = ground_truth(SETS_OF_MODELS[model.dataset].of, _MADE_EXAMPLES, framework=framework)
        return Samples(made.x, made.y, made.classes, made.display, made.layout)
    folder = resources.files("explain.zoo") / "sample_data" / model.dataset
    try:
        split = _read_names(folder, model) if model.dataset == "names" else _read_pictures(folder)
    except OSError as cause:
        raise DataError(f"The samples in {folder} cannot be read ({cause}). {_REMEDY}") from cause
    step_names: tuple[tuple[str, ...], ...] = ()
    if split.lengths is not None:
        step_names = tuple(tuple(name) for name in spell(split.x, split.lengths))
    return Samples(
        x=prepare(model, split.x, framework),
        y=split.y,
        classes=model.classes,
        display=model.display(model.classes, step_names=step_names),
        layout=model.layout[framework],
        lengths=split.lengths,
    )


def choose_names(split: Split, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Choose names: one of every language, then more of the remaining names with equal probability.

    Parameters
    ----------
    split : Split
        The split to choose from; the test split, so that no model was trained on a chosen name.
    count : int
        The number of names to choose, at least one for every language.
    seed : int
        Seed of the draws.

    Returns
    -------
    numpy.ndarray of int64, shape (count,)
        Rows of `split`, in ascending order.

    Examples
    --------
    >>> import numpy as np
    >>> split = Split(np.zeros((6, 1, 57), np.uint8), np.array([0, 0, 0, 1, 1, 1]))
    >>> choose_names(split, 3, seed=0).shape
    (3,)
    """
    generator = np.random.default_rng(seed)
    chosen = [int(generator.choice(np.flatnonzero(split.y == label))) for label in np.unique(split.y)]
    left = np.setdiff1d(np.arange(len(split)), chosen)
    more = generator.choice(left, size=count - len(chosen), replace=False)
    return np.sort(np.concatenate([np.array(chosen, dtype=np.int64), more]))


def write_name_samples(folder: Path, count: int = 24, seed: int = 0) -> Path:
    """Choose names from the test split of the data set and write the file that the package ships.

    Parameters
    ----------
    folder : pathlib.Path
        The folder to write to.
    count : int
        The number of names.
    seed : int
        Seed of the choice.

    Returns
    -------
    pathlib.Path
        The file that was written.
    """
    data = dataset("names")
    chosen = data.test.take(choose_names(data.test, count, seed))
    assert chosen.lengths is not None
    names = spell(chosen.x, chosen.lengths)
    rows = [
        {"name": name, "language": data.classes[label]} for name, label in zip(names, chosen.y, strict=True)
    ]
    path = folder / _NAMES_FILE
    text = json.dumps({"origin": _NAMES_ORIGIN, "names": rows}, indent=1)
    replace_file(path, f"{text}\n".encode())
    return path


def _read_names(folder: Traversable, model: SeedModel) -> Split:
    rows: list[dict[str, Any]] = json.loads((folder / _NAMES_FILE).read_text(encoding="utf-8"))["names"]
    steps, lengths = one_hot([row["name"] for row in rows])
    labels = [model.classes.index(row["language"]) for row in rows]
    return Split(steps, np.array(labels, dtype=np.int64), lengths)


def _read_pictures(folder: Traversable) -> Split:
    """Read PNG files whose names end in the label, in the order of their names."""
    from PIL import Image

    pictures, labels = [], []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".png"):
            continue
        with file.open("rb") as stream, Image.open(stream) as picture:
            pictures.append(np.asarray(picture))
        labels.append(int(file.name.removesuffix(".png").rsplit("_", 1)[-1]))
    if not pictures:
        raise FileNotFoundError("there is no picture in it")
    return Split(np.stack(pictures), np.array(labels, dtype=np.int64))


_REMEDY = "Install explain-toolkit again."
