"""Two attributions side by side."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from explain.errors import ComparisonError, RenderError
from explain.render import plot_pair, shared_scale
from explain.results.comparison import compare


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.fixture
def both(made):
    a = made.images(2)
    return a, made.channels_first(replace(a, values=a.values * np.float32(1.5)))


def test_one_scale_for_both_whatever_their_layouts(both):
    a, b = both
    figure = plot_pair(a, b)
    assert len(figure.axes) == 2 * 4
    limits = {figure.axes[index].images[0].get_clim() for index in (1, 2, 5, 6)}
    assert len(limits) == 1
    one, other = (figure.axes[index].images[0].get_array() for index in (5, 6))
    np.testing.assert_allclose(1.5 * one, other, rtol=1e-5)


def test_says_what_each_is_and_how_alike_they_are(both, check_text):
    figure = plot_pair(*both)
    check_text(figure)
    found = words(figure)
    assert {"PyTorch", "TensorFlow", "cat", "dog"} <= set(found)
    assert any("PyTorch and TensorFlow" in text for text in found)
    assert sum("logit" in text and "delta" in text for text in found) == 4
    assert sum("relative L2 0.333" in text for text in found) == 2
    assert any("SSIM" in text for text in found)


def test_a_scale_for_each_example_must_be_asked_for(both):
    a, b = both
    a = replace(a, values=a.values * [[[[1]]], [[[50]]]])
    figure = plot_pair(a, b, scale="example")
    assert len(figure.axes) == 2 * 4
    first, second = figure.axes[1].images[0].get_clim(), figure.axes[5].images[0].get_clim()
    assert first[1] < second[1] / 10
    assert figure.axes[2].images[0].get_clim() == first
    scale = shared_scale(np.array([9.0]))
    assert plot_pair(a, b, scale=scale, examples=0).axes[2].images[0].get_clim() == (-9, 9)
    with pytest.raises(RenderError, match="scale='panel' is not known: give 'shared' or 'example'"):
        plot_pair(a, b, scale="panel")


def test_the_second_takes_the_names_of_the_first(made):
    a = made.names()
    b = replace(a, framework="tensorflow", display=type(a.display)())
    assert words(plot_pair(a, b, examples=0)).count("J") == 2


def test_two_predictions_are_both_said(both):
    a, b = both
    found = words(plot_pair(a, replace(b, predicted=np.array([1, 0])), examples=0))
    assert "predicted cat" in found
    assert "and dog" in found


@pytest.mark.parametrize("kind", ["rows", "names", "table", "volumes", "maximization"])
def test_every_kind(made, kind, check_text):
    a = getattr(made, kind)(1) if kind != "names" else made.names(("Jo", "O'Neal"))
    b = replace(a, framework="tensorflow")
    figure = plot_pair(a, b)
    check_text(figure)
    found = words(figure)
    assert any("TensorFlow" in text for text in found)
    if kind != "maximization":
        assert any("relative L2 0" in text for text in found)


def test_both_tables_have_one_order_and_one_axis(made):
    a = made.table(1, 5)
    figure = plot_pair(a, replace(a, values=a.values[:, ::-1].copy(), framework="tensorflow"))
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim()
    order = np.argsort(-np.maximum(abs(a.values[0]), abs(a.values[0, ::-1])), kind="stable")
    np.testing.assert_allclose([bar.get_width() for bar in left.patches], a.values[0][order])
    np.testing.assert_allclose([bar.get_width() for bar in right.patches], a.values[0, ::-1][order])


def test_two_curves_of_a_maximization(made):
    a = made.maximization(1)
    curves = plot_pair(a, replace(a, framework="tensorflow")).axes[-1]
    assert [line.get_label() for line in curves.lines] == ["PyTorch", "TensorFlow"]


def test_labels_and_a_comparison_that_is_at_hand(both):
    a, b = both
    comparison = replace(compare(a, b), relative_l2=np.full(2, 0.125))
    found = words(plot_pair(a, b, labels=("before", "after"), comparison=comparison, examples=1))
    assert {"before", "after"} <= set(found)
    assert any("relative L2 0.125" in text for text in found)


def test_refuses_what_cannot_be_compared(both):
    a, b = both
    with pytest.raises(ComparisonError, match="the targets"):
        plot_pair(a, replace(b, target=(1, 0)))


@pytest.mark.parametrize("labels", ["ab", ("a",), ("a", 1)])
def test_refuses_labels_that_are_not_two_names(both, labels):
    with pytest.raises(RenderError, match="labels="):
        plot_pair(*both, labels=labels)


def test_refuses_another_comparison_and_what_is_no_attribution(both, made):
    a, b = both
    other = made.images(1)
    with pytest.raises(RenderError, match="does not belong to these 2 examples"):
        plot_pair(a, b, comparison=compare(other, other))
    with pytest.raises(RenderError, match="b is a ndarray"):
        plot_pair(a, a.values)


def test_comparing_loads_no_matplotlib():
    code = "import sys, explain.results.comparison; sys.exit('matplotlib' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
