"""Drawing: values to heatmaps, heatmaps to colours, and figures of every kind of input.

Nothing here is loaded before it is used, so that neither `import explain` nor `import explain.render` waits
for matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explain.render.figure import plot
    from explain.render.html import figure_data_uri, figure_png, sequence_html
    from explain.render.kinds.sequence import Step, draw_characters, steps
    from explain.render.kinds.table import draw_features, features
    from explain.render.kinds.volume import most_relevant_slice, slice_volume
    from explain.render.pair import plot_pair
    from explain.render.parts.drawing import (
        draw_colorbar,
        draw_heatmap,
        draw_overlay,
        draw_picture,
        draw_score_curve,
        draw_step_margin,
    )
    from explain.render.parts.pictures import Picture, picture
    from explain.render.scatter import draw_scatter, plot_scatter
    from explain.results.heatmap import Scale, heatmaps, shared_scale

_HOME = {
    "Picture": "explain.render.parts.pictures",
    "Scale": "explain.results.heatmap",
    "Step": "explain.render.kinds.sequence",
    "draw_characters": "explain.render.kinds.sequence",
    "draw_colorbar": "explain.render.parts.drawing",
    "draw_features": "explain.render.kinds.table",
    "draw_heatmap": "explain.render.parts.drawing",
    "draw_overlay": "explain.render.parts.drawing",
    "draw_picture": "explain.render.parts.drawing",
    "draw_scatter": "explain.render.scatter",
    "draw_score_curve": "explain.render.parts.drawing",
    "draw_step_margin": "explain.render.parts.drawing",
    "features": "explain.render.kinds.table",
    "figure_data_uri": "explain.render.html",
    "figure_png": "explain.render.html",
    "heatmaps": "explain.results.heatmap",
    "most_relevant_slice": "explain.render.kinds.volume",
    "picture": "explain.render.parts.pictures",
    "plot": "explain.render.figure",
    "plot_pair": "explain.render.pair",
    "plot_scatter": "explain.render.scatter",
    "sequence_html": "explain.render.html",
    "shared_scale": "explain.results.heatmap",
    "slice_volume": "explain.render.kinds.volume",
    "steps": "explain.render.kinds.sequence",
}

__all__ = [
    "Picture",
    "Scale",
    "Step",
    "draw_characters",
    "draw_colorbar",
    "draw_features",
    "draw_heatmap",
    "draw_overlay",
    "draw_picture",
    "draw_scatter",
    "draw_score_curve",
    "draw_step_margin",
    "features",
    "figure_data_uri",
    "figure_png",
    "heatmaps",
    "most_relevant_slice",
    "picture",
    "plot",
    "plot_pair",
    "plot_scatter",
    "sequence_html",
    "shared_scale",
    "slice_volume",
    "steps",
]


def __getattr__(name: str) -> Any:
    """Load the module that holds `name` when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List what can be asked for."""
    return sorted(__all__)
