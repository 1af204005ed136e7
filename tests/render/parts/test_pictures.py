"""Inputs as the pictures that they were."""

import numpy as np
import pytest

from explain.errors import RenderError
from explain.inputs.display import Display
from explain.render import picture


def test_normalisation_is_undone_channel_by_channel():
    original = np.random.default_rng(0).uniform(size=(4, 5, 3))
    mean, scale = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    found = picture((original - mean) / scale, Display(mean=mean, scale=scale))
    np.testing.assert_allclose(found.pixels, original)
    assert found.note == ""


def test_one_channel_is_grey():
    assert picture(np.full((4, 5, 1), 0.5), Display()).pixels.shape == (4, 5)


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_other_numbers_of_channels_are_averaged_and_said_so(channels):
    values = np.random.default_rng(0).uniform(size=(4, 5, channels))
    found = picture(values, Display())
    np.testing.assert_allclose(found.pixels, sum(values[..., c] for c in range(channels)) / channels)
    assert found.note == f"mean of {channels} channels"


def test_steps_by_features_are_grey():
    assert picture(np.full((4, 3), 0.5), Display()).pixels.shape == (4, 3)


def test_clipped_to_a_picture():
    found = picture(np.array([[[-9.0], [9.0]]]), Display(mean=0.5, scale=0.5))
    assert found.pixels.tolist() == [[0.0, 1.0]]


def test_stretched_only_where_the_normalisation_is_unknown():
    inputs = np.array([[[-2.0], [0.0], [2.0]]])
    found = picture(inputs, Display())
    assert found.pixels.tolist() == [[0.0, 0.5, 1.0]]
    assert found.note == "stretched"
    assert picture(inputs, Display(bounds=(-4.0, 4.0))).pixels.tolist() == [[0.25, 0.5, 0.75]]
    assert picture(np.full((1, 2, 1), 7.0), Display()).pixels.tolist() == [[0.5, 0.5]]


def test_grey_of_a_colour_is_its_luma():
    colors = np.array([[[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]])
    np.testing.assert_allclose(picture(colors, Display()).grey, [[0.299, 0.587, 0.114]])


@pytest.mark.parametrize("name", ["mean", "scale"])
def test_refuses_a_wrong_number_of_channels(name):
    with pytest.raises(
        RenderError, match=rf"display.{name}=\(1, 2\) has 2 numbers but the input has 3 channels"
    ):
        picture(np.zeros((2, 2, 3)), Display(**{name: (1, 2)}))


def test_refuses_what_is_not_finite():
    with pytest.raises(RenderError, match="inputs has NaN"):
        picture(np.full((2, 2, 1), np.nan), Display())
    with pytest.raises(RenderError, match="not finite"):
        picture(np.zeros((2, 2, 1)), Display(mean=np.nan))
