"""Preprocessing: its numbers against Keras, transformers, and formulas written out; what it draws."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from keras.applications import imagenet_utils
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil
from transformers.models.mobilevit.image_processing_pil_mobilevit import MobileViTImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

import explain
from explain.preprocessing import PRESETS, Preprocessing, preset
from explain.preprocessing.config_files import of_transformers
from explain.render import picture as drawn
from explain.zoo.preprocessing import prepare

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("mode", ["tf", "torch", "caffe"])
@pytest.mark.parametrize("channels", ["first", "last"])
def test_the_modes_of_keras_are_keras_own(mode, channels):
    pictures = noise(4, 9, 7, 3)
    ours = replace(preset(mode), channels=channels)(pictures)
    given = pictures.transpose(0, 3, 1, 2) if channels == "first" else pictures
    theirs = imagenet_utils.preprocess_input(
        given.astype("float32"), data_format=f"channels_{channels}", mode=mode
    )
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == np.float32


@pytest.mark.parametrize("size", [(480, 640), (257, 256), (300, 1000), (100, 120), (256, 901)])
def test_imagenet_is_what_torchvision_documents(size):
    # Resize(256), CenterCrop(224), ToTensor(), Normalize(mean, std), written out.
    height, width = size
    photo = Image.fromarray(noise(height, width, 3))
    scaled = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
    resized = photo.resize(scaled, Image.Resampling.BILINEAR)
    top, left = round((scaled[1] - 224) / 2.0), round((scaled[0] - 224) / 2.0)
    middle = np.asarray(resized)[top : top + 224, left : left + 224].transpose(2, 0, 1)
    expected = (middle / 255 - MEAN[:, None, None]) / STD[:, None, None]
    found = preset("imagenet")([photo])
    assert found.shape == (1, 3, 224, 224)
    # Float32 against float64, of values up to 2.7.
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


@pytest.mark.parametrize("size", [(60, 90), (91, 64), (301, 200)])
@pytest.mark.parametrize(
    "processor",
    [
        ViTImageProcessorPil(),
        CLIPImageProcessorPil(),
        ConvNextImageProcessorPil(),
        ConvNextImageProcessorPil(size={"shortest_edge": 224}),
        EfficientNetImageProcessorPil(),
        EfficientNetImageProcessorPil(rescale_offset=True),
        EfficientNetImageProcessorPil(include_top=False),
        EfficientNetImageProcessorPil(rescale_offset=True, rescale_factor=1 / 127.5, do_normalize=False),
        MobileViTImageProcessorPil(do_normalize=False),
    ],
    ids=lambda processor: type(processor).__name__,
)
def test_image_processors_of_transformers_give_the_same_pixels(processor, size):
    photo = Image.fromarray(noise(*size, 3))
    settings = of_transformers(json.loads(processor.to_json_string()), "preprocessor_config.json")
    theirs = processor(photo)["pixel_values"][0]
    # Where their mean and deviation are applied in another order, rounding in float32 differs.
    np.testing.assert_allclose(settings([photo])[0], theirs, atol=1e-5)


def test_the_longer_side_is_fitted_and_the_rest_is_filled():
    x = Preprocessing(size=(4, 6), resize="longer", fill=128)([Image.new("RGB", (30, 60), "white")])
    # 30×60 fits into 6×4 as 2×4, in the middle.
    expected = np.full((4, 6, 3), 128.0)
    expected[:, 2:4] = 255
    np.testing.assert_array_equal(x[0], expected)


def test_stretching_takes_all_of_a_picture():
    left_black = np.zeros((4, 8, 3), np.uint8)
    left_black[:, 4:] = 255
    x = Preprocessing(size=2, resize="stretch", interpolation="box")(left_black)
    np.testing.assert_array_equal(x[0, :, :, 0], [[0, 255], [0, 255]])


def test_grey_is_the_lightness_that_pillow_gives():
    pictures = noise(3, 5, 4, 3)
    x = Preprocessing(color="grey", channels="first")(pictures)
    assert x.shape == (3, 1, 5, 4)
    for one, given in zip(x, pictures, strict=True):
        np.testing.assert_array_equal(one[0], np.asarray(Image.fromarray(given).convert("L")))
    in_color = Preprocessing()([noise(5, 4)])
    assert (in_color[..., 0] == in_color[..., 2]).all()


@pytest.mark.parametrize("name", PRESETS)
def test_a_picture_is_drawn_as_it_was(name):
    settings = replace(preset(name), size=None, resize_to=None)
    given = noise(6, 5, 3)
    x = settings(given)[0]
    x = x.transpose(1, 2, 0) if settings.channels == "first" else x
    display = settings.display()
    np.testing.assert_allclose(drawn(x, display).pixels, given / 255, atol=1e-6)
    low, high = display.bounds
    black, white = settings(np.stack([np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)]))
    assert low == pytest.approx(black.min(), abs=1e-5)
    assert high == pytest.approx(white.max(), abs=1e-5)


def test_bgr_of_the_callers_own_is_drawn_in_its_colours():
    red = np.zeros((2, 2, 3))
    red[..., 2] = 1.0
    assert drawn(red, explain.Display(color="bgr")).pixels[0, 0].tolist() == [1.0, 0.0, 0.0]
    assert drawn(red, explain.Display()).pixels[0, 0].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("name", PRESETS)
def test_settings_and_displays_survive_json(name):
    settings = preset(name)
    assert Preprocessing.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    display = settings.display(classes=("a",))
    assert explain.Display.from_json(json.loads(json.dumps(display.to_json()))) == display
    assert Preprocessing.from_json(display.preprocessing) == settings


def test_another_size_crops_the_same_part():
    assert preset("imagenet").with_size(112).resize_to == 128
    wide = preset("imagenet").with_size((224, 448))
    assert (wide.size, wide.resize_to) == ((224, 448), (256, 512))
    assert Preprocessing(size=8).with_size(9).resize_to is None


def test_pictures_of_pillow_arrays_and_files_are_the_same(tmp_path):
    pixels = noise(4, 6, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    settings = preset("tf")
    expected = settings(pixels)
    for given in (
        Image.fromarray(pixels),
        [pixels],
        pixels[None],
        str(tmp_path / "a.png"),
        [tmp_path / "a.png"],
    ):
        np.testing.assert_array_equal(settings(given), expected)
    np.testing.assert_array_equal(settings(pixels.transpose(2, 0, 1)), expected)


def test_the_zoo_prepares_with_the_same_arithmetic():
    from explain.zoo.seed_models import seed_model

    pictures = noise(3, 32, 32, 3)
    model = seed_model("cifar_net")
    settings = Preprocessing(divide_by=255, mean=model.mean, std=model.scale, channels="first")
    np.testing.assert_array_equal(settings(pictures), prepare(model, pictures, "torch"))
    display = settings.display()
    assert (display.mean, display.scale, display.bounds) == (model.mean, model.scale, model.bounds)


def test_a_thin_picture_does_not_become_a_huge_one():
    thin = Image.new("L", (100_000, 2))
    with pytest.raises(explain.errors.InputError, match=r"resized by resize='shorter', would have"):
        Preprocessing(size=224)(thin)
    assert Preprocessing(size=224, resize="stretch")(thin).shape == (1, 224, 224, 3)


def test_a_batch_that_fills_the_memory_is_refused_before_it_is_made(monkeypatch):
    from explain.inputs.readers import limits

    monkeypatch.setattr(limits, "bytes_to_read", lambda: 1000)
    with pytest.raises(explain.errors.InputError, match="a batch of shape"):
        preset("none")(noise(2, 10, 10, 3))


def test_descriptions():
    assert preset("none").describe() == "pixels as they are, 0 to 255"
    assert preset("caffe").describe() == "channels blue, green, red, − (103.939, 116.779, 123.68)"
    assert (
        Preprocessing(size=(4, 6), resize="longer", color="grey", divide_by=255).describe()
        == "longer side to 6×4, filled up to 6×4, grey, / 255"
    )
