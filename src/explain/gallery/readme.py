"""The picture at the top of the README, drawn by the calls that the README shows.

python -m explain.gallery.readme docs/images/readme.png
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from explain import zoo
from explain.api import attribute
from explain.files.atomic_write import replace_file
from explain.render import figure_png, plot_pair
from explain.results.attribution import Attribution

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_FILE = "readme.png"


def draw_readme_picture() -> Figure:
    """Draw the picture of the README by the same calls as the README.

    Returns
    -------
    matplotlib.figure.Figure
        Two pictures, each explained in both frameworks.
    """

    def ig(framework: str) -> Attribution:
        net, photos = zoo.load("cifar_keras", framework), zoo.samples("cifar_keras", framework)
        found: Attribution = attribute(
            net, photos.x[[13, 16]], method="ig", batch_size=64, display=photos.display
        )
        return found

    return plot_pair(ig("torch"), ig("tensorflow"))


def write_readme_picture(path: str | os.PathLike[str] = "docs/images/readme.png") -> Path:
    """Write the picture of the README.

    Parameters
    ----------
    path : str or os.PathLike
        The PNG; its folder is created if it is missing.

    Returns
    -------
    pathlib.Path
        The file that was written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, figure_png(draw_readme_picture()))
    return target


if __name__ == "__main__":
    print(write_readme_picture(*sys.argv[1:2]))
