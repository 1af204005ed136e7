"""Volumes and videos: which slices are drawn along which axis, and where they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from explain.errors import RenderError
from explain.render import most_relevant_slice, picture, plot, plot_pair, slice_volume

GOLDEN = pytest.mark.mpl_image_compare(
    tolerance=0.2, savefig_kwargs={"dpi": 100, "metadata": {"Software": None}}
)
SHAPE = (12, 20, 16)


def scan(made, count=1, **fields):
    """A head in an ellipsoid, with one region that raises the score and one that lowers it."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij")
    shells = [
        (z / a) ** 2 + (y / b) ** 2 + (x / c) ** 2 < 1 for a, b, c in ((0.9, 0.85, 0.7), (0.8, 0.75, 0.6))
    ]
    head = 0.3 * shells[0] + shells[1] * (0.4 + 0.15 * np.sin(9 * x) * np.cos(8 * y) * np.cos(7 * z))
    raises = np.exp(-((z - 0.2) ** 2 + (y + 0.3) ** 2 + (x - 0.2) ** 2) / 0.05)
    lowers = np.exp(-((z + 0.3) ** 2 + (y - 0.3) ** 2 + (x + 0.1) ** 2) / 0.03)
    values = np.stack([(example + 1) * (raises - 0.6 * lowers) for example in range(count)])
    inputs = np.stack([head] * count).astype(np.float32)
    return made.attribution(values[:, np.newaxis], "NCDHW", **{"inputs": inputs[:, np.newaxis], **fields})


def video(made, frames=8):
    """A square that moves to the right."""
    x = np.zeros((1, frames, 10, 20, 3), np.float32)
    for frame in range(frames):
        x[0, frame, 3:6, 2 * frame : 2 * frame + 4] = (0.9, 0.6, 0.2)
    return made.attribution(x * np.linspace(-1, 1, frames)[:, None, None, None], "NTHWC", inputs=x)


def words(figure):
    return [text.get_text().replace("\xa0", " ") for text in figure.findobj(Text) if text.get_text()]


def pictures(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


@GOLDEN
def test_golden_slice(made):
    return scan(made).plot()


@GOLDEN
def test_golden_slices(made):
    return scan(made, 2).plot(plane="sagittal", slices=4)


@GOLDEN
def test_golden_frames(made):
    return video(made).plot(slices=[0, 3, 7])


class TestPlanes:
    @pytest.mark.parametrize(("plane", "axis"), [("D", 0), ("H", 1), ("W", 2), (None, 0)])
    def test_a_plane_cuts_across_its_axis(self, made, plane, axis):
        a = scan(made, 2)
        found = slice_volume(a, 3, plane=plane)
        np.testing.assert_array_equal(found.values[..., 0], np.take(a.values[:, 0], 3, axis=axis + 1))
        np.testing.assert_array_equal(found.inputs[..., 0], np.take(a.inputs[:, 0], 3, axis=axis + 1))
        sums = np.abs(a.values[:, 0]).sum(axis=tuple(place + 1 for place in range(3) if place != axis))
        assert most_relevant_slice(a, plane=plane).tolist() == sums.argmax(axis=1).tolist()

    def test_anatomical_names(self, made):
        a = scan(made)
        for name, letter in (("axial", "D"), ("coronal", "H"), ("sagittal", "W")):
            np.testing.assert_array_equal(
                slice_volume(a, 5, plane=name).values, slice_volume(a, 5, plane=letter).values
            )

    def test_the_letter_decides_not_the_place_of_the_axis(self, made):
        """As in NIfTI files: width, height, depth, channels."""
        a = scan(made)
        moved = {
            name: np.ascontiguousarray(getattr(a, name).transpose(0, 4, 3, 2, 1))
            for name in ("values", "inputs")
        }
        b = replace(a, **moved, layout="NWHDC")
        for plane in (None, "axial", "H", "sagittal"):
            np.testing.assert_array_equal(
                slice_volume(b, 4, plane=plane).values, slice_volume(a, 4, plane=plane).values
            )
        assert plot(a, plane="H")._repr_png_() == plot(b, plane="H")._repr_png_()

    def test_a_layer_or_a_neuron_of_a_volume(self, made):
        a = scan(made, layer="conv1", neuron=((0, 1, 1, 1),))
        assert "output of conv1" in words(plot(replace(a, neuron=())))
        assert plot(a).axes


class TestFigure:
    def test_the_map_of_the_chosen_slice(self, made):
        a = scan(made)
        figure = plot(a, plane="coronal", slice=7)
        np.testing.assert_allclose(pictures(figure)[1], a.values[0, 0, :, 7], rtol=1e-6)
        assert "coronal slice" in " ".join(words(figure))
        assert "H = 7 (0 to 19)" in " ".join(words(figure))

    def test_by_default_the_slice_with_the_largest_sum(self, made):
        a = scan(made, 2)
        sums = np.abs(a.values[:, 0]).sum(axis=(2, 3))
        np.testing.assert_allclose(pictures(plot(a))[1], a.values[0, 0, sums[0].argmax()], rtol=1e-6)

    @pytest.mark.parametrize(
        ("slices", "places"), [(3, [3, 10, 16]), ([0, 19], [0, 19]), (np.array([5]), [5])]
    )
    def test_several_slices(self, made, slices, places):
        a = scan(made)
        figure = plot(a, plane="H", slices=slices)
        found = pictures(figure)
        for which, place in enumerate(places):
            expected = picture(a.inputs[0, 0, :, place][..., np.newaxis], a.display).pixels
            np.testing.assert_allclose(found[3 * which], expected)
            np.testing.assert_allclose(found[3 * which + 1], a.values[0, 0, :, place], rtol=1e-6)
        if len(places) > 1:
            assert {f"H = {place}" for place in places} <= set(words(figure))

    def test_all_slices_share_the_scale_and_the_greys(self, made):
        a = scan(made)
        figure = plot(replace(a, inputs=5 * a.inputs), slices=3)
        maps = [axes.images[0] for axes in figure.axes if axes.images][1::3]
        assert len({one.get_clim() for one in maps}) == 1
        whole = np.stack(pictures(figure)[0::3])
        shown = np.stack([5 * a.inputs[0, 0, place] for place in (2, 6, 10)])
        np.testing.assert_allclose(whole, (shown - shown.min()) / np.ptp(shown), atol=1e-6)

    @pytest.mark.parametrize("options", [{}, {"plane": "W"}, {"slices": 4}, {"plane": "H", "slices": 2}])
    def test_the_aspect_is_kept(self, made, options):
        for axes in plot(scan(made), **options).axes:
            if axes.images:
                box, (height, width) = axes.get_window_extent(), axes.images[0].get_array().shape[:2]
                assert box.width / box.height == pytest.approx(width / height, rel=0.02)

    def test_the_profile_marks_the_slices(self, made):
        a = scan(made)
        profile = next(axes for axes in plot(a, slices=[2, 9]).axes if len(axes.patches) == SHAPE[0])
        sums = np.abs(a.values[0, 0]).sum(axis=(1, 2))
        np.testing.assert_allclose([bar.get_height() for bar in profile.patches], sums, rtol=1e-6)
        assert profile.lines[0].get_xdata().tolist() == [2, 9]

    @pytest.mark.parametrize("count", [1, 3])
    @pytest.mark.parametrize(
        "options", [{}, {"slices": 12}, {"slices": [3]}, {"plane": "sagittal", "slices": 5}]
    )
    def test_words_can_be_read(self, made, check_text, count, options):
        check_text(plot(scan(made, count), **options))
        check_text(plot(scan(made, count), scale="panel", **options))

    def test_frames(self, made, check_text):
        figure = plot(video(made), slices=3)
        check_text(figure)
        assert {"T = 1", "T = 4", "T = 6", "3 frames of 8"} <= set(words(figure))
        assert "frame T = 0 (0 to 7)" in words(plot(video(made), slice=0))

    def test_headings_of_many_narrow_slices_are_apart(self, made, check_text):
        values = np.random.default_rng(0).normal(size=(1, 1, 40, 90, 5))
        check_text(plot(made.attribution(values, "NCDHW"), slices=24))
        check_text(plot(made.attribution(values, "NCDHW"), plane="H", slices=30))

    def test_a_map_of_zeros(self, made, check_text):
        a = scan(made)
        figure = plot(replace(a, values=0 * a.values), slices=2)
        assert "all zero" in words(figure)
        check_text(figure)


class TestElsewhere:
    def test_one_slice_into_axes_of_the_caller(self, made):
        a = scan(made)
        axes = Figure().add_subplot()
        plot(a, ax=axes, plane="H", slice=7)
        np.testing.assert_allclose(axes.images[0].get_array(), a.values[0, 0, :, 7], rtol=1e-6)
        with pytest.raises(
            RenderError, match="ax= draws one slice, and several are to be drawn: give slice="
        ):
            plot(a, ax=axes, slices=3)

    @pytest.mark.parametrize("options", [{}, {"slices": 4}])
    def test_size(self, made, check_text, options):
        figure = plot(scan(made), figsize=(14, 9), **options)
        assert tuple(figure.get_size_inches()) == (14, 9)
        check_text(figure)

    def test_a_pair_has_one_plane_and_says_where(self, made, check_text):
        a = scan(made)
        moved = {name: getattr(a, name).transpose(0, 2, 3, 4, 1).copy() for name in ("values", "inputs")}
        b = replace(a, **moved, layout="NDHWC", framework="tensorflow")
        figure = plot_pair(a, b, plane="sagittal", slice=4)
        check_text(figure)
        _, one, other = pictures(figure)[:3]
        np.testing.assert_allclose(one, a.values[0, 0, :, :, 4], rtol=1e-6)
        np.testing.assert_array_equal(one, other)
        assert "W = 4 (0 to 15)" in " ".join(words(figure))
        with pytest.raises(RenderError, match="plane='D' picks slices of volumes"):
            plot_pair(made.images(), made.images(), plane="D")


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"plane": "T"},
                r"plane='T' is not a plane of layout='NCDHW': give one of 'D', 'H', 'W', 'axial', 'cor",
            ),
            ({"plane": 0}, "plane=0 is not a plane"),
            ({"slice": 12}, "slice=12 is not the index of a slice: give an int from 0 to 11"),
            ({"slice": -1}, "slice=-1 is not"),
            ({"slice": True}, "slice=True is not"),
            ({"slice": [1]}, r"slice=\[1\] is not"),
            ({"slices": 0}, "slices=0 is not a number of slices from 1 to 12"),
            ({"slices": 13}, "slices=13 is not a number of slices from 1 to 12"),
            ({"slices": []}, r"slices=\[\] is neither a number of slices nor a list"),
            ({"slices": "all"}, "slices='all' is neither"),
            ({"slices": [3, 12]}, "slices=12 is not the index of a slice"),
            ({"slice": 1, "slices": 2}, "slice=1 and slices=2 are both given"),
        ],
    )
    def test_wrong_arguments(self, made, options, message):
        with pytest.raises(RenderError, match=message):
            plot(scan(made), **options)

    def test_only_volumes_have_slices(self, made):
        for options in ({"plane": "D"}, {"slice": 0}, {"slices": 2}):
            (name,) = options
            with pytest.raises(RenderError, match=f"{name}=.* picks slices of volumes, but .* layout='NHWC'"):
                plot(made.images(), **options)

    def test_videos_have_no_anatomical_planes(self, made):
        with pytest.raises(RenderError, match=r"plane='axial' .* give one of 'T', 'H', 'W', the axis"):
            plot(video(made), plane="axial")

    def test_one_slice_of_a_maximization(self, made):
        a = scan(made, method="activation_maximization", relative_delta=None)
        with pytest.raises(RenderError, match=r"slices=2: for an input .* one slice is drawn. Give slice="):
            plot(a, slices=2)
        assert plot(a, slice=3, plane="H").axes
