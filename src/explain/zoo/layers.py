"""The layers of seed models, and the names and shapes of their tensors in each framework.

A conversion between the frameworks permutes elements (and, for a recurrent layer, adds a bias of zeros or removes it),
so a model and its twin have the same numbers, bit for bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from explain.parameters import keras_axes, torch_axes
from explain.parameters.canonical import Array, LayerKind
from explain.parameters.flattened import Block, order_between

Framework = Literal["torch", "tensorflow"]
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class PlainLayer:
    """A layer without parameters.

    Parameters
    ----------
    name : str
        Name of the layer, the same in both frameworks.
    operation : {"relu", "max_pooling", "flatten", "softmax", "log_softmax"}
        The operation; max pooling takes the maximum of 2×2 pixels.
    """

    name: str
    operation: Literal["relu", "max_pooling", "flatten", "softmax", "log_softmax"]


@dataclass(frozen=True)
class ParameterLayer(ABC):
    """A layer that holds parameters.

    Parameters
    ----------
    name : str
        Name of the layer, the same in both frameworks.
    """

    name: str

    kind: ClassVar[LayerKind]
    # PyTorch numbers the layers of a recurrent module in the names of its tensors.
    _torch_suffix: ClassVar[str] = ""

    @property
    @abstractmethod
    def canonical_shapes(self) -> Shapes:
        """The shape of every tensor in canonical axes (`explain.parameters.canonical`), flattened channels last."""

    def shapes(self, framework: Framework) -> Shapes:
        """Give the shape of every tensor by its name in the framework."""
        tensors = {name: np.empty(shape, np.float32) for name, shape in self.canonical_shapes.items()}
        return {name: tensor.shape for name, tensor in self.to_framework(framework, tensors).items()}

    def from_framework(self, framework: Framework, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Give the layer's tensors in canonical axes, from all tensors of a model by their names in the framework."""
        if framework == "tensorflow":
            prefix = f"{self.name}/"
            own = {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
            return keras_axes.to_canonical(self.kind, own)
        prefix, suffix = f"{self.name}.", self._torch_suffix
        own = {
            name.removeprefix(prefix).removesuffix(suffix): one
            for name, one in tensors.items()
            if name.startswith(prefix)
        }
        return torch_axes.to_canonical(self.kind, own)

    def to_framework(self, framework: Framework, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Convert the layer's canonical tensors to the framework's names and shapes."""
        if framework == "tensorflow":
            own = keras_axes.to_native(self.kind, tensors, {})
            return {f"{self.name}/{name}": tensor for name, tensor in own.items()}
        own = torch_axes.to_native(self.kind, tensors, {})
        return {f"{self.name}.{name}{self._torch_suffix}": tensor for name, tensor in own.items()}


@dataclass(frozen=True)
class Convolution(ParameterLayer):
    """A convolution over pictures or over steps: OIHW or OIT kernels in PyTorch, HWIO or TIO in Keras.

    Parameters
    ----------
    name : str
        Name of the layer.
    in_channels, out_channels : int
        Number of channels before and after.
    kernel_size : int
        Height and width of the kernel, or its number of steps.
    axes : {1, 2}
        The number of axes it moves along: 2 for pictures, 1 for steps.

    Examples
    --------
    >>> Convolution("conv1", 3, 6, 5).shapes("tensorflow")
    {'conv1/kernel': (5, 5, 3, 6), 'conv1/bias': (6,)}
    """

    in_channels: int
    out_channels: int
    kernel_size: int
    axes: Literal[1, 2] = 2

    kind = "convolution"

    @property
    def canonical_shapes(self) -> Shapes:
        """The shapes of kernel and bias."""
        kernel = (*(self.kernel_size,) * self.axes, self.in_channels, self.out_channels)
        return {"kernel": kernel, "bias": (self.out_channels,)}


@dataclass(frozen=True)
class Dense(ParameterLayer):
    """A fully connected layer: (out, in) weights in PyTorch, (in, out) in Keras.

    Parameters
    ----------
    name : str
        Name of the layer.
    in_features, out_features : int
        Number of features before and after.
    flattened : tuple of int, optional
        The (channels, height, width) of the map that is flattened into the layer's input. PyTorch flattens in this
        order and Keras with the channels last, so a conversion reorders the input features too.

    Examples
    --------
    >>> Dense("fc", 12, 4, flattened=(3, 2, 2)).shapes("torch")
    {'fc.weight': (4, 12), 'fc.bias': (4,)}
    """

    in_features: int
    out_features: int
    flattened: tuple[int, int, int] | None = None

    kind = "dense"

    @property
    def canonical_shapes(self) -> Shapes:
        """The shapes of kernel and bias."""
        return {"kernel": (self.in_features, self.out_features), "bias": (self.out_features,)}

    def from_framework(self, framework: Framework, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Give kernel and bias, with the input features in channels-last order."""
        return self._reordered(super().from_framework(framework, tensors), framework == "tensorflow", True)

    def to_framework(self, framework: Framework, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Give kernel and bias, with the input features in the order in which the framework flattens."""
        return super().to_framework(framework, self._reordered(tensors, True, framework == "tensorflow"))

    def _reordered(self, tensors: Mapping[str, Array], source: bool, target: bool) -> dict[str, Array]:
        """Reorder the input features; `source` and `target` say whether channels are flattened last."""
        if self.flattened is None:
            return dict(tensors)
        channels, height, width = self.flattened
        order = order_between((Block(height * width, channels),), [source], [target])
        return {**tensors, "kernel": tensors["kernel"][order]}


@dataclass(frozen=True)
class Recurrent(ParameterLayer):
    """A simple (Elman) recurrent layer: `torch.nn.RNN` of one layer, `keras.layers.SimpleRNN`.

    PyTorch has two biases, Keras one. The Keras bias becomes PyTorch's input bias, with a hidden bias of zeros; in
    the other direction, the two biases are added.

    Parameters
    ----------
    name : str
        Name of the layer.
    in_features, hidden_features : int
        Number of features of a step and of the hidden state.
    returns_sequence : bool
        Whether the next layer takes the state after every step, or only the last state.

    Examples
    --------
    >>> Recurrent("rnn1", 28, 128).shapes("tensorflow")["rnn1/recurrent_kernel"]
    (128, 128)
    """

    in_features: int
    hidden_features: int
    returns_sequence: bool = False

    kind = "simple_rnn"
    _torch_suffix = "_l0"

    @property
    def canonical_shapes(self) -> Shapes:
        """The shapes of kernels and bias."""
        hidden = self.hidden_features
        return {
            "kernel": (self.in_features, hidden),
            "recurrent_kernel": (hidden, hidden),
            "bias": (hidden,),
        }


@dataclass(frozen=True)
class Embedding(ParameterLayer):
    """A table of vectors, one for each token: the same axes in both frameworks.

    Parameters
    ----------
    name : str
        Name of the layer.
    count, width : int
        Number of tokens, and of features of each.
    padding : bool
        Whether token 0 is padding, whose vector is zero and is not trained.

    Examples
    --------
    >>> Embedding("embedding", 58, 48).shapes("tensorflow")
    {'embedding/embeddings': (58, 48)}
    """

    count: int
    width: int
    padding: bool = False

    kind = "embedding"

    @property
    def canonical_shapes(self) -> Shapes:
        """The shape of the table."""
        return {"embeddings": (self.count, self.width)}


@dataclass(frozen=True)
class Normalization(ParameterLayer):
    """A layer normalization over the features, with an epsilon of 1e-5 in both frameworks.

    Parameters
    ----------
    name : str
        Name of the layer.
    width : int
        Number of features.

    Examples
    --------
    >>> Normalization("norm", 48).shapes("torch")
    {'norm.weight': (48,), 'norm.bias': (48,)}
    """

    width: int

    kind = "layer_normalization"
    epsilon: ClassVar[float] = 1e-5

    @property
    def canonical_shapes(self) -> Shapes:
        """The shapes of scale and shift."""
        return {"gamma": (self.width,), "beta": (self.width,)}


def shapes(layers: tuple[ParameterLayer, ...], framework: Framework) -> Shapes:
    """Give the shape of every tensor of a model by its name in the framework.

    Examples
    --------
    >>> shapes((Dense("fc", 2, 1),), "torch")
    {'fc.weight': (1, 2), 'fc.bias': (1,)}
    """
    return {name: shape for layer in layers for name, shape in layer.shapes(framework).items()}


def convert(
    layers: tuple[ParameterLayer, ...],
    tensors: Mapping[str, Array],
    source: Framework,
    destination: Framework,
) -> dict[str, Array]:
    """Convert the tensors of a model in one framework to those of its twin in the other.

    Parameters
    ----------
    layers : tuple of ParameterLayer
        Every layer of the model that holds parameters.
    tensors : Mapping of str to numpy.ndarray
        The tensors under the names and in the shapes of the `source` framework.
    source, destination : {"torch", "tensorflow"}
        The framework of the given tensors and the framework of the result.

    Returns
    -------
    dict of str to numpy.ndarray
        The tensors under the names and in the shapes of `destination`, contiguous, of unchanged dtype.

    Examples
    --------
    >>> import numpy as np
    >>> torch_tensors = {"fc.weight": np.array([[1.0, 2.0]]), "fc.bias": np.array([3.0])}
    >>> convert((Dense("fc", 2, 1),), torch_tensors, "torch", "tensorflow")["fc/kernel"].shape
    (2, 1)
    """
    converted = dict(tensors)
    # A round trip would lose information: the sum of two biases cannot be split again.
    if source != destination:
        converted = {}
        for layer in layers:
            converted |= layer.to_framework(destination, layer.from_framework(source, tensors))
    return {name: np.ascontiguousarray(tensor) for name, tensor in converted.items()}
