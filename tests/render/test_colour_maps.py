"""A caller's colours: zero keeps a colour of its own, and signs can be told."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import ListedColormap

from explain.errors import RenderError
from explain.render import plot, plot_pair
from explain.render.colour_maps import own_colormap

DIVERGING = {
    *(
        "PiYG",
        "PRGn",
        "BrBG",
        "PuOr",
        "RdGy",
        "RdBu",
        "RdYlBu",
        "RdYlGn",
        "Spectral",
        "coolwarm",
        "bwr",
        "seismic",
    ),
    *("berlin", "managua", "vanimo"),
}


def test_signed_maps_take_what_matplotlib_calls_diverging_and_nothing_else():
    taken = set()
    for name in colormaps:
        try:
            own_colormap(name, signed=True)
        except RenderError:
            continue
        taken.add(name.removesuffix("_r"))
    assert taken == DIVERGING


@pytest.mark.parametrize("name", ["viridis", "cividis", "Greys", "magma_r", "hot", "jet"])
def test_unsigned_maps_take_others(name):
    assert own_colormap(name, signed=False).N == 257
    with pytest.raises(
        RenderError, match=rf"cmap='{name}' has no neutral middle.*'RdBu_r'.*channels='abs_sum'"
    ):
        own_colormap(name, signed=True)


@pytest.mark.parametrize("name", ["PuOr", "twilight", "hsv"])
def test_unsigned_maps_take_none_whose_zero_is_no_end(name):
    with pytest.raises(RenderError, match=rf"cmap='{name}' .*zero would look as relevant.*'viridis'"):
        own_colormap(name, signed=False)


def test_zero_has_the_middle(made):
    figure = plot(made.images(1), cmap="coolwarm")
    shown = figure.axes[1].images[0]
    low, high = shown.get_clim()
    assert low == -high
    np.testing.assert_allclose(
        shown.get_cmap()(shown.norm(0.0)), colormaps["coolwarm"].resampled(257)(128), atol=1e-9
    )


def test_it_colours_the_bar_and_every_kind(any_attribution):
    if any_attribution.method != "activation_maximization":
        assert plot(any_attribution, cmap=ListedColormap(["#5e3c99", "#f7f7f7", "#e66101"], "mine"))


def test_a_pair_has_it_too(made):
    a = made.images(1)
    figure = plot_pair(a, a, cmap="PiYG", title="Two $runs$", figsize=(9, 6))
    assert figure.axes[1].images[0].get_cmap().name == figure.axes[2].images[0].get_cmap().name == "PiYG"
    assert figure.texts[0].get_text() == "Two $runs$"
    assert tuple(figure.get_size_inches()) == (9, 6)


@pytest.mark.parametrize(
    ("cmap", "expected"),
    [
        ("rdbu", "cmap='rdbu' is not a colour map of matplotlib: give one of RdBu_r"),
        (3, "cmap is a int: give the name"),
    ],
)
def test_refusals(made, cmap, expected):
    with pytest.raises(RenderError, match=expected):
        made.images().plot(cmap=cmap)
