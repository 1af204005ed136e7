"""The short form of the table that CI computes: cheap cells, held to their references and to the stored results."""

from __future__ import annotations

from architectures.architecture import Architecture
from architectures.grids import GRIDS
from architectures.judge import CRASH, SILENT, judged, passes_of, reference_of
from architectures.page import mark, stored

# One that needs gradients, and one that chooses a layer.
CHEAP = ("saliency", "grad_cam")


def holds_all(architecture: Architecture) -> bool:
    """Whether the input's gradient is zero while the activation that the rule gives is a constant."""
    grid = GRIDS[architecture.name]
    if grid is None:
        return True
    passes = passes_of(architecture)
    if len({part.key for part in passes.parts}) > 1:
        # A map of one input carries what this input adds; the others reach the score past it.
        return True
    held = passes.when_held(passes.starts, passes.rows, grid.layer, grid.call, grid.entering)
    return not held.any()


def check(architecture: Architecture, methods: tuple[str, ...]) -> None:
    """Each cell comes out as the page says, and none is silently wrong."""
    before = stored()["cells"][architecture.name]
    passes = passes_of(architecture)
    for method in methods:
        verdict = judged(passes, method, reference_of(passes, method))
        what = f"{method} on {architecture.name}: {verdict.kind}, {verdict.why}"
        assert verdict.kind not in (SILENT, CRASH), what
        assert mark(verdict.kind, verdict.why) == mark(*before[method]), what
