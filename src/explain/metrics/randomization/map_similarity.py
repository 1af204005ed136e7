"""How alike two maps of the same example are."""

from __future__ import annotations

import numpy as np

from explain.algorithms.options import one_of
from explain.errors import EvaluationError
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject
from explain.results.similarity import SSIM_WINDOW, pearson, spearman, ssim

SIMILARITY = one_of(
    "similarity",
    "spearman",
    ("spearman", "pearson", "ssim"),
    "How alike two maps are: the correlation of ranks or of values, or of images the structural similarity.",
)
"""The option that says how two maps are compared."""


def check_similarity(subject: Subject, similarity: str) -> None:
    """Refuse a similarity that is not defined for the examples.

    Raises
    ------
    EvaluationError
        If structural similarity is asked of anything but images of at least 7 by 7 places.
    """
    shape = subject.places.shape
    if similarity == "ssim" and (subject.attribution.kind != "image" or min(shape) < SSIM_WINDOW):
        raise EvaluationError(
            f"similarity='ssim' compares windows of {SSIM_WINDOW} by {SSIM_WINDOW} places, but the examples are "
            f"{subject.attribution.kind}s with places of shape {shape}: take similarity='spearman' or 'pearson'."
        )


def similarity_of(first: Floats, second: Floats, similarity: str, shape: tuple[int, ...]) -> float:
    """Give the similarity of the values of two maps.

    Parameters
    ----------
    first, second : numpy.ndarray
        The values of the places of one example, shape (F,).
    similarity : {"spearman", "pearson", "ssim"}
        The measure. For ``"ssim"`` each map is divided by its largest size first, as its scale says nothing.
    shape : tuple of int
        The extent of the places, (H, W) for ``"ssim"``.

    Returns
    -------
    float
        From -1 to 1; NaN if all values of a map are the same.

    Examples
    --------
    >>> similarity_of(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]), "spearman", (3,))
    1.0
    """
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    if similarity == "ssim":
        maps = (one.reshape(shape) / np.abs(one).max() for one in (first, second))
        return ssim(*maps)
    return (spearman if similarity == "spearman" else pearson)(first, second)
