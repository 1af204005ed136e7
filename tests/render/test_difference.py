"""The difference beside a pair: of every kind of input, on the scale of the pair, magnified as its heading says."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from explain.render import plot_pair


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def scaled(attribution, factor):
    return replace(attribution, values=attribution.values * np.float32(factor), framework="tensorflow")


def differing(made, kind, factor):
    a = made.names(("Jo", "O'Neal")) if kind == "names" else getattr(made, kind)(2)
    return a, scaled(a, factor)


@pytest.mark.parametrize(
    ("factor", "heading"),
    [(1.5, "difference"), (1.05, "difference × 10"), (1.005, "difference × 100"), (1.0, "difference × 100")],
)
def test_it_is_magnified_as_its_heading_says(made, factor, heading):
    a, b = differing(made, "images", factor)
    figure = plot_pair(a, b, difference=True)
    times = int(heading.rpartition("×")[2]) if "×" in heading else 1
    assert heading in words(figure)
    one, other, gap = (figure.axes[index].images[0] for index in (1, 2, 3))
    np.testing.assert_allclose(
        gap.get_array(), times * (other.get_array() - one.get_array()), rtol=1e-4, atol=1e-6
    )
    assert one.get_clim() == other.get_clim() == gap.get_clim()
    assert ("all zero" in words(figure)) == (factor == 1.0)


def test_the_scale_is_that_of_the_pair_without_it(made):
    a, b = differing(made, "images", -1.0)
    assert (
        plot_pair(a, b, difference=True).axes[1].images[0].get_clim()
        == plot_pair(a, b).axes[1].images[0].get_clim()
    )


@pytest.mark.parametrize("kind", ["images", "rows", "names", "table", "volumes"])
@pytest.mark.parametrize("factor", [1.5, 1.005])
def test_every_kind(made, kind, factor, check_text):
    a, b = differing(made, kind, factor)
    figure = plot_pair(a, b, difference=True)
    check_text(figure)
    assert any(text.startswith("difference") for text in words(figure))


def test_layouts_may_differ(made):
    a = made.images(1)
    b = made.channels_first(scaled(a, 2.0))
    gap = plot_pair(a, b, difference=True).axes[3].images[0].get_array()
    np.testing.assert_allclose(gap, a.values[0].sum(axis=-1), rtol=1e-5)


def test_bars_of_a_table_differ_as_the_values(made):
    a, b = differing(made, "table", 1.5)
    bars = [axes.patches for axes in plot_pair(a, b, difference=True, examples=0).axes]
    one, other, gap = (np.array([bar.get_width() for bar in patches]) for patches in bars)
    np.testing.assert_allclose(gap, other - one, rtol=1e-5)


def test_padding_stays_grey_and_has_no_difference(made):
    words_ = ("Jo", "O'Neal")
    a = made.names(words_)
    b = scaled(a, 1.5)
    figure = plot_pair(a, b, difference=True)
    letters = [text for text in words(figure) if text in set("".join(words_))]
    assert len(letters) == 3 * len("".join(words_))


def test_of_maps_without_signs_it_is_how_far_they_are_apart(made):
    a = made.images(1, method="vargrad", relative_delta=None)
    a = replace(a, values=np.abs(a.values))
    figure = plot_pair(a, scaled(a, 0.5), difference=True)
    assert "|difference|" in words(figure)
    gap = figure.axes[3].images[0].get_array()
    np.testing.assert_allclose(gap, 0.5 * a.values[0].sum(axis=-1), rtol=1e-5)


def test_two_inputs_that_were_found_have_none(made):
    a = made.maximization(1)
    figure = plot_pair(a, replace(a, framework="tensorflow"), difference=True)
    assert not any("difference" in text for text in words(figure))
