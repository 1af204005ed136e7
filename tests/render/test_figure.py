"""The figures of one attribution: what they show, that nothing is clipped, that they do not vary."""

import subprocess
import sys
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from explain.errors import RenderError
from explain.inputs.display import Display
from explain.render import heatmaps, most_relevant_slice, plot, shared_scale, slice_volume
from explain.render.png import figure_png
from explain.results.attribution import Attribution


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.fixture(scope="module")
def figure(any_attribution):
    """The figure of one attribution of each kind, in turn."""
    return plot(any_attribution)


class TestEveryKind:
    def test_text_is_neither_clipped_nor_overlapping(self, figure, check_text):
        check_text(figure)

    def test_the_same_bytes_twice_and_the_users_settings_as_they_were(self, any_attribution, figure):
        before = dict(matplotlib.rcParams)
        assert figure_png(plot(any_attribution)) == figure._repr_png_()
        assert dict(matplotlib.rcParams) == before

    def test_a_figure_of_its_own_that_pyplot_does_not_know(self, figure):
        import matplotlib.pyplot as plt

        assert isinstance(figure, Figure)
        assert figure._repr_png_().startswith(b"\x89PNG")
        assert plt.get_fignums() == []

    def test_says_target_score_and_method(self, any_attribution, figure):
        found = "\n".join(words(figure))
        method = any_attribution.method.replace("_", " ").capitalize()
        for expected in ("cat", "example 0", "logit", "PyTorch", method):
            assert expected in found

    def test_a_zero_map_says_so(self, any_attribution):
        if any_attribution.method != "activation_maximization":
            zero = replace(any_attribution, values=np.zeros_like(any_attribution.values))
            assert "all zero" in words(plot(zero, examples=0))

    def test_nan_is_refused(self, any_attribution):
        values = any_attribution.values.copy()
        values[(0,) * values.ndim] = np.nan
        with pytest.raises(RenderError, match="NaN"):
            plot(replace(any_attribution, values=values))


class TestImages:
    @pytest.mark.parametrize(
        ("shape", "count"),
        [
            ((28, 28), 8),
            ((32, 32, 3), 1),
            ((32, 32, 3), 3),
            ((224, 224, 3), 1),
            ((20, 90), 1),
            ((90, 20, 1), 3),
        ],
    )
    def test_sizes_and_numbers(self, made, shape, count, check_text):
        figure = plot(made.images(count, shape=shape))
        check_text(figure)
        assert len(figure.axes) == 4 * count
        assert figure.get_figwidth() < 14

    def test_small_images_get_whole_pixels(self, made):
        figure = plot(made.images(1, shape=(32, 32, 3)))
        for axes in figure.axes[:3]:
            box = axes.get_window_extent()
            assert box.width / 32 == pytest.approx(round(box.width / 32), abs=1e-6)
            assert box.x0 == pytest.approx(round(box.x0), abs=1e-6)
            assert axes.images[0].get_interpolation() == "nearest"

    def test_the_map_is_drawn_as_the_numbers_it_is(self, made):
        a = made.images(2)
        figure = plot(a)
        expected = heatmaps(a.values, a.layout)
        scale = shared_scale(expected)
        for example in range(2):
            shown = figure.axes[4 * example + 1].images[0]
            np.testing.assert_array_equal(shown.get_array(), expected[example])
            assert shown.get_clim() == (scale.vmin, scale.vmax)

    def test_channels_first_gives_the_same_picture(self, made):
        a = made.images(2)
        same = replace(made.channels_first(a), framework=a.framework)
        assert figure_png(plot(a)) == figure_png(plot(same))

    def test_a_scale_for_each_panel_must_be_asked_for(self, made, check_text):
        a = made.images(2)
        a = replace(a, values=a.values * [[[[1]]], [[[100]]]])
        shared = [axes.images[0].get_clim() for axes in plot(a).axes if axes.images][1::3]
        figure = plot(a, scale="panel")
        each = [axes.images[0].get_clim() for axes in figure.axes if axes.images][1::3]
        assert shared[0] == shared[1]
        assert each[0][1] < each[1][1] / 50
        assert len(figure.axes) == 2 * 4
        check_text(figure)

    def test_the_scale_of_another_figure(self, made):
        scale = shared_scale(np.array([123.0]))
        figure = plot(made.images(1), scale=scale)
        assert figure.axes[1].images[0].get_clim() == (-123, 123)

    def test_unsigned_maps(self, made):
        figure = plot(made.images(1), channels="abs_max")
        assert figure.axes[1].images[0].get_clim()[0] == 0
        assert any("greatest |value| over channels" in text.replace("\n", " ") for text in words(figure))

    def test_clipping_is_said_and_shown(self, made):
        a = made.images(1, shape=(20, 20, 1))
        found = " ".join(words(plot(a))).replace("\n", " ")
        assert "clipped at the 99th percentile" in found
        assert "clipped" not in " ".join(words(plot(a, percentile=100)))

    def test_chosen_examples(self, made):
        a = made.table(12, 3)

        def shown(**arguments):
            return [text for text in words(plot(a, **arguments)) if text.startswith("example")]

        assert shown(examples=[3, 1]) == ["example 3", "example 1"]
        assert shown(examples=np.int64(5)) == ["example 5"]
        assert shown() == [f"example {index}" for index in range(8)]
        assert shown(max_examples=2) == ["example 0", "example 1"]
        assert any("1 of 12 examples" in text for text in words(plot(a, examples=2)))

    def test_an_unconverged_integral_is_coloured(self, made):
        figure = plot(made.images(2, relative_delta=np.array([0.01, 0.2])))
        colors = {t.get_text(): t.get_color() for t in figure.findobj(Text) if "delta" in t.get_text()}
        assert colors["convergence delta 1 %"] != colors["convergence delta 20 %"]

    def test_warnings_are_at_the_foot(self, made, check_text):
        figure = plot(made.images(1, notes=("The integral has not converged. " * 12,)))
        assert any(text.startswith("Warning: The integral") for text in words(figure))
        check_text(figure)

    def test_without_any_names(self):
        ones = np.ones((1, 4, 4), np.float32)
        found = words(plot(Attribution(ones, ones, "NHW", "saliency", np.ones(1), delta=np.full(1, 0.25))))
        assert "output" in found
        assert "convergence delta 0.25" in found

    def test_another_display(self, made):
        figure = plot(made.images(1), display=Display(classes=("only",)))
        assert "only" in words(figure)


class TestOtherKinds:
    def test_volumes_show_their_most_relevant_slice(self, made):
        a = made.volumes()
        assert most_relevant_slice(a).tolist() == [1, 2]
        figure = plot(a)
        assert figure.axes[1].images[0].get_array().sum() == 42
        assert {"slice D = 1 (0 to 4)", "slice D = 2 (0 to 4)"} <= {
            text.replace("\xa0", " ") for text in words(figure)
        }

    def test_a_slice_keeps_what_belongs_to_it(self, made):
        a = made.volumes(baseline=np.ones((2, 1, 5, 6, 7), np.float32))
        cut = slice_volume(a, 1)
        np.testing.assert_array_equal(cut.values[..., 0], a.values[:, 0, 1])
        np.testing.assert_array_equal(cut.inputs[..., 0], a.inputs[:, 0, 1])
        assert cut.baseline.shape == cut.values.shape

    @pytest.mark.parametrize("depth", [5, -1, 1.5, [0], [0, 9]])
    def test_slices_out_of_range(self, made, depth):
        with pytest.raises(RenderError, match="depth="):
            slice_volume(made.volumes(), depth)

    def test_only_volumes_have_slices(self, made):
        with pytest.raises(RenderError, match="has no slices"):
            slice_volume(made.images(), 0)

    def test_too_many_axes(self, made):
        a = made.attribution(np.ones((1, 2, 3, 4, 5)), "NTDHW")
        with pytest.raises(RenderError, match="has 4 axes besides"):
            plot(a)

    def test_rows_have_a_margin_over_time(self, made):
        a = made.rows(1)
        figure = plot(a, series="map")
        margin = figure.axes[2]
        np.testing.assert_allclose(
            [bar.get_width() for bar in margin.patches], a.values[0].sum(axis=1), rtol=1e-6
        )
        assert margin.get_ylim() == figure.axes[1].get_ylim() == (9.5, -0.5)

    def test_padded_rows_are_grey_and_have_no_bar(self, made):
        mask = np.arange(10)[np.newaxis] < 7
        figure = plot(made.rows(1, mask=mask), series="map")
        assert figure.axes[1].images[0].get_array().mask.sum() == 3 * 6
        assert len(figure.axes[2].patches) == 7

    def test_margins_share_an_axis_when_the_scale_is_shared(self, made):
        a = made.rows(2)
        a = replace(a, values=a.values * [[[1]], [[10]]])
        shared, each = plot(a, series="map"), plot(a, scale="panel", series="map")
        assert shared.axes[2].get_xlim() == shared.axes[6].get_xlim()
        assert each.axes[2].get_xlim() != each.axes[6].get_xlim()

    @pytest.mark.parametrize("shape", [(200, 1), (3, 300), (1, 1)])
    def test_rows_of_odd_shapes(self, made, shape, check_text):
        check_text(plot(made.rows(1, *shape), series="map"))

    def test_maximization(self, made):
        a = made.maximization(2)
        figure = plot(a)
        assert len(figure.axes) == 2 * 3
        assert figure.axes[2].lines[0].get_ydata().tolist() == a.history[:, 0].tolist()
        assert "logit 1 → 11" in words(figure)
        assert len(plot(replace(a, history=None)).axes) == 2 * 2

    def test_maximization_of_a_table_and_of_rows(self, made, check_text):
        for one in (made.table(1), made.rows(1)):
            found = replace(one, method="activation_maximization")
            check_text(plot(found))

    def test_a_history_that_does_not_fit(self, made):
        with pytest.raises(RenderError, match=r"history has shape \(4,\)"):
            plot(replace(made.maximization(2), history=np.ones(4)))


class TestRefusals:
    @pytest.mark.parametrize(
        ("argument", "value", "expected"),
        [
            ("examples", [0, 9], r"asks for 9 but there are 2 examples: give indices from 0 to 1"),
            ("examples", -1, r"examples=-1 asks for -1"),
            ("examples", [], r"examples=\[\] is not an int"),
            ("examples", "all", r"examples='all' is not an int"),
            ("examples", 1.5, r"examples=1.5"),
            ("channels", "median", r"channels='median'.*'sum', 'mean', 'abs_sum', 'abs_max'"),
            ("scale", "own", r"scale='own' is not known: give 'shared' or 'panel', or a Scale"),
            ("percentile", 0, r"percentile=0"),
            ("max_examples", 0, r"max_examples=0"),
            ("max_examples", 2.5, r"max_examples=2.5"),
            ("display", {"means": 1}, r"display=\{'means': 1\} is not understood: give an explain.Display"),
            (
                "display",
                Display(mean=(1, 2)),
                r"display.mean=\(1, 2\) has 2 numbers but the input has 3 channels",
            ),
            (
                "scale",
                shared_scale(np.ones(2), signed=False),
                r"is unsigned but channels='sum' gives signed maps",
            ),
        ],
    )
    def test_wrong_arguments(self, made, argument, value, expected):
        with pytest.raises(RenderError, match=expected):
            plot(made.images(2), **{argument: value})

    def test_not_an_attribution(self):
        with pytest.raises(RenderError, match="attribution is a ndarray: give the Attribution"):
            plot(np.ones(3))

    def test_no_examples(self, made):
        with pytest.raises(RenderError, match="no examples"):
            plot(made.images(0, target=(), relative_delta=None))

    def test_a_mask_that_does_not_fit(self, made):
        with pytest.raises(RenderError, match=r"mask has shape \(2, 3\)"):
            plot(made.rows(2, mask=np.ones((2, 3), bool)))


def test_importing_render_loads_no_matplotlib():
    code = "import sys, explain.render; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_can_be_had():
    import explain.render

    for name in dir(explain.render):
        assert getattr(explain.render, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = explain.render.nothing


@pytest.mark.parametrize(
    ("reduce", "expected"),
    [("norm", "length of each token's vector"), ("sum", "sum over each token's vector"), ("", "attribution")],
)
def test_the_bar_says_how_one_number_was_made_of_a_token(reduce, expected, check_text):
    ids, values = np.ones((2, 7), np.float32), np.arange(14, dtype=np.float32).reshape(2, 7)
    found = plot(Attribution(values, ids, "NT", "saliency", np.ones(2), reduce=reduce))
    check_text(found)
    labels = {text.replace("\n", " ") for text in words(found) if text.startswith("attribution,")}
    (label,) = labels or {"attribution"}
    assert expected in label
    assert ("token" in label) is bool(reduce)
