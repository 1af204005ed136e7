"""What a model tells of its preprocessing: attributes, files beside it, first layers."""

from __future__ import annotations

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import torch
from keras import layers
from keras.applications import imagenet_utils
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from explain.errors import InputError, PreprocessingWarning
from explain.preprocessing import Preprocessing, of_model, read

TIMM = {
    "input_size": [3, 224, 224],
    "interpolation": "bicubic",
    "crop_pct": 0.95,
    "crop_mode": "center",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}


def keras_model(*first, shape=(8, 8, 3)):
    given = x = keras.Input(shape)
    for one in first:
        x = one(x)
    x = layers.Dense(2)(layers.Flatten()(layers.Conv2D(2, 3, name="first_weights")(x)))
    return keras.Model(given, x)


def saved(folder, name, config):
    (folder / name).write_text(json.dumps(config))
    (folder / "model.safetensors").touch()
    return folder / "model.safetensors"


def adapted(low, high):
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).uniform(low, high, (16, 8, 8, 3)))
    return layer


RAW = {
    "rescaling": [layers.Rescaling(1 / 255)],
    "to minus one": [layers.Rescaling(1 / 127.5, offset=-1)],
    "normalization of pixels": [adapted(0, 255)],
    "both": [layers.Rescaling(1 / 255), layers.Normalization(mean=[0.5] * 3, variance=[0.05] * 3)],
    "after augmentation": [
        keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1)]),
        layers.Rescaling(1 / 255),
    ],
    "after resizing": [layers.Resizing(8, 8), layers.Rescaling(1 / 255)],
    "operations": [lambda x: x / 127.5 - 1.0],
    "tf": [lambda x: imagenet_utils.preprocess_input(x, mode="tf")],
    "torch": [lambda x: imagenet_utils.preprocess_input(x, mode="torch")],
    "caffe": [imagenet_utils.preprocess_input],
    "before padding": [layers.Rescaling(1 / 255), layers.ZeroPadding2D(1)],
    "a function": [layers.Lambda(lambda x: x / 255)],
}
FROM_0_TO_1 = {
    "normalization of shares": [adapted(0, 1)],
    "to minus one": [layers.Rescaling(2.0, offset=-1)],
    "padding in between": [
        layers.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.05] * 3),
        layers.ZeroPadding2D(1),
    ],
}
UNKNOWN = {
    "weights at once": [],
    "a norm that is trained": [layers.BatchNormalization()],
    "padding alone": [layers.ZeroPadding2D(1)],
    "not linear": [layers.Lambda(lambda x: x * x / 255)],
}


@pytest.mark.parametrize("name", RAW)
def test_models_that_scale_pixels_themselves_take_them_as_they_are(name):
    found = of_model(keras_model(*RAW[name]))
    assert (found.divide_by, found.mean, found.std, found.size) == (1.0, 0.0, 1.0, (8, 8))
    assert "which take pixels from 0 to 255" in found.source
    assert found.channels == "last"


@pytest.mark.parametrize("name", FROM_0_TO_1)
def test_models_whose_first_layers_take_shares(name):
    found = of_model(keras_model(*FROM_0_TO_1[name]))
    assert (found.divide_by, found.mean) == (255.0, 0.0)
    assert "which take pixels from 0 to 1" in found.source


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_model_that_does_not_tell_is_not_guessed(name):
    assert of_model(keras_model(*UNKNOWN[name])) is None


def test_two_ways_for_the_pixels_tell_nothing():
    given = keras.Input((8, 8, 3))
    scaled = layers.Conv2D(2, 3)(layers.Rescaling(1 / 255)(given))
    raw = layers.Conv2D(2, 3)(given)
    assert of_model(keras.Model(given, scaled + raw)) is None


def test_a_sequential_model_and_a_model_within_a_model():
    inner = keras_model(layers.Rescaling(1 / 255, name="inner_scaling"))
    outer = keras.Sequential([keras.Input((8, 8, 3)), layers.RandomFlip(), inner])
    assert "inner_scaling" in of_model(outer).source


@pytest.mark.parametrize("build", [keras.applications.EfficientNetB0, keras.applications.MobileNetV3Small])
def test_networks_of_keras_that_scale_pixels(build):
    assert of_model(build(weights=None, input_shape=(64, 64, 3), classes=2)).divide_by == 1


def test_a_network_of_keras_that_does_not():
    assert of_model(keras.applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), classes=2)) is None


def test_grey_pictures():
    model = keras_model(layers.Rescaling(1 / 255), shape=(8, 8, 1))
    found = of_model(model)
    assert found.color == "grey"
    assert found([Image.new("RGB", (20, 20))]).shape == (1, 8, 8, 1)


def test_observing_changes_neither_model_nor_random_state():
    flips = layers.RandomFlip(seed=3)
    model = keras_model(flips, keras.Sequential([layers.RandomFlip(), flips]), layers.Rescaling(1 / 255))
    x = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    before, state = np.asarray(model(x)), [np.asarray(one) for one in flips.variables]
    of_model(model)
    np.testing.assert_array_equal([np.asarray(one) for one in flips.variables], state)
    np.testing.assert_array_equal(np.asarray(model(x)), before)


def test_timm_attributes_and_files(tmp_path):
    model = torch.nn.Conv2d(3, 2, 3)
    expected = Preprocessing(
        size=224,
        resize_to=235,  # ⌊224 / 0.95⌋
        interpolation="bicubic",
        divide_by=255,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        channels="first",
    )
    path = saved(tmp_path, "config.json", {"architecture": "resnet18", "pretrained_cfg": TIMM})
    assert of_model(model) is None
    assert of_model(model, path) == of_model(model, tmp_path) == expected
    assert str(tmp_path / "config.json") in of_model(model, path).source
    model.pretrained_cfg = TIMM
    assert of_model(model) == expected
    model.pretrained_cfg = SimpleNamespace(to_dict=lambda: TIMM)
    assert of_model(model) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"crop_mode": "squash", "crop_pct": 1.0}, {"resize": "stretch", "resize_to": (224, 224)}),
        ({"crop_mode": "border", "crop_pct": 1.0}, {"resize": "longer", "resize_to": 224}),
        ({"input_size": [3, 192, 256], "crop_pct": 0.75}, {"size": (192, 256), "resize_to": (256, 341)}),
        (
            {"input_size": [1, 28, 28], "mean": [0.1], "std": [0.3]},
            {"color": "grey", "mean": 0.1, "size": 28},
        ),
    ],
)
def test_modes_of_timm(changes, expected):
    found = of_model(SimpleNamespace(pretrained_cfg={**TIMM, **changes}))
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_model_that_transformers_loaded_from_a_folder(tmp_path):
    config = {
        "do_resize": True,
        "size": 32,
        "do_normalize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    saved(tmp_path, "preprocessor_config.json", config)
    model = torch.nn.Conv2d(3, 2, 3)
    model.name_or_path = str(tmp_path)
    found = of_model(model)
    assert (found.size, found.resize, found.mean, found.divide_by) == (32, "stretch", 0.5, 255)
    # A name on a hub is no folder.
    model.name_or_path = "google/vit-base-patch16-224"
    assert of_model(model) is None


def test_objects_of_other_libraries(tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    processor = ViTImageProcessorPil(size={"height": 16, "width": 16})
    with Image.open(tmp_path / "red.png") as photo:
        expected = processor(photo)["pixel_values"]
    np.testing.assert_allclose(read(tmp_path, preprocessing=processor).x, expected, atol=1e-6)
    pipeline = SimpleNamespace(image_processor=processor)
    assert of_model(pipeline).size == 16
    # The attributes of torchvision.transforms._presets.ImageClassification.
    transforms = SimpleNamespace(
        crop_size=[16],
        resize_size=[20],
        mean=[0.485, 0.456, 0.406],
        std=[0.229, 0.224, 0.225],
        interpolation=SimpleNamespace(value="bicubic"),
    )
    found = read(tmp_path, preprocessing=transforms).preprocessing
    assert (found.size, found.resize_to, found.interpolation, found.divide_by) == (16, 20, "bicubic", 255)


def test_files_beside_a_model_that_are_of_something_else(tmp_path):
    saved(tmp_path, "config.json", {"model_type": "bert", "hidden_size": 8})
    assert of_model(torch.nn.Linear(2, 2), tmp_path) is None


@pytest.mark.parametrize(
    "config",
    [
        "[1, 2]",
        "{",
        '{"image_mean": "grey", "do_normalize": true}',
        '{"image_mean": [0.5], "do_resize": false}',
        '{"do_resize": true, "size": {"longest_edge": 3}}',
        '{"do_resize": true, "size": {"height": -3, "width": 8}, "do_normalize": false}',
        '{"do_rescale": true, "rescale_factor": "one"}',
        '{"do_resize": true, "size": 8, "resample": 17, "do_normalize": false}',
        "[" * 100_000,
    ],
)
def test_damaged_files_beside_a_model(tmp_path, config):
    (tmp_path / "preprocessor_config.json").write_text(config)
    with pytest.raises(InputError, match="Say them yourself"):
        of_model(None, tmp_path)


def test_the_size_and_the_channels_of_the_model_are_taken(tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    model = keras_model(layers.Rescaling(1 / 255))
    assert read(tmp_path, model=model).x.shape == (1, 8, 8, 3)
    unscaled = keras_model()
    with pytest.raises(InputError, match="The model does not tell"):
        read(tmp_path, model=unscaled)
    inputs = read(tmp_path, model=unscaled, preprocessing="imagenet")
    assert inputs.x.shape == (1, 8, 8, 3)
    assert inputs.layout == "NHWC"
    assert inputs.preprocessing.resize_to == 9  # 256 / 224 of 8
    assert read(tmp_path, model=torch.nn.Conv2d(3, 2, 3), preprocessing="tf").layout == "NCHW"


def test_pixels_scaled_twice_are_warned_of(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    with pytest.warns(PreprocessingWarning, match=r"values from 0 to 1, .* pixels from 0 to 255"):
        read(tmp_path, model=keras_model(layers.Rescaling(1 / 255)), divide_by=255)
    with pytest.warns(PreprocessingWarning, match=r"values from 0 to 255, .* pixels from 0 to 1"):
        read(tmp_path, model=keras_model(layers.Rescaling(2.0, offset=-1)), preprocessing="none")


class Normalised(torch.nn.Module):
    """A PyTorch model that scales pixels in its own code, or by a module before its first weights."""

    def __init__(self, scale, module=None, channels=3):
        super().__init__()
        self.scale, self.first = scale, module
        self.register_buffer("calls", torch.zeros(()))
        self.conv, self.drop = torch.nn.Conv2d(channels, 2, 3), torch.nn.Dropout()

    def forward(self, x):
        self.calls += 1
        x = self.scale(x)
        x = x if self.first is None else self.first(x)
        return self.drop(self.conv(x)).mean((2, 3))


class Standardise(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])

    def forward(self, x):
        return (x - self.mean) / 0.225


def as_it_is(x):
    return x


@pytest.mark.parametrize(
    ("model", "divide_by"),
    [
        (Normalised(lambda x: x / 255), 1),
        (Normalised(lambda x: x / 127.5 - 1), 1),
        (Normalised(lambda x: x.flip(1) - 110), 1),
        (Normalised(lambda x: x / 255, Standardise()), 1),
        (Normalised(as_it_is, Standardise()), 255),
        (torch.nn.Sequential(Standardise(), torch.nn.Conv2d(3, 2, 3)), 255),
        (torch.nn.Sequential(Standardise(), torch.nn.Conv2d(3, 2, 3)).double(), 255),
        (Normalised(lambda x: x / 255, channels=1), 1),
        (Normalised(as_it_is), None),
        (Normalised(lambda x: x * x), None),
        (Normalised(lambda x: x * 2), None),
        (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2)), None),
        (torch.jit.script(torch.nn.Sequential(Standardise(), torch.nn.Conv2d(3, 2, 3))), None),
        (torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.Conv2d(3, 2, 3)), None),
    ],
    ids=range(14),
)
def test_what_a_torch_model_does_before_its_weights(model, divide_by):
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = of_model(model)
    assert (None if found is None else found.divide_by) == divide_by
    assert found is None or (found.channels, found.size) == ("first", None)
    # It is left as it was.
    assert all(module.training for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_torch_model_is_warned_of_as_a_keras_model_is(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    model = torch.nn.Sequential(Standardise(), torch.nn.Conv2d(3, 2, 3))
    assert read(tmp_path, model=model, divide_by=255).x.shape == (1, 3, 8, 8)
    with pytest.warns(PreprocessingWarning, match="pixels from 0 to 1"):
        read(tmp_path, model=model, preprocessing="none")
    with pytest.warns(PreprocessingWarning, match="values from -2.1179 to 2.64"):
        read(tmp_path, model=model, preprocessing="imagenet")
    grey = Normalised(lambda x: x / 255, channels=1)
    assert read(tmp_path, model=grey).x.shape == (1, 1, 8, 8)
