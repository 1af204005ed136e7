"""Pictures of a golden, and of a changed explanation beside the expected one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from explain.files.atomic_write import replace_file
from explain.goldens.figures import MOST_SHOWN
from explain.goldens.file import Golden
from explain.inputs.layout import Layout
from explain.render import figure_png, plot, shared_scale
from explain.render.colours import Scale
from explain.results.attribution import Attribution
from explain.results.view import default_channels, drawn_as, maps_of, view

# Resolution of the picture beside a golden: this picture is committed with the sources.
_COMMITTED_DPI = 100


def write_picture(path: Path, attribution: Attribution) -> None:
    """Draw an explanation into a file beside its golden."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = plot(attribution)
    figure.set_dpi(_COMMITTED_DPI)
    replace_file(path, figure_png(figure))


def write_pictures(folder: Path, found: Attribution, expected: Golden) -> list[Path]:
    """Draw the expected and the found explanation on one scale, and their difference; return the files."""
    layout = Layout(found.layout)
    # The convergence figures of the found explanation do not apply to the golden.
    bare = replace(found, delta=None, relative_delta=None, map_error=None, notes=())
    values = np.ascontiguousarray(layout.from_canonical(expected.values))
    before = replace(bare, values=values, model=f"{found.model}, expected")
    difference = replace(bare, values=found.values - values, model=f"{found.model}, found − expected")
    found = replace(found, model=f"{found.model}, found")
    shown = _most_changed(before, found)
    scale: Scale | Literal["shared"] = "shared"
    if view(found) != "volume" and drawn_as(found) != "input":
        channels = default_channels([found])
        maps = [maps_of(one, channels) for one in (before, found)]
        scale = shared_scale(*maps, signed=drawn_as(found) == "signed")
    _make(folder)
    written = []
    drawn: tuple[tuple[str, Attribution, Scale | Literal["shared"]], ...] = (
        ("expected", before, scale),
        ("found", found, scale),
        ("difference", difference, "shared"),
    )
    for name, one, on in drawn:
        path = folder / f"{name}.png"
        replace_file(path, figure_png(plot(one, examples=shown, scale=on)))
        written.append(path)
    return written


def write_worst(folder: Path, name: str, worst: Attribution) -> Path:
    """Draw the example that a metric is worst for; return the file."""
    _make(folder)
    path = folder / f"{name}-worst.png"
    replace_file(path, figure_png(plot(worst)))
    return path


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Each failed test rewrites this folder: git should ignore it.
    replace_file(folder.parent / ".gitignore", b"*\n")


def _most_changed(before: Attribution, found: Attribution) -> list[int]:
    """Choose the examples to draw, the largest change first."""
    axis = Layout(found.layout).batch_axis
    gaps = np.abs(np.moveaxis(found.values - before.values, axis, 0)).reshape(len(found), -1).max(axis=1)
    return [int(one) for one in np.argsort(-gaps, kind="stable")[:MOST_SHOWN]]
