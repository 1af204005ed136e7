"""Series are drawn as they are: every colour is that of a value, at its step, in its own feature's column."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from explain.inputs.display import Display
from explain.render import Scale, draw_heatmap, draw_picture
from explain.render.kinds.image import draw_step_margin
from explain.render.parts.cells import merged_cells
from explain.render.parts.pictures import picture
from explain.results.attribution import Attribution
from explain.results.heatmap import Floats

SCALE = Scale(-1, 1, signed=True, percentile=99)


def pixels(figure: Figure) -> Floats:
    """Draw a figure and give its pixels, (H, W, 3) in [0, 255]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(float)


def bare_axes(height: int, width: int) -> tuple[Figure, Axes]:
    """Give a figure of that many pixels, all of it axes."""
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    return figure, figure.add_axes((0, 0, 1, 1))


@pytest.mark.parametrize("steps", [97, 200, 1000, 20_000])
def test_a_single_relevant_step_is_drawn_in_its_own_column_and_nowhere_else(steps: int) -> None:
    series = np.zeros((steps, 3))
    series[steps // 2, 1] = 1.0
    series[steps // 4, 0] = -0.7
    figure, axes = bare_axes(330, 165)
    draw_heatmap(axes, series, SCALE, rows=True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    drawn = pixels(figure)
    known = 255 * SCALE.colors(np.array([0.0, 1.0, -0.7]))[:, :3]
    distances = np.abs(drawn[:, :, None] - known).max(axis=-1)
    assert distances.min(axis=-1).max() < 1.01, "every pixel has the colour of one of the three values"
    which = distances.argmin(axis=-1)
    for value, step, column in ((1, steps // 2, 1), (2, steps // 4, 0)):
        rows, columns = np.nonzero(which == value)
        assert set(columns) == set(range(55 * column, 55 * (column + 1)))
        # One pixel, or the height of a step; at the step's own place.
        assert np.ptp(rows) + 1 <= max(1, np.ceil(330 / steps))
        assert abs(rows.mean() + 0.5 - (step + 0.5) * 330 / steps) <= 1.0


def test_the_picture_of_a_series_has_the_greys_of_its_values() -> None:
    series = np.full((700, 2), 0.2)
    series[:, 1], series[350, 0] = 0.8, 0.5
    figure, axes = bare_axes(330, 160)
    draw_picture(axes, picture(series, Display()))
    for spine in axes.spines.values():
        spine.set_visible(False)
    drawn = pixels(figure)[..., 0]
    assert set(np.unique(drawn[:, :80])) == {51.0, 128.0}
    assert set(np.unique(drawn[:, 80:])) == {204.0}
    assert set(np.nonzero(drawn == 128)[0]) == {165}


def test_the_longest_bar_of_a_pixel_is_drawn() -> None:
    series = np.zeros((5000, 3))
    series[1234] = (0.1, 0.2, 0.6)
    series[1235] = -0.1
    axes = bare_axes(330, 130)[1]
    draw_step_margin(axes, series, SCALE)
    lengths = [bar.get_width() for bar in axes.patches]
    assert len(lengths) == 330
    assert max(lengths) == pytest.approx(0.9)
    (bar,) = (one for one in axes.patches if one.get_width() > 0.5)
    assert bar.get_y() <= 1234 <= bar.get_y() + bar.get_height()


def test_padding_remains_where_all_merged_steps_are_padding() -> None:
    series = np.array([[1.0], [np.nan], [np.nan], [np.nan], [-2.0], [np.nan]])
    np.testing.assert_array_equal(merged_cells(series, (3, 1)), [[1.0], [np.nan], [-2.0]])


@pytest.mark.parametrize("layout", ["NCT", "NTC"])
def test_a_plot_of_a_long_series_has_no_colour_between_its_columns(layout: str) -> None:
    values = np.zeros((1, 3, 400), np.float32)
    values[0, 1, ::2], values[0, 1, 1::2] = 1, 1
    values = values if layout == "NCT" else values.swapaxes(1, 2)
    figure = Attribution(values, values, layout, "saliency", np.ones(1)).plot(series="map")
    panel = figure.axes[1].images[0]
    columns = np.asarray(panel.get_array())
    assert panel.get_interpolation() == "nearest"
    np.testing.assert_array_equal(np.unique(columns, axis=0), [[0, 1, 0]])
