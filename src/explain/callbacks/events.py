"""What is written for TensorBoard, whichever framework writes it."""

from __future__ import annotations

import os
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from explain.errors import OptionError, PackageNotInstalledError
from explain.inputs.naming.brief import brief

Pixels = npt.NDArray[np.uint8]

TEXT_SUFFIX = "/text_summary"
"""What PyTorch's writer adds to the tag of a text; TensorFlow's writer gets tags that end in it, so that both agree."""


class EventWriter(Protocol):
    """Writes events of one run; a tag has the same name in both frameworks."""

    def image(self, tag: str, pixels: Pixels, epoch: int) -> None:
        """Write a picture of shape (H, W, 3)."""

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        """Write a number."""

    def text(self, tag: str, text: str, epoch: int) -> None:
        """Write a text."""

    def flush(self) -> None:
        """Put everything on disk, so that an end of the process loses nothing."""

    def close(self) -> None:
        """Write what is left, and end the file if it is the callback's own."""


def check_tensorboard() -> None:
    """Refuse to write for TensorBoard where it is not installed: both frameworks write by its code.

    Raises
    ------
    PackageNotInstalledError
        If tensorboard cannot be imported.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError as cause:
        raise PackageNotInstalledError(
            f"log_dir needs tensorboard, which is not installed ({cause}): run pip install "
            '"explain-toolkit[tensorboard]", or give folder= alone to have files only.'
        ) from cause


def check_places(**places: Any) -> None:
    """Refuse a callback that would write nothing, or to what is no place.

    Parameters
    ----------
    **places : object
        The arguments that say where to write, by their names.

    Raises
    ------
    OptionError
        If all of them are None, or one is neither a folder's name nor a writer.

    Examples
    --------
    >>> check_places(log_dir=None, folder="maps")
    """
    if all(place is None for place in places.values()):
        raise OptionError(
            f"{', '.join(places)} are all None, so nothing would be written: give log_dir= for TensorBoard, folder= "
            "for files of the attributions, or both."
        )
    for name, place in places.items():
        if name == "writer" and place is not None and not hasattr(place, "add_image"):
            raise OptionError(
                f"writer={brief(place)} is no SummaryWriter: give one of torch.utils.tensorboard, or the name of a "
                "folder as log_dir=."
            )
        if name != "writer" and place is not None and not isinstance(place, str | os.PathLike):
            raise OptionError(f"{name}={brief(place)} is no name of a folder: give a str or a pathlib.Path.")
