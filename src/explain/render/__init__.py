"""From a result to a picture: colours, figures of every kind of input, HTML.

Every name is imported on first use, so that neither `import explain` nor `import explain.render` imports matplotlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.lazy_names import importer

if TYPE_CHECKING:
    from explain.render.colours import Scale, shared_scale
    from explain.render.figure import plot
    from explain.render.html import sequence_html
    from explain.render.html_text import text_html
    from explain.render.kinds.beeswarm import (
        draw_beeswarm,
        draw_importance,
        plot_beeswarm,
        plot_importance,
    )
    from explain.render.kinds.image import draw_step_margin
    from explain.render.kinds.maximization import draw_score_curve
    from explain.render.kinds.scatter import draw_scatter, plot_scatter
    from explain.render.kinds.sequence import draw_characters
    from explain.render.kinds.table import draw_features, features
    from explain.render.kinds.volume import most_relevant_slice, slice_volume
    from explain.render.kinds.waterfall import (
        Waterfall,
        draw_waterfall,
        plot_waterfall,
        waterfall,
    )
    from explain.render.pair import plot_pair
    from explain.render.parts.colour_bar import draw_colorbar, draw_value_bar
    from explain.render.parts.panels import draw_heatmap, draw_overlay, draw_picture
    from explain.render.parts.pictures import Picture, picture
    from explain.render.parts.steps import Step, steps
    from explain.render.png import figure_data_uri, figure_png
    from explain.render.series.lanes import draw_series
    from explain.render.showing import show
    from explain.render.tables.baseline_scores import start_scores
    from explain.render.tables.feature_rows import FeatureRow, feature_rows
    from explain.results.heatmap import heatmaps

_HOME = {
    "FeatureRow": "explain.render.tables.feature_rows",
    "Picture": "explain.render.parts.pictures",
    "Scale": "explain.render.colours",
    "Step": "explain.render.parts.steps",
    "Waterfall": "explain.render.kinds.waterfall",
    "draw_beeswarm": "explain.render.kinds.beeswarm",
    "draw_characters": "explain.render.kinds.sequence",
    "draw_colorbar": "explain.render.parts.colour_bar",
    "draw_features": "explain.render.kinds.table",
    "draw_heatmap": "explain.render.parts.panels",
    "draw_importance": "explain.render.kinds.beeswarm",
    "draw_overlay": "explain.render.parts.panels",
    "draw_picture": "explain.render.parts.panels",
    "draw_scatter": "explain.render.kinds.scatter",
    "draw_score_curve": "explain.render.kinds.maximization",
    "draw_series": "explain.render.series.lanes",
    "draw_step_margin": "explain.render.kinds.image",
    "draw_value_bar": "explain.render.parts.colour_bar",
    "draw_waterfall": "explain.render.kinds.waterfall",
    "feature_rows": "explain.render.tables.feature_rows",
    "features": "explain.render.kinds.table",
    "figure_data_uri": "explain.render.png",
    "figure_png": "explain.render.png",
    "heatmaps": "explain.results.heatmap",
    "most_relevant_slice": "explain.render.kinds.volume",
    "picture": "explain.render.parts.pictures",
    "plot": "explain.render.figure",
    "plot_beeswarm": "explain.render.kinds.beeswarm",
    "plot_importance": "explain.render.kinds.beeswarm",
    "plot_pair": "explain.render.pair",
    "plot_scatter": "explain.render.kinds.scatter",
    "plot_waterfall": "explain.render.kinds.waterfall",
    "sequence_html": "explain.render.html",
    "shared_scale": "explain.render.colours",
    "show": "explain.render.showing",
    "slice_volume": "explain.render.kinds.volume",
    "start_scores": "explain.render.tables.baseline_scores",
    "steps": "explain.render.parts.steps",
    "text_html": "explain.render.html_text",
    "waterfall": "explain.render.kinds.waterfall",
}

__all__ = [
    "FeatureRow",
    "Picture",
    "Scale",
    "Step",
    "Waterfall",
    "draw_beeswarm",
    "draw_characters",
    "draw_colorbar",
    "draw_features",
    "draw_heatmap",
    "draw_importance",
    "draw_overlay",
    "draw_picture",
    "draw_scatter",
    "draw_score_curve",
    "draw_series",
    "draw_step_margin",
    "draw_value_bar",
    "draw_waterfall",
    "feature_rows",
    "features",
    "figure_data_uri",
    "figure_png",
    "heatmaps",
    "most_relevant_slice",
    "picture",
    "plot",
    "plot_beeswarm",
    "plot_importance",
    "plot_pair",
    "plot_scatter",
    "plot_waterfall",
    "sequence_html",
    "shared_scale",
    "show",
    "slice_volume",
    "start_scores",
    "steps",
    "text_html",
    "waterfall",
]


__getattr__ = importer(__name__, _HOME)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
