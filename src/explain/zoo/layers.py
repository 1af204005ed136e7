"""The layers that hold parameters: what each framework calls their tensors, and how one becomes the other.

Every conversion is a permutation of elements (and, for a recurrent layer, a bias of zeros added or taken
off), so that a model and its twin hold the same numbers bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Framework = Literal["torch", "tensorflow"]
Shapes = dict[str, tuple[int, ...]]


class ParameterLayer(Protocol):
    """A layer that holds parameters, as both frameworks know it."""

    @property
    def name(self) -> str:
        """Name of the layer, the same in both frameworks."""

    def shapes(self, framework: Framework) -> Shapes:
        """Give the shape of every tensor of the layer under the framework's own name of it."""

    def to_tensorflow(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Turn the layer's PyTorch tensors into its Keras ones."""

    def to_torch(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Turn the layer's Keras tensors into its PyTorch ones."""


@dataclass(frozen=True)
class Convolution:
    """A two-dimensional convolution: OIHW kernels in PyTorch, HWIO in Keras.

    Parameters
    ----------
    name : str
        Name of the layer.
    in_channels, out_channels : int
        Number of channels before and after.
    kernel_size : int
        Height and width of the kernel.

    Examples
    --------
    >>> Convolution("conv1", 3, 6, 5).shapes("tensorflow")
    {'conv1/kernel': (5, 5, 3, 6), 'conv1/bias': (6,)}
    """

    name: str
    in_channels: int
    out_channels: int
    kernel_size: int

    def shapes(self, framework: Framework) -> Shapes:
        """Give the shapes of kernel and bias under the framework's names."""
        size = (self.kernel_size, self.kernel_size)
        if framework == "torch":
            return {
                f"{self.name}.weight": (self.out_channels, self.in_channels, *size),
                f"{self.name}.bias": (self.out_channels,),
            }
        return {
            f"{self.name}/kernel": (*size, self.in_channels, self.out_channels),
            f"{self.name}/bias": (self.out_channels,),
        }

    def to_tensorflow(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Move the kernel's axes from OIHW to HWIO."""
        return {
            f"{self.name}/kernel": tensors[f"{self.name}.weight"].transpose(2, 3, 1, 0),
            f"{self.name}/bias": tensors[f"{self.name}.bias"],
        }

    def to_torch(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Move the kernel's axes from HWIO to OIHW."""
        return {
            f"{self.name}.weight": tensors[f"{self.name}/kernel"].transpose(3, 2, 0, 1),
            f"{self.name}.bias": tensors[f"{self.name}/bias"],
        }


@dataclass(frozen=True)
class Dense:
    """A fully connected layer: (out, in) weights in PyTorch, (in, out) in Keras.

    Parameters
    ----------
    name : str
        Name of the layer.
    in_features, out_features : int
        Number of features before and after.
    flattened : tuple of int, optional
        The (channels, height, width) whose flattening is the layer's input: PyTorch flattens them in this
        order and Keras with the channels last, so the input features are reordered too.

    Examples
    --------
    >>> Dense("fc", 12, 4, flattened=(3, 2, 2)).shapes("torch")
    {'fc.weight': (4, 12), 'fc.bias': (4,)}
    """

    name: str
    in_features: int
    out_features: int
    flattened: tuple[int, int, int] | None = None

    def shapes(self, framework: Framework) -> Shapes:
        """Give the shapes of weight and bias under the framework's names."""
        if framework == "torch":
            return {
                f"{self.name}.weight": (self.out_features, self.in_features),
                f"{self.name}.bias": (self.out_features,),
            }
        return {
            f"{self.name}/kernel": (self.in_features, self.out_features),
            f"{self.name}/bias": (self.out_features,),
        }

    def to_tensorflow(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Transpose the weight, its input features put into channels-last order."""
        weight = tensors[f"{self.name}.weight"]
        if self.flattened is not None:
            channels_first = weight.reshape(self.out_features, *self.flattened)
            weight = channels_first.transpose(0, 2, 3, 1).reshape(self.out_features, self.in_features)
        return {f"{self.name}/kernel": weight.T, f"{self.name}/bias": tensors[f"{self.name}.bias"]}

    def to_torch(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Transpose the kernel, its input features put into channels-first order."""
        weight = tensors[f"{self.name}/kernel"].T
        if self.flattened is not None:
            channels, height, width = self.flattened
            channels_last = weight.reshape(self.out_features, height, width, channels)
            weight = channels_last.transpose(0, 3, 1, 2).reshape(self.out_features, self.in_features)
        return {f"{self.name}.weight": weight, f"{self.name}.bias": tensors[f"{self.name}/bias"]}


@dataclass(frozen=True)
class Recurrent:
    """A simple (Elman) recurrent layer: `torch.nn.RNN` of one layer, `keras.layers.SimpleRNN`.

    PyTorch adds two biases where Keras has one. The Keras bias becomes PyTorch's input bias with a hidden
    bias of zeros; the other way, the two are added.

    Parameters
    ----------
    name : str
        Name of the layer.
    in_features, hidden_features : int
        Number of features of a step and of the hidden state.

    Examples
    --------
    >>> Recurrent("rnn1", 28, 128).shapes("tensorflow")["rnn1/recurrent_kernel"]
    (128, 128)
    """

    name: str
    in_features: int
    hidden_features: int

    def shapes(self, framework: Framework) -> Shapes:
        """Give the shapes of kernels and biases under the framework's names."""
        hidden = self.hidden_features
        if framework == "torch":
            return {
                f"{self.name}.weight_ih_l0": (hidden, self.in_features),
                f"{self.name}.weight_hh_l0": (hidden, hidden),
                f"{self.name}.bias_ih_l0": (hidden,),
                f"{self.name}.bias_hh_l0": (hidden,),
            }
        return {
            f"{self.name}/kernel": (self.in_features, hidden),
            f"{self.name}/recurrent_kernel": (hidden, hidden),
            f"{self.name}/bias": (hidden,),
        }

    def to_tensorflow(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Transpose the kernels and add the two biases."""
        return {
            f"{self.name}/kernel": tensors[f"{self.name}.weight_ih_l0"].T,
            f"{self.name}/recurrent_kernel": tensors[f"{self.name}.weight_hh_l0"].T,
            f"{self.name}/bias": tensors[f"{self.name}.bias_ih_l0"] + tensors[f"{self.name}.bias_hh_l0"],
        }

    def to_torch(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Transpose the kernels and give the hidden state a bias of zeros."""
        bias = tensors[f"{self.name}/bias"]
        return {
            f"{self.name}.weight_ih_l0": tensors[f"{self.name}/kernel"].T,
            f"{self.name}.weight_hh_l0": tensors[f"{self.name}/recurrent_kernel"].T,
            f"{self.name}.bias_ih_l0": bias,
            f"{self.name}.bias_hh_l0": np.zeros_like(bias),
        }


def shapes(layers: tuple[ParameterLayer, ...], framework: Framework) -> Shapes:
    """Give the shape of every tensor of a model under the framework's own name of it.

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
    """Turn the tensors of a model in one framework into those of its twin in the other.

    Parameters
    ----------
    layers : tuple of ParameterLayer
        Every layer of the model that holds parameters.
    tensors : Mapping of str to numpy.ndarray
        The tensors under the names and in the shapes of the `source` framework.
    source, destination : {"torch", "tensorflow"}
        From which framework and for which.

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
    if source == destination:
        return {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    converted: dict[str, Array] = {}
    for layer in layers:
        converted |= layer.to_tensorflow(tensors) if destination == "tensorflow" else layer.to_torch(tensors)
    return {name: np.ascontiguousarray(tensor) for name, tensor in converted.items()}
