"""Values to heatmaps, heatmaps to colours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explain.errors import LayoutError, RenderError
from explain.render import Scale, heatmaps, shared_scale

finite = st.floats(-1e6, 1e6, allow_nan=False, width=32)
maps = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=finite)

# Machado, Oliveira & Fernandes 2009, severity 1: what the three kinds of colour blindness see (linear RGB).
COLOR_BLINDNESS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(color):
    from skimage.color import rgb2lab

    return rgb2lab(np.asarray(color)[np.newaxis, np.newaxis, :3])[0, 0]


def seen(color, kind):
    linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(COLOR_BLINDNESS[kind]) @ linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


class TestHeatmaps:
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5))

    def test_sum_keeps_completeness(self):
        found = heatmaps(self.values, "NCHW")
        assert found.shape == (2, 4, 5)
        np.testing.assert_allclose(found.sum(axis=(1, 2)), self.values.sum(axis=(1, 2, 3)))

    def test_rules_by_another_formula(self):
        np.testing.assert_allclose(
            heatmaps(self.values, "NCHW", channels="abs_sum"), np.einsum("nchw->nhw", abs(self.values))
        )
        expected = np.maximum.reduce([abs(self.values[:, channel]) for channel in range(3)])
        np.testing.assert_array_equal(heatmaps(self.values, "NCHW", channels="abs_max"), expected)

    @pytest.mark.parametrize("layout", ["NCHW", "NHWC", "HWNC", "CHWN"])
    @pytest.mark.parametrize("channels", ["sum", "abs_sum", "abs_max"])
    def test_layouts_give_the_same_heatmap(self, layout, channels):
        moved = self.values.transpose(["NCHW".index(letter) for letter in layout])
        np.testing.assert_allclose(
            heatmaps(moved, layout, channels=channels), heatmaps(self.values, "NCHW", channels=channels)
        )

    @pytest.mark.parametrize(
        ("layout", "shape", "expected"),
        [
            ("NHW", (2, 4, 5), (2, 4, 5)),
            ("NC", (2, 4), (2, 4)),
            ("TNC", (3, 2, 4), (2, 3)),
            ("NT", (2, 3), (2, 3)),
            ("NCDHW", (2, 1, 3, 4, 5), (2, 3, 4, 5)),
        ],
    )
    def test_shapes(self, layout, shape, expected):
        assert heatmaps(np.ones(shape), layout).shape == expected

    def test_features_apart(self):
        values = np.random.default_rng(0).normal(size=(3, 2, 4))
        np.testing.assert_array_equal(heatmaps(values, "TNC", per_feature=True), values.transpose(1, 0, 2))
        np.testing.assert_array_equal(
            heatmaps(values, "TNC", per_feature=True, channels="abs_max"), abs(values.transpose(1, 0, 2))
        )

    def test_a_table_keeps_its_features_and_is_not_changed(self):
        values = np.array([[1.0, -2.0]])
        found = heatmaps(values, "NC")
        found[:] = 0
        assert values.tolist() == [[1.0, -2.0]]
        assert heatmaps(values, "NC", channels="abs_sum").tolist() == [[1.0, 2.0]]

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_refuses_what_is_not_finite(self, bad):
        values = self.values.copy()
        values[1, 0, 0, 0] = bad
        with pytest.raises(RenderError, match=r"1 NaN or infinite of 120 \(examples 1\)"):
            heatmaps(values, "NCHW")

    def test_the_mean_is_of_the_channels_of_a_place(self):
        found = heatmaps(self.values, "NCHW", channels="mean")
        np.testing.assert_allclose(found, self.values.mean(axis=1), rtol=1e-12)
        np.testing.assert_array_equal(
            heatmaps(self.values[..., 0, 0], "NC", channels="mean"), self.values[..., 0, 0]
        )

    def test_refuses_unknown_rules_and_wrong_layouts(self):
        with pytest.raises(RenderError, match=r"channels='median'.*'sum', 'mean', 'abs_sum', 'abs_max'"):
            heatmaps(self.values, "NCHW", channels="median")
        with pytest.raises(LayoutError):
            heatmaps(self.values, "NC")


class TestSharedScale:
    @settings(max_examples=60, deadline=None)
    @given(maps, maps, st.floats(1, 100))
    def test_symmetric_and_shared(self, one, other, percentile):
        scale = shared_scale(one, other, percentile=percentile)
        assert scale.vmin == -scale.vmax
        assert scale == shared_scale(other, one, percentile=percentile)
        assert scale == shared_scale(-one, other, percentile=percentile)
        assert scale.vmax <= max(abs(one).max(), abs(other).max())
        assert scale.all_zero == (not one.any() and not other.any())

    def test_limit_is_the_percentile_of_all_panels(self):
        ramp = np.arange(1000.0)
        assert shared_scale(ramp[:500], -ramp[500:]).vmax == 990
        assert shared_scale(ramp, percentile=50).vmax == 500
        assert shared_scale(ramp, signed=False) == Scale(0, 990, False, 99)

    def test_an_outlier_does_not_fade_the_rest(self):
        numbers = np.ones((50, 50))
        numbers[0, 0] = 1e6
        scale = shared_scale(numbers)
        assert scale.vmax == 1
        assert scale.extend(numbers) == "max"

    def test_few_numbers_are_never_clipped(self):
        assert shared_scale(np.array([0.0, 1.0, 9.0])).vmax == 9

    def test_a_sparse_map_is_not_taken_for_zero(self):
        numbers = np.zeros(1000)
        numbers[0] = -2
        assert shared_scale(numbers).vmax == 2

    def test_padding_is_left_out(self):
        assert shared_scale(np.array([np.nan, 3.0])).vmax == 3
        assert shared_scale(np.array([np.nan])).all_zero

    @pytest.mark.parametrize("percentile", [0, -1, 101, "99", None, True, np.nan])
    def test_refuses_percentiles_out_of_range(self, percentile):
        with pytest.raises(RenderError, match="percentile="):
            shared_scale(np.ones(3), percentile=percentile)

    def test_refuses_nothing_and_infinity(self):
        with pytest.raises(RenderError, match="at least one heatmap"):
            shared_scale()
        with pytest.raises(RenderError, match="infinite"):
            shared_scale(np.array([np.inf]))


class TestColors:
    signed = Scale(-2.0, 2.0, True, 99)
    unsigned = Scale(0.0, 2.0, False, 99)

    def test_zero_is_neutral(self):
        red, green, blue, alpha = self.signed.colors(0.0)
        assert red == green == blue
        assert red > 0.95
        assert alpha == 1

    def test_swapping_the_sign_mirrors_the_map_of_colors(self):
        colormap = self.signed.colormap
        numbers = np.random.default_rng(0).uniform(-2, 2, 500)
        steps = [np.floor((n / 2 + 1) / 2 * colormap.N) for n in (numbers, -numbers)]
        np.testing.assert_array_equal(steps[0] + steps[1], colormap.N - 1)
        table = colormap(np.arange(colormap.N))
        np.testing.assert_allclose(self.signed.colors(numbers), table[steps[0].astype(int)])
        np.testing.assert_allclose(self.signed.colors(-numbers), table[::-1][steps[0].astype(int)])

    def test_positive_is_red_and_negative_blue(self):
        plus, minus = self.signed.colors([1.0, -1.0])
        assert plus[0] > plus[2]
        assert minus[2] > minus[0]

    def test_clipped_numbers_have_the_colors_of_the_ends(self):
        np.testing.assert_array_equal(self.signed.colors([5.0, -5.0]), self.signed.colors([2.0, -2.0]))

    def test_padding_has_a_color_of_its_own(self):
        padding = self.signed.colors(np.nan)
        assert padding.tolist() == pytest.approx([208 / 255] * 3 + [1], abs=1e-3)

    @pytest.mark.parametrize("signed", [True, False])
    def test_a_zero_map_is_drawn_as_zero(self, signed):
        zero = shared_scale(np.zeros((4, 4)), signed=signed)
        assert zero.all_zero
        expected = (self.signed if signed else self.unsigned).colors(np.zeros((4, 4)))
        np.testing.assert_array_equal(zero.colors(np.zeros((4, 4))), expected)
        assert not zero.strength(np.zeros(3)).any()
        assert zero.extend(np.zeros(3)) == "neither"

    def test_extend_names_the_clipped_ends(self):
        assert self.signed.extend(np.array([1.0])) == "neither"
        assert self.signed.extend(np.array([3.0]), np.array([-1.0])) == "max"
        assert self.signed.extend(np.array([-3.0])) == "min"
        assert self.signed.extend(np.array([3.0]), np.array([-3.0])) == "both"
        assert self.signed.extend(np.array([2.0 * (1 + 1e-7)])) == "neither"

    def test_lightness_falls_evenly_along_the_unsigned_scale(self):
        lightness = np.array([lab(color)[0] for color in self.unsigned.colors(np.linspace(0, 2, 33))])
        falls = -np.diff(lightness)
        assert (falls > 0).all()
        assert falls.max() < 2 * falls.mean()

    def test_lightness_of_the_signed_scale_tells_the_size(self):
        for sign in (1, -1):
            lightness = [lab(color)[0] for color in self.signed.colors(sign * np.linspace(0, 2, 33))]
            assert (np.diff(lightness) < 0).all()

    @pytest.mark.parametrize("kind", COLOR_BLINDNESS)
    @pytest.mark.parametrize("part", [0.25, 0.5, 0.75, 1.0])
    def test_the_signs_differ_for_the_color_blind(self, kind, part):
        plus, minus = (seen(self.signed.colors(sign * 2 * part)[:3], kind) for sign in (1, -1))
        # A difference of 10 in CIELAB is plain to see at a glance.
        assert np.linalg.norm(lab(plus) - lab(minus)) > 10
