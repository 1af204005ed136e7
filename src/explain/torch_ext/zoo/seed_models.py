"""The seed models in PyTorch. `explain.tf_ext.zoo.seed_models` contains their twins."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from explain.torch_ext.zoo.names_transformer import NamesTransformer
from explain.zoo.layers import (
    Convolution,
    Dense,
    Embedding,
    Normalization,
    ParameterLayer,
    PlainLayer,
    Recurrent,
)
from explain.zoo.seed_models import HIDDEN_SIZE, seed_model


def build(name: str, dtype: str = "float32") -> nn.Module:
    """Build an untrained seed model.

    Parameters
    ----------
    name : str
        One of `explain.zoo.names()`.
    dtype : {"float32", "float64"}
        Precision of its parameters.

    Examples
    --------
    >>> build("cifar_net")(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """
    written = _WRITTEN_OUT.get(name)
    return nn.Sequential(_modules(name, dtype)) if written is None else written(dtype)


class NamesRNN(nn.Module):
    """A character-level recurrent network: one character per step, no non-linearity between the steps.

    Attributes
    ----------
    hidden_size : int
        Number of hidden features.
    i2h, i2o : torch.nn.Linear
        Map the concatenated input and hidden state to the next hidden state and to the output.
    softmax : torch.nn.LogSoftmax
        Maps the output to log-probabilities.

    Examples
    --------
    >>> model = NamesRNN()
    >>> output, hidden = model(torch.zeros(2, 57), model.init_hidden(2))
    >>> output.shape, hidden.shape
    (torch.Size([2, 18]), torch.Size([2, 128]))
    """

    def __init__(self, dtype: str = "float32") -> None:
        """Build the untrained layers."""
        super().__init__()
        self.hidden_size = HIDDEN_SIZE
        self.i2h, self.i2o, self.softmax = _modules("names_rnn", dtype).values()

    def forward(self, input: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step, see `explain.zoo.training.steps.StepwiseModel`."""
        combined = torch.cat((input, hidden), dim=1)
        return self.softmax(self.i2o(combined)), self.i2h(combined)

    def init_hidden(self, batch_size: int = 1) -> Tensor:
        """Give the hidden state before the first character: zeros, shape (N, 128)."""
        zeros: Tensor = self.i2h.weight.new_zeros(batch_size, self.hidden_size)
        return zeros


class FashionRNN(nn.Module):
    """Two recurrent layers over the rows of a picture: (N, 28, 28) in [0, 1] to (N, 10) probabilities.

    Attributes
    ----------
    rnn1, rnn2 : torch.nn.RNN
        The first returns its state after every row; only the last state of the second is used.
    fc : torch.nn.Linear
        Maps the last state to logits.
    softmax : torch.nn.Softmax
        Maps logits to probabilities.

    Examples
    --------
    >>> FashionRNN()(torch.zeros(1, 28, 28)).shape
    torch.Size([1, 10])
    """

    def __init__(self, dtype: str = "float32") -> None:
        """Build the untrained layers."""
        super().__init__()
        self.rnn1, self.rnn2, self.fc, self.softmax = _modules("fashion_rnn", dtype).values()

    def forward(self, x: Tensor) -> Tensor:
        """Read pictures row by row.

        Parameters
        ----------
        x : torch.Tensor, shape (N, 28, 28)
            Grey pictures in [0, 1], rows as time.

        Returns
        -------
        torch.Tensor, shape (N, 10)
            Probabilities of the classes.
        """
        states, _ = self.rnn1(x)
        states, _ = self.rnn2(states)
        probabilities: Tensor = self.softmax(self.fc(states[:, -1]))
        return probabilities


class MotifNetwork(nn.Module):
    """A convolution over the tokens of a sequence: (N, 24) token ids to (N, 6) logits.

    Parameters
    ----------
    layers : Mapping of str to torch.nn.Module
        The layers of `motifs_honest` or `motifs_shortcut`, by their names.

    Examples
    --------
    >>> build("motifs_honest")(torch.ones(2, 24, dtype=torch.int64)).shape
    torch.Size([2, 6])
    """

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        """Take the layers."""
        super().__init__()
        self.embedding, self.conv, self.relu, self.flatten, self.fc = layers.values()

    def forward(self, ids: Tensor) -> Tensor:
        """Classify sequences.

        Parameters
        ----------
        ids : torch.Tensor of int64, shape (N, 24)
            The tokens.

        Returns
        -------
        torch.Tensor, shape (N, 6)
            Logits of the motifs.
        """
        # PyTorch convolves along the last axis, with the features before it.
        features = self.relu(self.conv(self.embedding(ids).transpose(1, 2)))
        logits: Tensor = self.fc(self.flatten(features))
        return logits


_WRITTEN_OUT: Mapping[str, Callable[[str], nn.Module]] = {
    "names_rnn": NamesRNN,
    "fashion_rnn": FashionRNN,
    "names_transformer": lambda dtype: NamesTransformer(_modules("names_transformer", dtype)),
    "motifs_honest": lambda dtype: MotifNetwork(_modules("motifs_honest", dtype)),
    "motifs_shortcut": lambda dtype: MotifNetwork(_modules("motifs_shortcut", dtype)),
}
_PLAIN: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "max_pooling": partial(nn.MaxPool2d, 2),
    "flatten": nn.Flatten,
    "softmax": partial(nn.Softmax, dim=1),
    "log_softmax": partial(nn.LogSoftmax, dim=1),
}


def _modules(name: str, dtype: str) -> OrderedDict[str, Any]:
    """Build the layers of a seed model by their names, in order."""
    kind = getattr(torch, dtype)
    return OrderedDict((layer.name, _module(layer, kind)) for layer in seed_model(name).architecture)


def _module(layer: ParameterLayer | PlainLayer, dtype: torch.dtype) -> nn.Module:
    match layer:
        case Convolution():
            convolution = nn.Conv1d if layer.axes == 1 else nn.Conv2d
            return convolution(layer.in_channels, layer.out_channels, layer.kernel_size, dtype=dtype)
        case Dense():
            return nn.Linear(layer.in_features, layer.out_features, dtype=dtype)
        case Recurrent():
            return nn.RNN(layer.in_features, layer.hidden_features, batch_first=True, dtype=dtype)
        case Embedding():
            padding = 0 if layer.padding else None
            return nn.Embedding(layer.count, layer.width, padding_idx=padding, dtype=dtype)
        case Normalization():
            return nn.LayerNorm(layer.width, eps=layer.epsilon, dtype=dtype)
        case PlainLayer():
            return _PLAIN[layer.operation]()
    raise TypeError(f"PyTorch has no module for the layer {layer!r}.")
