"""Files as a user has them: models of both frameworks, pictures, a table, names of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

NETS = """
from torch import nn


def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3600, 2)).eval()
"""


def write_own_files(folder: Path) -> Path:
    """Write the files that the README and the guides name into a folder."""
    write_pictures_and_tables(folder)
    write_keras_files(folder)
    write_torch_files(folder)
    return folder


def write_files_of(framework: str, folder: Path) -> Path:
    """Write those of them that one framework can write and read."""
    write_pictures_and_tables(folder)
    {"torch": write_torch_files, "tensorflow": write_keras_files}[framework](folder)
    return folder


def write_pictures_and_tables(folder: Path) -> None:
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for name in ("cat.png", "photos/one.png", "photos/two.png"):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / name)
    (folder / "classes.txt").write_text("cat\ndog\n")
    (folder / "patients.csv").write_text("age,dose,weight\n0.3,1.5,0.2\n0.9,0.1,0.7\n")


def write_keras_files(folder: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    ).save(folder / "model.keras")


def write_torch_files(folder: Path) -> None:
    import torch

    (folder / "nets.py").write_text(NETS)
    torch.manual_seed(0)
    table = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).eval()
    torch.jit.trace(table, torch.zeros(1, 3)).save(folder / "tabular.pt")
