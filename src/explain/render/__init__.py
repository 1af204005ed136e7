"""Drawing: values to heatmaps, heatmaps to colours, and figures of every kind of input.

Nothing here is loaded before it is used, so that neither `import explain` nor `import explain.render` waits
for matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explain.render.drawing import (
        draw_colorbar,
        draw_heatmap,
        draw_overlay,
        draw_picture,
        draw_score_curve,
        draw_step_margin,
    )
    from explain.render.figure import plot
    from explain.render.heatmap import Scale, heatmaps, shared_scale
    from explain.render.html import figure_data_uri, figure_png, sequence_html
    from explain.render.pair import plot_pair
    from explain.render.pictures import Picture, picture
    from explain.render.scatter import draw_scatter, plot_scatter
    from explain.render.sequence import Step, draw_characters, steps
    from explain.render.table import draw_features, features
    from explain.render.volume import most_relevant_slice, slice_volume

_HOME = {
    "Picture": "pictures",
    "Scale": "heatmap",
    "Step": "sequence",
    "draw_characters": "sequence",
    "draw_colorbar": "drawing",
    "draw_features": "table",
    "draw_heatmap": "drawing",
    "draw_overlay": "drawing",
    "draw_picture": "drawing",
    "draw_scatter": "scatter",
    "draw_score_curve": "drawing",
    "draw_step_margin": "drawing",
    "features": "table",
    "figure_data_uri": "html",
    "figure_png": "html",
    "heatmaps": "heatmap",
    "most_relevant_slice": "volume",
    "picture": "pictures",
    "plot": "figure",
    "plot_pair": "pair",
    "plot_scatter": "scatter",
    "sequence_html": "html",
    "shared_scale": "heatmap",
    "slice_volume": "volume",
    "steps": "sequence",
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
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List what can be asked for."""
    return sorted(__all__)
