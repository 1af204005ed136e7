"""Value against value."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from explain.errors import ComparisonError, RenderError
from explain.render import plot_scatter
from explain.render.png import figure_png
from explain.results.comparison import compare


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def scaled(attribution, factor):
    return replace(attribution, values=attribution.values * np.float32(factor), framework="tensorflow")


@pytest.mark.parametrize("kind", ["images", "rows", "names", "table", "volumes", "maximization"])
@pytest.mark.parametrize("count", [1, 2])
def test_every_kind(made, kind, count, check_text):
    a = made.names(("Jo", "O'Neal")[:count]) if kind == "names" else getattr(made, kind)(count)
    figure = plot_scatter(a, scaled(a, 1.2))
    check_text(figure)
    assert len(figure.axes) == count
    assert figure_png(plot_scatter(a, scaled(a, 1.2))) == figure._repr_png_()


def test_points_are_the_values_whatever_the_layouts(made):
    a = made.images(2, shape=(4, 4, 3))
    b = made.channels_first(scaled(a, 1.5))
    for example, axes in enumerate(plot_scatter(a, b).axes):
        points = axes.collections[0].get_offsets()
        np.testing.assert_array_equal(points[:, 0], a.values[example].ravel())
        np.testing.assert_allclose(points[:, 1], 1.5 * points[:, 0], rtol=1e-6)


def test_padding_is_left_out(made):
    a = made.names(("Jo", "O'Neal"))
    short, long = plot_scatter(a, scaled(a, 2.0)).axes
    assert len(short.collections[0].get_offsets()) == 2 * 5
    assert len(long.collections[0].get_offsets()) == 6 * 5


def test_both_axes_have_one_range_about_zero_and_nothing_is_clipped(made):
    a = made.images(1, shape=(4, 4, 3))
    (axes,) = plot_scatter(a, scaled(a, -3.0)).axes
    low, high = axes.get_xlim()
    assert (low, high) == axes.get_ylim()
    assert low == -high
    assert high >= 3 * np.abs(a.values).max()
    width, height = axes.get_position().size * axes.figure.get_size_inches()
    assert width == pytest.approx(height, rel=0.01)


def test_values_without_signs_begin_at_zero(made):
    a = made.images(1, shape=(4, 4, 3), method="vargrad", relative_delta=None)
    a = replace(a, values=np.abs(a.values))
    (axes,) = plot_scatter(a, scaled(a, 2.0)).axes
    assert next(tick.get_text() for tick in axes.get_xticklabels()) == "0"
    assert axes.get_xlim()[0] > -0.1 * axes.get_xlim()[1]


def test_many_values_are_counted_and_none_is_lost(made, check_text):
    a = made.images(1, shape=(32, 32, 3))
    figure = plot_scatter(a, scaled(a, 1.1))
    check_text(figure)
    (axes,) = figure.axes
    assert axes.collections[0].get_array().sum() == 32 * 32 * 3
    assert any("the more values" in text for text in words(figure))


def test_zero_maps_have_a_range(made):
    a = made.images(1)
    zero = replace(a, values=np.zeros_like(a.values))
    (axes,) = plot_scatter(zero, scaled(zero, 1.0)).axes
    assert axes.get_xlim()[1] > 0


def test_figures_and_names_are_written(made, check_text):
    a, b = made.images(6), scaled(made.images(6), 1.5)
    figure = plot_scatter(a, b, examples=[5, 1, 0, 2, 3], labels=("before", "after"))
    check_text(figure)
    found = words(figure)
    assert found.count("before") == found.count("after") == 5
    assert found.count("relative L2 0.333") == 5
    assert found.count("rank correlation 1.0000") == 5
    assert next(text for text in found if "example" in text).endswith("5 of 6 examples")


def test_a_comparison_that_is_at_hand_and_what_is_refused(made):
    a, b = made.images(2), scaled(made.images(2), 1.5)
    given = replace(compare(a, b), relative_l2=np.full(2, 0.125))
    assert "relative L2 0.125" in words(plot_scatter(a, b, comparison=given))
    with pytest.raises(ComparisonError, match="the targets"):
        plot_scatter(a, replace(b, target=(1, 0)))
    with pytest.raises(RenderError, match="b is a ndarray"):
        plot_scatter(a, a.values)
    with pytest.raises(RenderError, match="there are 2 examples"):
        plot_scatter(a, b, examples=2)
