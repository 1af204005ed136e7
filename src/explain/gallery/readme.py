"""The picture at the top of the README, and the lines that make it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import explain
from explain.zoo.atomic_write import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_FILE = "readme.png"


def draw_readme_picture() -> Figure:
    """Draw what the README shows, by the lines that it shows.

    Returns
    -------
    matplotlib.figure.Figure
        One picture, explained in both frameworks.
    """

    def ig(framework: str) -> explain.Attribution:
        model, samples = explain.zoo.load("cifar_net", framework), explain.zoo.samples("cifar_net", framework)
        return explain.attribute(model, samples.x[1:3], method="ig", display=samples.display)

    return explain.render.plot_pair(ig("torch"), ig("tensorflow"))


def write_readme_picture(path: str | os.PathLike[str] = "docs/images/readme.png") -> Path:
    """Write the picture of the README.

    Parameters
    ----------
    path : str or os.PathLike
        The PNG; its folder is made if it is missing.

    Returns
    -------
    pathlib.Path
        The file that was written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, explain.render.figure_png(draw_readme_picture()))
    return target
