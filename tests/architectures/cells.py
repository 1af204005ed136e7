"""The short form of the table that CI computes: cheap cells, held to their references and to the stored results."""

from __future__ import annotations

from architectures.architecture import Architecture
from architectures.judge import CRASH, SILENT, judged, passes_of, reference_of
from architectures.page import mark, stored

# One that needs gradients, one that chooses a layer, one that reads the layout.
CHEAP = ("saliency", "grad_cam", "feature_ablation")


def check(architecture: Architecture, methods: tuple[str, ...]) -> None:
    """Each cell comes out as the page says, and none is silently wrong."""
    before = stored()["cells"][architecture.name]
    passes = passes_of(architecture)
    for method in methods:
        verdict = judged(passes, method, reference_of(passes, method))
        what = f"{method} on {architecture.name}: {verdict.kind}, {verdict.why}"
        assert verdict.kind not in (SILENT, CRASH), what
        assert mark(verdict.kind, verdict.why) == mark(*before[method]), what
