"""Makes the page and writes it: what `explain benchmark --zoo` does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from explain.benchmark_page.computation import Progress, compute
from explain.benchmark_page.page import page
from explain.benchmark_page.questions import PICTURES, TOKENS
from explain.errors import EvaluationError
from explain.files.atomic_write import replace_file
from explain.inputs.naming.brief import brief


def write_page(
    path: str | os.PathLike[str],
    *,
    framework: str = "torch",
    methods: Sequence[str] | None = None,
    seed: int = 0,
    full: bool = False,
    progress: Progress = lambda done, total, what: None,
) -> Path:
    """Compare all methods on the ground truth and write the page.

    Parameters
    ----------
    path : str or os.PathLike
        The ``.html`` file; it is written whole or not at all.
    framework : {"torch", "tensorflow"}
        The framework of the models.
    methods : sequence of str, optional
        By default the whole catalogue.
    seed : int
        Seed of everything random. The same seed gives the same bytes.
    full : bool
        Whether metrics that explain again get all examples.
    progress : callable
        Told how many maps of how many are done, and which comes next.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    EvaluationError
        If the path is no ``.html`` file.
    """
    file = Path(path)
    if file.suffix.lower() != ".html":
        raise EvaluationError(f"path={brief(str(path))} does not end in .html: give the name of a page.")
    found = compute(
        (*PICTURES, *TOKENS), framework=framework, methods=methods, seed=seed, full=full, progress=progress
    )
    text = page(found, framework=framework, seed=seed, full=full)
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, text.encode())
    return file
