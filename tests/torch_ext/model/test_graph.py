"""Which PyTorch models have kinks, so that the rule of integration fits them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models.recurrent import LastStep
from torch import nn

import explain
from explain.backends.question import Question
from explain.inputs.examples import Examples, Target
from explain.inputs.layout import Layout
from explain.torch_ext.extension import extension

TABLE = np.random.default_rng(0).normal(size=(3, 6))
SEQUENCES = np.random.default_rng(0).normal(size=(3, 5, 6))
PICTURES = np.random.default_rng(0).normal(size=(3, 2, 8, 8))


def has_kinks(model, x, axes="NC"):
    backend = extension.open(model.eval(), Question(Layout(axes), score="output"), x)
    examples = Examples((x.astype(backend.dtype),), Target(np.ones((len(x), 1), np.int64)))
    with backend.session():
        return backend.has_kinks(examples)


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Sigmoid(torch.autograd.Function):
    """Another's operation by a known name: a ReLU."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.saved_tensors[0] > 0)


KINKED = {
    "relu": nn.ReLU(),
    "leaky relu": nn.LeakyReLU(),
    "parametric relu": nn.PReLU(),
    "hardtanh": nn.Hardtanh(),
    "abs": Function(torch.abs),
    "clamp": Function(lambda x: x.clamp(-1, 1)),
    "maximum": Function(lambda x: torch.maximum(x, -x)),
    "sorted": Function(lambda x: x.sort(dim=1)[0]),
    "sorted by places": Function(lambda x: x.gather(1, x.argsort(dim=1))),
    "chosen": Function(lambda x: torch.where(x > 0, x, 0.1 * x)),
    "another's by a known name": Function(Sigmoid.apply),
}
SMOOTH = {
    "nothing": nn.Identity(),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "softplus": nn.Softplus(),
    "gelu": nn.GELU(),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "softmax": nn.Softmax(dim=-1),
    "layer norm": nn.LayerNorm(6),
    "batch norm": nn.BatchNorm1d(6),
    "group norm": nn.GroupNorm(2, 6),
    "dropout": nn.Dropout(),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_bends_and_what_jumps_are_told_apart(dtype):
    told = {
        name: has_kinks(nn.Sequential(nn.Linear(6, 6), layer, nn.Linear(6, 3)).to(dtype), TABLE)
        for name, layer in {**KINKED, **SMOOTH}.items()
    }
    assert told == {name: name in KINKED for name in told}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sequence_models_are_told_apart(dtype):
    layers = {
        "rnn": nn.RNN(6, 6, batch_first=True),
        "kinked rnn": nn.RNN(6, 6, nonlinearity="relu", batch_first=True),
        "lstm": nn.LSTM(6, 6, num_layers=2, batch_first=True),
        "gru": nn.GRU(6, 6, batch_first=True),
        "transformer": nn.TransformerEncoderLayer(6, 2, 8, activation="gelu", batch_first=True),
        "kinked transformer": nn.TransformerEncoderLayer(6, 2, 8, activation="relu", batch_first=True),
    }
    told = {
        name: has_kinks(LastStep(layer, 6, 3).to(dtype), SEQUENCES, "NTC") for name, layer in layers.items()
    }
    assert told == {name: name.startswith("kinked") for name in told}


def test_poolings_are_told_apart():
    layers = {
        "kinked pooling": nn.MaxPool2d(2),
        "kinked global pooling": nn.AdaptiveMaxPool2d(1),
        "average pooling": nn.AvgPool2d(2),
        "global average pooling": nn.AdaptiveAvgPool2d(1),
        "upsampling": nn.Upsample(scale_factor=2),
        "batch norm": nn.BatchNorm2d(3),
        "transposed convolution": nn.ConvTranspose2d(3, 3, 3),
    }
    told = {}
    for name, layer in layers.items():
        body = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), layer, nn.Flatten()).eval()
        width = body(torch.zeros(1, 2, 8, 8)).shape[1]
        told[name] = has_kinks(nn.Sequential(body, nn.Linear(width, 3)), PICTURES, "NCHW")
    assert told == {name: name.startswith("kinked") for name in told}


def test_what_is_kept_of_a_survey_is_not_believed_of_a_model_that_was_changed():
    act = Function(torch.tanh)
    model = nn.Sequential(nn.Linear(6, 4).double(), act, nn.Linear(4, 2).double())
    assert not has_kinks(model, TABLE)
    act.function = torch.relu
    assert has_kinks(model, TABLE)
    model[1] = nn.Tanh()
    assert not has_kinks(model, TABLE)
    hook = model[1].register_forward_hook(lambda module, arguments, output: output.abs())
    assert has_kinks(model, TABLE)
    hook.remove()
    act = Function(lambda x: act.chosen[0](x))
    act.chosen = [torch.tanh]
    model[1] = act
    assert not has_kinks(model, TABLE)
    act.chosen[0] = torch.relu
    assert has_kinks(model, TABLE)


class Counting(nn.Module):
    """Notes of how many points its calls are."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 8).double(), nn.Linear(8, 2).double()

    def forward(self, x):
        SEEN.append(len(x))
        return self.last(torch.relu(self.first(x)))


SEEN = []


def test_a_small_call_runs_the_model_no_more_than_it_must():
    model = Counting()
    explain.attribute(model, TABLE[:1], "ig", target=1, n_steps=20)
    SEEN.clear()
    explain.attribute(model, TABLE[:1], "ig", target=1, n_steps=20)
    # The example beside another, the output, the score at the baseline and the path.
    assert SEEN == [2, 1, 1, 20]
    SEEN.clear()
    explain.attribute(model, TABLE, "ig", target=1, n_steps=200)
    assert sum(SEEN) > 600, "many points are worth a survey"


class Shy(nn.Module):
    """Fails when every operation is watched."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 2).double()

    def forward(self, x):
        if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:
            raise RuntimeError("not while somebody watches")
        return torch.tanh(self.first(x))


def test_a_model_that_cannot_be_watched_is_taken_to_have_kinks_and_is_explained_whole():
    assert has_kinks(Shy(), TABLE)
    found = explain.attribute(Shy(), np.tile(TABLE, (100, 1)), "ig", target=1, n_steps=10)
    assert (found.relative_delta < 1e-2).all()
