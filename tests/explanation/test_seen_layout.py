"""The layout of x is seen from what the model reads first; where two meanings fit, it is asked for."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

import explain
from explain.errors import LayoutError
from explain.inputs.layout import Layout


class Torch(nn.Module):
    """A few layers and a function that calls them."""

    def __init__(self, call, **inner):
        super().__init__()
        self.call = call
        for name, layer in inner.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.call(self, x)


class Keras(keras.Model):
    """The same in Keras."""

    def __init__(self, call, **inner):
        super().__init__()
        self.own_call = call
        for name, layer in inner.items():
            setattr(self, name, layer)

    def call(self, x):
        return self.own_call(self, x)


def mean(maps):
    """The mean over all places of maps with channels first."""
    return maps.relu().flatten(2).mean(2)


def of_frames(model, x):
    """A convolution on every frame of a video, frames folded into the batch."""
    return mean(model.conv(x.flatten(0, 1))).unflatten(0, x.shape[:2]).mean(1)


def in_a_loop(model, x):
    """The same, one frame after the other; frames without channels get one."""
    frames = [x[:, time] if x.ndim == 5 else x[:, time, None] for time in range(x.shape[1])]
    return sum(mean(model.conv(frame)) for frame in frames)


def scaled_and_convolved(model, x):
    """A convolution that is no layer, after a scaling."""
    return mean(nn.functional.conv2d(2 * x[:, None] - 1, model.weights.weight.view(4, 1, 2, 2)))


def torch_model(name):
    torch.manual_seed(0)
    return (
        {
            "frames": lambda: Torch(of_frames, conv=nn.Conv2d(3, 4, 2)),
            "frames in a loop": lambda: Torch(in_a_loop, conv=nn.Conv2d(3, 4, 2)),
            "grey frames in a loop": lambda: Torch(in_a_loop, conv=nn.Conv2d(1, 4, 2)),
            "grey frames in a loop, weights computed": lambda: Torch(
                in_a_loop, conv=nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 4, 2))
            ),
            "grey frames": lambda: Torch(
                lambda self, x: of_frames(self, x[:, :, None]), conv=nn.Conv2d(1, 4, 2)
            ),
            "swapped video": lambda: Torch(
                lambda self, x: mean(self.conv(x.transpose(1, 2))), conv=nn.Conv3d(3, 4, 2)
            ),
            "volume without channels": lambda: Torch(
                lambda self, x: mean(self.conv(x[:, None])), conv=nn.Conv3d(1, 4, 2)
            ),
            "picture without channels": lambda: Torch(
                lambda self, x: mean(self.conv(x[:, None])), conv=nn.Conv2d(1, 4, 2)
            ),
            "swapped series": lambda: Torch(
                lambda self, x: mean(self.conv(x.transpose(1, 2))), conv=nn.Conv1d(3, 4, 2)
            ),
            "features, then swapped": lambda: Torch(
                lambda self, x: mean(self.conv(self.first(x).transpose(1, 2))),
                first=nn.Linear(3, 5),
                conv=nn.Conv1d(5, 4, 2),
            ),
            "features through a ReLU, then swapped": lambda: Torch(
                lambda self, x: mean(self.conv(self.first(x).relu().transpose(1, 2))),
                first=nn.Linear(1, 5),
                conv=nn.Conv1d(5, 4, 2),
            ),
            "gated features, then swapped": lambda: Torch(
                lambda self, x: mean(self.conv((self.first(x) * self.gate(x).sigmoid()).transpose(1, 2))),
                first=nn.Linear(3, 5),
                gate=nn.Linear(3, 5),
                conv=nn.Conv1d(5, 4, 2),
            ),
            "mixed time": lambda: Torch(
                lambda self, x: mean(self.conv(self.first(x))), first=nn.Linear(6, 6), conv=nn.Conv1d(3, 4, 2)
            ),
            "channels last": lambda: Torch(
                lambda self, x: mean(self.conv(x.permute(0, 3, 1, 2))), conv=nn.Conv2d(3, 4, 2)
            ),
            "some channels last": lambda: Torch(
                lambda self, x: mean(self.conv(x[..., :2].permute(0, 3, 1, 2))), conv=nn.Conv2d(2, 4, 2)
            ),
            "functional": lambda: Torch(scaled_and_convolved, weights=nn.Linear(4, 4)),
        }[name]()
        .double()
        .eval()
    )


def keras_model(name, shape):
    keras.utils.set_random_seed(0)
    end = [layers.Activation("relu")]
    pool = {
        1: layers.GlobalAveragePooling1D,
        2: layers.GlobalAveragePooling2D,
        3: layers.GlobalAveragePooling3D,
    }
    inner = {
        "picture without channels": lambda: [
            layers.Reshape((*shape, 1)),
            layers.Conv2D(4, 2),
            *end,
            pool[2](),
        ],
        "scaled picture": lambda: [
            layers.Rescaling(2.0, -1.0),
            layers.Reshape((*shape, 1)),
            layers.Conv2D(4, 2),
            *end,
            pool[2](),
        ],
        "volume without channels": lambda: [
            layers.Reshape((*shape, 1)),
            layers.Conv3D(4, 2),
            *end,
            pool[3](),
        ],
        "grey frames": lambda: [
            layers.Reshape((*shape, 1)),
            layers.TimeDistributed(layers.Conv2D(4, 2)),
            *end,
            pool[3](),
        ],
        "frames": lambda: [layers.TimeDistributed(layers.Conv2D(4, 2)), *end, pool[3]()],
        "folded frames": lambda: [
            layers.Lambda(lambda x: keras.ops.reshape(x, (-1, *shape[1:]))),
            layers.Conv2D(4, 2),
            *end,
            pool[2](),
            layers.Lambda(lambda x: keras.ops.mean(keras.ops.reshape(x, (-1, shape[0], 4)), 1)),
        ],
        "frames and a state": lambda: [layers.ConvLSTM2D(4, 2), *end, pool[2]()],
        "swapped series": lambda: [layers.Permute((2, 1)), layers.Conv1D(4, 2), *end, pool[1]()],
        "mixed time, then swapped": lambda: [
            layers.Dense(6, "relu"),
            layers.Permute((2, 1)),
            layers.Conv1D(4, 2),
            *end,
            pool[1](),
        ],
    }
    if name in inner:
        model = keras.Sequential([keras.Input(shape), *inner[name]()])
    else:
        assert name == "channels first"
        model = Keras(
            lambda self, x: keras.ops.mean(
                keras.ops.relu(self.conv(keras.ops.transpose(x, (0, 2, 3, 1)))), (1, 2)
            ),
            conv=layers.Conv2D(4, 2),
        )
    model(np.zeros((1, *shape), np.float32))
    return model


def hidden_one_by_one(score, x, channel):
    """The fall of the score when one place of the first example is set to zero, over all channels; by hand."""
    found = np.zeros(x.shape)
    axes = [axis for axis in range(1, x.ndim) if axis != channel]
    for place in itertools.product(*(range(x.shape[axis]) for axis in axes)):
        where = [slice(None)] * x.ndim
        for axis, index in zip(axes, place, strict=True):
            where[axis] = index
        other = x.copy()
        other[tuple(where)] = 0
        found[tuple(where)] = score(x) - score(other)
    return found


CASES = [
    ("torch", "frames", (1, 3, 3, 4, 4), "NTCHW"),
    ("torch", "frames", (1, 2, 3, 4, 4), "NTCHW"),
    ("torch", "frames in a loop", (1, 4, 3, 4, 4), "NTCHW"),
    ("torch", "grey frames in a loop", (1, 4, 4, 4), "NTHW"),
    ("torch", "grey frames in a loop, weights computed", (1, 4, 4, 4), "NTHW"),
    ("torch", "grey frames", (1, 3, 4, 4), "NTHW"),
    ("torch", "swapped video", (1, 2, 3, 4, 4), "NDCHW"),
    ("torch", "volume without channels", (1, 3, 4, 4), "NDHW"),
    ("torch", "picture without channels", (1, 5, 5), "NHW"),
    ("torch", "swapped series", (1, 6, 3), "NTC"),
    ("torch", "features, then swapped", (1, 6, 3), "NTC"),
    ("torch", "features through a ReLU, then swapped", (1, 6, 1), "NTC"),
    ("torch", "gated features, then swapped", (1, 6, 3), "NTC"),
    ("torch", "mixed time", (1, 3, 6), "NCT"),
    ("torch", "channels last", (1, 4, 4, 3), "NHWC"),
    ("torch", "some channels last", (1, 4, 4, 3), "NHWC"),
    ("torch", "functional", (1, 5, 4), "NHW"),
    ("keras", "picture without channels", (1, 5, 5), "NHW"),
    ("keras", "scaled picture", (1, 5, 5), "NHW"),
    ("keras", "volume without channels", (1, 3, 4, 4), "NDHW"),
    ("keras", "grey frames", (1, 3, 4, 4), "NTHW"),
    ("keras", "frames", (1, 2, 3, 3, 3), "NTHWC"),
    ("keras", "folded frames", (1, 2, 3, 3, 3), "NTHWC"),
    ("keras", "frames and a state", (1, 2, 3, 3, 3), "NTHWC"),
    ("keras", "swapped series", (1, 3, 6), "NCT"),
    ("keras", "mixed time, then swapped", (1, 3, 6), "NCT"),
    ("keras", "channels first", (1, 3, 4, 4), "NCHW"),
]


@pytest.mark.parametrize(("framework", "name", "shape", "layout"), CASES)
def test_what_the_model_reads_decides_which_places_are_hidden(framework, name, shape, layout):
    x = np.random.default_rng(0).normal(size=shape)
    if framework == "torch":
        model = torch_model(name)

        def score(one):
            with torch.no_grad():
                return float(model(torch.tensor(one))[0, 1])
    else:
        model, x = keras_model(name, shape[1:]), x.astype(np.float32)

        def score(one):
            return float(model(one)[0, 1])

    channel = Layout(layout).channel_axis
    a = explain.attribute(model, x, "feature_ablation", target=1, feature_mask="positions")
    assert a.layout == layout
    np.testing.assert_allclose(a.values, hidden_one_by_one(score, x, channel), rtol=1e-4, atol=1e-6)
    # Stated, it is the same; a gradient is the same in any layout, and has this one.
    b = explain.attribute(model, x, "feature_ablation", target=1, feature_mask="positions", layout=layout)
    np.testing.assert_array_equal(a.values, b.values)
    assert explain.attribute(model, x, "saliency", target=1).layout == layout


def lstm_fcn(self, x):
    """A convolution over time, and a recurrent layer that takes channels for steps."""
    return mean(self.conv(x)) + self.rnn(x)[0][:, -1]


def crnn(self, x):
    """A convolution over a picture, then a recurrent layer over its columns."""
    return self.rnn(self.conv(x).flatten(1, 2).transpose(1, 2))[0][:, -1]


def late_fusion(self, x):
    """A convolution of its own for each channel, as of several modalities."""
    return sum(mean(conv(x[:, [place]])) for place, conv in enumerate((self.one, self.two, self.three)))


def masked(self, x):
    """The last channel weights the places of what is made of the others."""
    maps, weights = self.conv(x[:, :2]), nn.functional.avg_pool2d(x[:, 2:].sigmoid(), 2, 1)
    return mean(maps * weights)


def late_fusion_in_keras():
    inputs = keras.Input((5, 5, 3))
    maps = [layers.Conv2D(4, 2, activation="relu")(inputs[..., place : place + 1]) for place in range(3)]
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Concatenate()(maps)))


UNCHANGED = [
    (
        lambda: Torch(late_fusion, one=nn.Conv2d(1, 4, 2), two=nn.Conv2d(1, 4, 2), three=nn.Conv2d(1, 4, 2)),
        (1, 3, 5, 5),
        "NCHW",
    ),
    (lambda: Torch(masked, conv=nn.Conv2d(2, 4, 2)), (1, 3, 5, 5), "NCHW"),
    (late_fusion_in_keras, (1, 5, 5, 3), "NHWC"),
    (lambda: Torch(lambda self, x: mean(self.conv(x)), conv=nn.Conv2d(3, 4, 2)), (1, 3, 5, 5), "NCHW"),
    (lambda: Torch(lambda self, x: mean(self.conv(x)), conv=nn.Conv3d(3, 4, 2)), (1, 3, 3, 3, 3), "NCDHW"),
    (lambda: Torch(lambda self, x: mean(self.conv(x)), conv=nn.Conv1d(3, 4, 2)), (1, 3, 5), "NCT"),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(75, 4)), (1, 3, 5, 5), "NCHW"),
    (lambda: Torch(lambda self, x: self.inner(x).mean(1), inner=nn.Linear(3, 4)), (1, 5, 3), "NTC"),
    (lambda: Torch(lambda self, x: self.inner(x.mT).mean(1), inner=nn.Linear(5, 4)), (1, 5, 3), "NTC"),
    (
        lambda: Torch(lambda self, x: self.rnn(x)[0][:, -1], rnn=nn.GRU(3, 4, batch_first=True)),
        (1, 5, 3),
        "NTC",
    ),
    (
        lambda: Torch(lstm_fcn, conv=nn.Conv1d(3, 4, 2), rnn=nn.LSTM(5, 4, batch_first=True)),
        (1, 3, 5),
        "NCT",
    ),
    (
        lambda: Torch(crnn, conv=nn.Conv2d(1, 4, 3, padding=1), rnn=nn.LSTM(20, 4, batch_first=True)),
        (1, 1, 5, 5),
        "NCHW",
    ),
    (
        lambda: keras.Sequential([keras.Input((5, 5, 3)), layers.Flatten(), layers.Dense(4)]),
        (1, 5, 5, 3),
        "NHWC",
    ),
    (lambda: keras.Sequential([keras.Input((5, 5)), layers.SimpleRNN(4)]), (1, 5, 5), "NTC"),
    (lambda: keras.Sequential([keras.Input((5, 5)), layers.Bidirectional(layers.GRU(4))]), (1, 5, 5), "NTC"),
    (
        lambda: keras.Sequential([keras.Input((2, 5, 5, 3)), layers.Conv3D(4, 2), layers.Flatten()]),
        (1, 2, 5, 5, 3),
        "NDHWC",
    ),
]


@pytest.mark.parametrize(("make", "shape", "layout"), UNCHANGED)
def test_the_usual_layouts_remain(make, shape, layout):
    model, x = make(), np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for method in ("saliency", "occlusion"):
        assert explain.attribute(model, x, method, target=1).layout == layout


def attention_then_conv(self, x):
    """A convolution over time, behind steps that are mixed; its class alone says that channels are usual first."""
    first = self.first(x)
    mixed = (first @ first.mT).softmax(-1) @ first
    return self.conv(mixed.mT).mean(2)


DOUBTFUL = [
    (
        lambda: Torch(attention_then_conv, first=nn.Linear(3, 5), conv=nn.Conv1d(5, 4, 2)),
        (1, 6, 3),
        ("NTC", "NCT"),
        None,
    ),
    (
        lambda: Torch(
            lambda self, x: attention_then_conv(self, x.mT), first=nn.Linear(6, 5), conv=nn.Conv1d(5, 4, 2)
        ),
        (1, 6, 3),
        ("NTC", "NCT"),
        None,
    ),
    (
        lambda: Torch(
            lambda self, x: self.conv(torch.fft.rfft(x, dim=1).abs().mT).mean(2), conv=nn.Conv1d(1, 4, 2)
        ),
        (1, 6, 1),
        ("NTC", "NCT"),
        None,
    ),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(25, 4)), (1, 5, 5), ("NTC", "NHW"), "NTC"),
    (
        lambda: keras.Sequential([keras.Input((5, 5)), layers.Flatten(), layers.Dense(4)]),
        (1, 5, 5),
        ("NTC", "NHW"),
        "NTC",
    ),
    (
        lambda: keras.Sequential([keras.Input((5, 5)), layers.Reshape((25,)), layers.Dense(4)]),
        (1, 5, 5),
        ("NTC", "NHW"),
        "NTC",
    ),
    (
        lambda: Torch(lambda self, x: mean(self.conv(x.flatten(1, 2))), conv=nn.Conv2d(6, 4, 2)),
        (1, 2, 3, 4, 4),
        ("NCTHW", "NTCHW"),
        None,
    ),
    (
        lambda: keras.Sequential([keras.Input((3, 4, 4)), layers.Reshape((3, 16)), layers.LSTM(4)]),
        (1, 3, 4, 4),
        ("NTHW", "NTHC"),
        None,
    ),
]


@pytest.mark.parametrize(("make", "shape", "choices", "usual"), DOUBTFUL)
def test_where_two_meanings_fit_both_are_named_and_can_be_stated(make, shape, choices, usual):
    model, x = make(), np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with pytest.raises(LayoutError) as caught:
        explain.attribute(model, x, "feature_ablation", target=1, feature_mask="positions")
    assert all(f"layout={axes!r}" in str(caught.value) for axes in choices)
    found = [
        explain.attribute(model, x, "feature_ablation", target=1, feature_mask="positions", layout=axes)
        for axes in choices
    ]
    assert [one.layout for one in found] == list(choices)
    assert not np.allclose(found[0].values, found[1].values)
    if usual is None:
        # What is usual does not fit, or another meaning is as usual: no method takes it.
        with pytest.raises(LayoutError):
            explain.attribute(model, x, "saliency", target=1)
    else:
        # The gradient is the same in each.
        assert explain.attribute(model, x, "saliency", target=1).layout == usual


def test_the_first_operation_alone_runs_and_only_once():
    runs = []

    def call(self, x):
        found = self.conv(x)
        runs.append(len(x))
        return mean(found)

    model = Torch(call, conv=nn.Conv2d(3, 4, 2))
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 5))
    counts = []
    for layout in ("NCHW", "NCHW", None, None):
        runs.clear()
        explain.attribute(model, x, "saliency", target=1, layout=layout)
        counts.append(len(runs))
    # The first call also checks that the model is steady. Seen or stated, the others run the model as often.
    assert len(set(counts[1:])) == 1


def test_a_layout_is_seen_again_when_layers_are_exchanged():
    pictures = nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv2d(1, 4, 2), nn.Flatten())
    model = Torch(lambda self, x: self.inner(x), inner=pictures)
    x = np.ones((1, 5, 5), np.float32)
    assert explain.attribute(model, x, "saliency", target=1).layout == "NHW"
    model.inner = nn.Sequential(nn.Flatten(), nn.Linear(25, 4))
    with pytest.raises(LayoutError, match="NTC"):
        explain.attribute(model, x, "occlusion", target=1)


class Both(nn.Module):
    """A video of frames, and a table beside it; or a flattened picture."""

    def __init__(self, *, flattens=False):
        super().__init__()
        self.flattens = flattens
        self.conv, self.table, self.flat = nn.Conv2d(3, 4, 2), nn.Linear(5, 4), nn.Linear(25, 4)

    def forward(self, first, table):
        return self.table(table) + (self.flat(first.flatten(1)) if self.flattens else of_frames(self, first))


def test_each_of_several_inputs_is_seen():
    torch.manual_seed(0)
    model, random = Both().double().eval(), np.random.default_rng(0)
    video, table = random.normal(size=(1, 2, 3, 4, 4)), random.normal(size=(1, 5))
    a, b = explain.attribute(
        model, (video, table), "feature_ablation", target=1, feature_mask=("positions", None)
    )
    assert (a.layout, b.layout) == ("NTCHW", "NC")

    def score(one):
        with torch.no_grad():
            return float(model(torch.tensor(one), torch.tensor(table))[0, 1])

    np.testing.assert_allclose(a.values, hidden_one_by_one(score, video, 2), rtol=1e-4, atol=1e-6)


def test_a_doubtful_one_of_several_inputs_is_named():
    model = Both(flattens=True).double().eval()
    pair = {"first": np.ones((1, 5, 5)), "table": np.ones((1, 5))}
    with pytest.raises(LayoutError, match=r"x\['first'\] has shape .* layout='NHW'"):
        explain.attribute(model, pair, "feature_ablation", target=1)
    found = explain.attribute(
        model, pair, "feature_ablation", target=1, layout={"first": "NHW", "table": None}
    )
    assert found["first"].layout == "NHW"
    assert found["first"].values.any()
