"""The seed models in PyTorch. `explain.tf_ext.zoo.seed_models` holds their twins."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from explain.zoo.seed_models import CHARACTERS, HIDDEN_SIZE, seed_model

Array = npt.NDArray[Any]


def cifar_net(dtype: str = "float32") -> nn.Module:
    """Build the untrained `cifar_net`: (N, 3, 32, 32) in [-1, 1] to (N, 10) logits.

    Examples
    --------
    >>> cifar_net()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """
    kind = getattr(torch, dtype)
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(3, 6, 5, dtype=kind),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5, dtype=kind),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(16 * 5 * 5, 120, dtype=kind),
            relu3=nn.ReLU(),
            fc2=nn.Linear(120, 84, dtype=kind),
            relu4=nn.ReLU(),
            fc3=nn.Linear(84, 10, dtype=kind),
        )
    )


def cifar_keras(dtype: str = "float32") -> nn.Module:
    """Build the untrained `cifar_keras`: (N, 3, 32, 32) in [0, 1] to (N, 10) logits.

    Examples
    --------
    >>> cifar_keras()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """
    kind = getattr(torch, dtype)
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(3, 32, 3, dtype=kind),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(32, 64, 3, dtype=kind),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            conv3=nn.Conv2d(64, 64, 3, dtype=kind),
            relu3=nn.ReLU(),
            flatten=nn.Flatten(),
            fc1=nn.Linear(64 * 4 * 4, 64, dtype=kind),
            relu4=nn.ReLU(),
            fc2=nn.Linear(64, 10, dtype=kind),
        )
    )


class NamesRNN(nn.Module):
    """A character-level recurrent network that takes one character a step, with nothing non-linear between.

    Attributes
    ----------
    hidden_size : int
        Number of hidden features.
    i2h, i2o : torch.nn.Linear
        From input and hidden state together to the next hidden state and to the output.
    softmax : torch.nn.LogSoftmax
        From the output to log-probabilities.

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
        kind = getattr(torch, dtype)
        languages = len(seed_model("names_rnn").classes)
        self.hidden_size = HIDDEN_SIZE
        self.i2h = nn.Linear(CHARACTERS + HIDDEN_SIZE, HIDDEN_SIZE, dtype=kind)
        self.i2o = nn.Linear(CHARACTERS + HIDDEN_SIZE, languages, dtype=kind)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step.

        Parameters
        ----------
        input : torch.Tensor, shape (N, 57)
            One character of each name, one-hot.
        hidden : torch.Tensor, shape (N, 128)
            The hidden state after the characters before.

        Returns
        -------
        output : torch.Tensor, shape (N, 18)
            Log-probabilities of the languages, given the characters so far.
        hidden : torch.Tensor, shape (N, 128)
            The next hidden state.
        """
        combined = torch.cat((input, hidden), dim=1)
        return self.softmax(self.i2o(combined)), self.i2h(combined)

    def init_hidden(self, batch_size: int = 1) -> Tensor:
        """Give the hidden state before the first character: zeros, shape (N, 128)."""
        return self.i2h.weight.new_zeros(batch_size, self.hidden_size)


def names_rnn(dtype: str = "float32") -> nn.Module:
    """Build the untrained `names_rnn`, see `NamesRNN`."""
    return NamesRNN(dtype)


class FashionRNN(nn.Module):
    """Two recurrent layers over the rows of a picture: (N, 28, 28) in [0, 1] to (N, 10) probabilities.

    Attributes
    ----------
    rnn1, rnn2 : torch.nn.RNN
        The first gives its state after every row, of the second only the last is used.
    fc : torch.nn.Linear
        From the last state to logits.
    softmax : torch.nn.Softmax
        From logits to probabilities.

    Examples
    --------
    >>> FashionRNN()(torch.zeros(1, 28, 28)).shape
    torch.Size([1, 10])
    """

    def __init__(self, dtype: str = "float32") -> None:
        """Build the untrained layers."""
        super().__init__()
        kind = getattr(torch, dtype)
        self.rnn1 = nn.RNN(28, HIDDEN_SIZE, batch_first=True, dtype=kind)
        self.rnn2 = nn.RNN(HIDDEN_SIZE, HIDDEN_SIZE, batch_first=True, dtype=kind)
        self.fc = nn.Linear(HIDDEN_SIZE, 10, dtype=kind)
        self.softmax = nn.Softmax(dim=1)

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


def fashion_rnn(dtype: str = "float32") -> nn.Module:
    """Build the untrained `fashion_rnn`, see `FashionRNN`."""
    return FashionRNN(dtype)


ARCHITECTURES: Mapping[str, Callable[[str], nn.Module]] = {
    "cifar_net": cifar_net,
    "cifar_keras": cifar_keras,
    "names_rnn": names_rnn,
    "fashion_rnn": fashion_rnn,
}


def parameters(model: nn.Module) -> dict[str, Array]:
    """Give every tensor of a seed model as a NumPy copy under its PyTorch name.

    Examples
    --------
    >>> parameters(cifar_net())["conv1.weight"].shape
    (6, 3, 5, 5)
    """
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in model.state_dict().items()}


def load(name: str, tensors: Mapping[str, Array], dtype: str = "float32") -> nn.Module:
    """Build a seed model with given parameters, in evaluation mode.

    Parameters
    ----------
    name : str
        One of `explain.zoo.names()`.
    tensors : Mapping of str to numpy.ndarray
        Every parameter under its PyTorch name.
    dtype : {"float32", "float64"}
        Precision of the model; the parameters are cast to it.

    Returns
    -------
    torch.nn.Module
        On the CPU.

    Examples
    --------
    >>> load("cifar_net", parameters(cifar_net())).training
    False
    """
    # PyTorch draws initial weights that are replaced at once; the user's random state is none the wiser.
    with torch.random.fork_rng(devices=[]):
        model = ARCHITECTURES[name](dtype)
    state = {key: torch.from_numpy(np.array(tensor, dtype=dtype)) for key, tensor in tensors.items()}
    model.load_state_dict(state, strict=True)
    return model.eval()
