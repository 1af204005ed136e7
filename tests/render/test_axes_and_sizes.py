"""`plot` with a caller's own axes, size and title; and its one signature."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
from figure_texts import drawn_texts
from matplotlib.figure import Figure
from matplotlib.text import Text

from explain.errors import RenderError
from explain.render import heatmaps, plot
from explain.results.attribution import Attribution


def test_the_method_and_the_function_have_the_same_arguments():
    def arguments(function):
        found = list(inspect.signature(function).parameters.values())[1:]
        assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in found)
        return {one.name: one.default for one in found}

    assert arguments(Attribution.plot) == arguments(plot)
    documented = inspect.getdoc(Attribution.plot)
    assert all(f"\n{name} : " in documented for name in arguments(plot))


def test_the_method_passes_every_argument_on(made, monkeypatch):
    import explain.render

    seen = {}
    monkeypatch.setattr(explain.render, "plot", lambda attribution, **options: seen.update(options))
    given = {name: object() for name in list(inspect.signature(Attribution.plot).parameters)[1:]}
    made.images().plot(**given)
    assert seen == given


class TestAxes:
    def test_every_kind_draws_one_example_into_given_axes(self, any_attribution):
        figure = Figure(figsize=(8, 4))
        left, right = figure.subplots(1, 2)
        assert any_attribution.plot(ax=right, examples=0, title="Costs $5 and $6") is figure
        assert len(figure.axes) == 2
        assert not left.has_data()
        assert right.has_data() or right.patches
        assert right.get_title() == "Costs $5 and $6"
        assert "Costs $5 and $6" in drawn_texts(_with_canvas(figure))[0]

    def test_the_heatmap_is_that_of_the_example(self, made):
        a = made.images(3)
        axes = Figure().add_subplot()
        a.plot(ax=axes, examples=[2])
        np.testing.assert_array_equal(axes.images[0].get_array(), heatmaps(a.values, a.layout)[2])
        assert axes.get_aspect() == 1.0
        bar = axes.figure.colorbar(axes.images[0], ax=axes)
        assert bar.vmin == -bar.vmax

    def test_in_a_subfigure(self, made):
        figure = Figure()
        axes = figure.subfigures(1, 2)[1].subplots()
        assert made.rows(1).plot(ax=axes) is figure

    def test_more_than_one_example_is_refused_and_the_advice_works(self, made):
        axes = Figure().add_subplot()
        with pytest.raises(
            RenderError, match="ax= draws one example, and 2 are to be drawn: give examples=0"
        ):
            made.images(2).plot(ax=axes)
        with pytest.raises(RenderError, match="and 2 are to be drawn"):
            made.images(3).plot(ax=axes, examples=[0, 2])
        assert not axes.has_data()
        made.images(2).plot(ax=axes, examples=0)

    @pytest.mark.parametrize("wrong", ["figure", "array"])
    def test_what_is_no_axes(self, made, wrong):
        figure = Figure()
        given = figure if wrong == "figure" else figure.subplots(1, 2)
        with pytest.raises(RenderError, match=r"ax is a (Figure|ndarray): give one matplotlib Axes"):
            made.images(1).plot(ax=given)

    def test_the_size_of_the_users_figure_is_theirs(self, made):
        with pytest.raises(RenderError, match=r"figsize=\(3, 3\) with ax=: the figure is yours"):
            made.images(1).plot(ax=Figure().add_subplot(), figsize=(3, 3))


class TestSize:
    @pytest.mark.parametrize("size", [(16, 9), (9, 12), (7.5, 6)])
    def test_every_kind_gets_it_and_its_text_is_legible(self, any_attribution, size, check_text):
        figure = any_attribution.plot(figsize=size, examples=0)
        assert tuple(figure.get_size_inches()) == size
        check_text(figure)
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 5

    def test_panels_grow_and_text_stays(self, made):
        usual, large = (made.rows(1).plot(figsize=size) for size in (None, (16, 8)))
        widths = [figure.axes[0].get_window_extent().width for figure in (usual, large)]
        assert widths[1] > 1.5 * widths[0]
        assert [figure.texts[0].get_fontsize() for figure in (usual, large)] == [12.5, 12.5]
        images = made.images(1, shape=(32, 32, 3))
        assert images.plot(figsize=(16, 8)).axes[0].get_window_extent().width > 600

    def test_images_keep_their_shape(self, made):
        figure = made.images(1, shape=(20, 40, 3)).plot(figsize=(12, 12))
        box = figure.axes[0].get_window_extent()
        assert box.width / box.height == pytest.approx(2.0, rel=0.02)

    def test_too_small_to_read_and_the_advice_works(self, made):
        a = made.images(4)
        with pytest.raises(RenderError, match=r"figsize=\(2.0, 1.0\) is too small.*about \(") as caught:
            a.plot(figsize=(2, 1))
        needed = str(caught.value).split("about (")[1].split(")")[0]
        figure = a.plot(figsize=tuple(float(side) for side in needed.split(",")))
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 5 - 1e-6

    @pytest.mark.parametrize("wrong", [5, (5,), (0, 4), (-1, 4), (np.nan, 4), ("a", "b"), "large", (1e5, 2)])
    def test_wrong_sizes(self, made, wrong):
        with pytest.raises(RenderError, match="is not a width and a height: give two numbers of inches"):
            made.images(1).plot(figsize=wrong)


class TestTitleAndNames:
    def test_a_title_stands_first_and_the_method_remains(self, made, check_text):
        figure = made.images(1).plot(title="$x$\nsecond line")
        check_text(figure)
        first, second, third = (text.get_text() for text in figure.texts[:3])
        assert (first, second) == ("$x$", "second line")
        assert third.startswith("Integrated gradients  ·  Net")

    def test_a_title_is_text(self, made):
        with pytest.raises(RenderError, match="title=3 is a int: give a str"):
            made.images(1).plot(title=3)

    def test_examples_have_their_names(self, any_attribution, check_text):
        names = tuple(f"folder/picture_{index}_$a$.png" for index in range(len(any_attribution)))
        figure = any_attribution.with_display(example_names=names).plot()
        check_text(figure)
        assert any("picture_0" in text.get_text() for text in figure.texts)

    def test_the_scale_stands_beside_every_row(self, made, check_text):
        a = made.images(4)
        a = replace(a, values=a.values * np.array([1, 2, 3, 4], np.float32)[:, None, None, None])
        for scale, heading in (("shared", "one scale for all"), ("panel", "a scale for each")):
            figure = a.plot(scale=scale)
            check_text(figure)
            bars = figure.axes[3::4]
            for row, bar in enumerate(bars):
                panel = figure.axes[4 * row + 1]
                assert bar.get_position().y1 == pytest.approx(panel.get_position().y1)
                assert bar.get_ylim() == pytest.approx(panel.images[0].get_clim())
            assert heading in [text.get_text() for text in figure.texts]


def _with_canvas(figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    return figure


def test_a_long_name_keeps_both_ends(made):
    name = "2024/runs/a_very_long_folder_of_many/more/words/pump_8.csv"
    figure = made.images(1).with_display(example_names=(name,)).plot()
    (shown,) = [text.get_text() for text in figure.texts if "…" in text.get_text()]
    head, tail = shown.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert min(len(head), len(tail)) > 8
