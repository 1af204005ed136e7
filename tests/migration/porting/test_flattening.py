"""Maps that are put in a row: PyTorch's channels come first in it, Keras's last, and what reads it must know."""

from __future__ import annotations

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import explain
from explain.backends.discovery import extension_for
from explain.errors import ModelCallError, PortError
from explain.parameters.flattened import Block, block_of, order_between, row_of, without_vectors

layers = keras.layers
SHAPE = (5, 7, 2)
X = np.random.default_rng(0).normal(size=(3, *SHAPE))
TABLE = np.random.default_rng(1).normal(size=(3, 4))


@pytest.fixture(autouse=True)
def double_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    # An Input is of this precision, whatever the policy.
    keras.config.set_floatx("float64")
    torch.manual_seed(0)
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(before)


class Net(nn.Module):
    """Modules by name and what is done with them."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)
        self.double().eval()

    def forward(self, *x):
        return self.function(self, *x)


def functional(function, *shapes):
    given = [keras.Input(shape) for shape in shapes or (SHAPE,)]
    return keras.Model(given if len(given) > 1 else given[0], function(*given))


def of_torch(model, *given):
    tensors = [
        torch.from_numpy(np.moveaxis(one, -1, 1).copy() if one.ndim > 2 else one) for one in given or (X,)
    ]
    with torch.no_grad():
        return model(*tensors).numpy()


def of_keras(model, *given):
    given = list(given or (X,))
    return np.asarray(model(given if len(given) > 1 else given[0], training=False))


def assert_ports_both_ways(torch_model, keras_model, *given, x=None):
    """From PyTorch to Keras, then, with other weights, back."""
    explain.port(torch_model, keras_model, x=None if x is None else x[0])
    np.testing.assert_allclose(
        of_keras(keras_model, *given), of_torch(torch_model, *given), rtol=0, atol=1e-12
    )
    for weight in keras_model.trainable_weights:
        weight.assign(np.random.default_rng(8).normal(size=weight.shape))
    explain.port(keras_model, torch_model, x=None if x is None else x[1])
    np.testing.assert_allclose(
        of_torch(torch_model, *given), of_keras(keras_model, *given), rtol=0, atol=1e-12
    )


def flattening():
    return Net(
        lambda m, x: m.fc(torch.relu(m.conv(x)).flatten(1)),
        conv=nn.Conv2d(2, 3, 2),
        fc=nn.Linear(3 * 4 * 6, 4),
    )


def in_order_of_keras(m, x):
    return m.fc(torch.relu(m.conv(x)).movedim(1, -1).flatten(1))


def pooled_twice(m, x):
    x = m.conv(x)
    return m.fc(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


KERAS_TWINS = {
    "flatten": lambda x: layers.Flatten()(layers.Conv2D(3, 2, activation="relu")(x)),
    "relu and dropout after": lambda x: layers.Dropout(0.5)(
        layers.ReLU()(layers.Flatten()(layers.Conv2D(3, 2)(x)))
    ),
    "reshape": lambda x: layers.Reshape((-1,))(layers.Conv2D(3, 2, activation="relu")(x)),
    "channels moved first by hand": lambda x: layers.Flatten()(
        layers.Permute((3, 1, 2))(layers.Conv2D(3, 2, activation="relu")(x))
    ),
    "in a model of its own": lambda x: keras.Sequential(
        [keras.Input(SHAPE), layers.Conv2D(3, 2, activation="relu"), layers.Flatten()]
    )(x),
}


@pytest.mark.parametrize("way", KERAS_TWINS)
def test_a_flattened_map_is_put_in_order(way):
    assert_ports_both_ways(flattening(), functional(lambda x: layers.Dense(4)(KERAS_TWINS[way](x))))


def test_a_head_that_is_a_model_of_its_own():
    head = keras.Sequential([keras.Input((72,)), layers.Dropout(0.1), layers.Dense(4)])
    assert_ports_both_ways(flattening(), functional(lambda x: head(KERAS_TWINS["flatten"](x))))


def test_a_norm_of_a_flattened_map():
    torch_model = Net(
        lambda m, x: m.fc(m.norm(m.conv(x).flatten(1))),
        conv=nn.Conv2d(2, 3, 2),
        norm=nn.BatchNorm1d(72),
        fc=nn.Linear(72, 4),
    )
    nn.init.uniform_(torch_model.norm.running_mean)
    nn.init.uniform_(torch_model.norm.running_var, 0.5, 1)
    nn.init.uniform_(torch_model.norm.weight)

    def forward(x):
        x = layers.Flatten()(layers.Conv2D(3, 2)(x))
        return layers.Dense(4)(layers.BatchNormalization(epsilon=1e-5)(x))

    assert_ports_both_ways(torch_model, functional(forward))


def test_a_map_of_one_axis_and_of_three():
    sequence, volume = (9, 2), (3, 4, 5, 2)
    for shape, torch_layer, keras_layer, count in (
        (sequence, nn.Conv1d(2, 3, 2), layers.Conv1D(3, 2), 24),
        (volume, nn.Conv3d(2, 3, 2), layers.Conv3D(3, 2), 72),
    ):
        x = np.random.default_rng(0).normal(size=(2, *shape))
        torch_model = Net(lambda m, x: m.fc(m.conv(x).flatten(1)), conv=torch_layer, fc=nn.Linear(count, 4))
        keras_model = functional(
            lambda x, layer=keras_layer: layers.Dense(4)(layers.Flatten()(layer(x))), shape
        )
        assert_ports_both_ways(torch_model, keras_model, x)


def test_a_flattened_map_beside_a_table():
    def forward(m, x, table):
        x = torch.relu(m.conv(x)).flatten(1)
        return m.fc(torch.cat([table, x, m.second(table)], 1))

    torch_model = Net(forward, conv=nn.Conv2d(2, 3, 2), second=nn.Linear(4, 5), fc=nn.Linear(81, 4))

    def keras_forward(x, table):
        row = layers.Flatten()(layers.Conv2D(3, 2, activation="relu")(x))
        return layers.Dense(4, name="fc")(
            layers.Concatenate()([table, row, layers.Dense(5, name="second")(table)])
        )

    assert_ports_both_ways(torch_model, functional(keras_forward, SHAPE, (4,)), X, TABLE)


def test_two_flattened_maps_of_their_own_channels():
    def forward(m, x):
        return m.fc(torch.cat([m.one(x).flatten(1), m.two(x).flatten(1)], 1))

    torch_model = Net(forward, one=nn.Conv2d(2, 3, 2), two=nn.Conv2d(2, 4, 3), fc=nn.Linear(72 + 60, 4))

    def keras_forward(x):
        rows = [
            layers.Flatten()(layers.Conv2D(3, 2, name="one")(x)),
            layers.Flatten()(layers.Conv2D(4, 3, name="two")(x)),
        ]
        return layers.Dense(4, name="fc")(layers.Concatenate()(rows))

    assert_ports_both_ways(torch_model, functional(keras_forward))


def test_what_was_pooled_is_in_no_order():
    torch_model = Net(lambda m, x: m.fc(m.conv(x).mean((2, 3))), conv=nn.Conv2d(2, 3, 2), fc=nn.Linear(3, 4))
    keras_model = functional(
        lambda x: layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.Conv2D(3, 2)(x)))
    )
    assert_ports_both_ways(torch_model, keras_model)
    torch_model = Net(pooled_twice, conv=nn.Conv2d(2, 3, 2), fc=nn.Linear(6, 4))

    def forward(x):
        x = layers.Conv2D(3, 2)(x)
        pools = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
        return layers.Dense(4)(layers.Concatenate()(pools))

    assert_ports_both_ways(torch_model, functional(forward))


def test_steps_of_a_sequence_lie_in_both_in_order():
    x = np.random.default_rng(0).normal(size=(2, 6, 3))
    torch_model = Net(
        lambda m, x: m.fc(m.rnn(x.movedim(1, -1))[0].flatten(1)),
        rnn=nn.LSTM(3, 4, batch_first=True),
        fc=nn.Linear(24, 2),
    )
    keras_model = functional(
        lambda x: layers.Dense(2)(layers.Flatten()(layers.LSTM(4, return_sequences=True)(x))), (6, 3)
    )
    assert_ports_both_ways(torch_model, keras_model, x)


SPECTRUM = (6, 5, 2)
COLUMNS = {
    "reshape": lambda x: layers.Reshape((5, 12))(x),
    "a flatten at every step": lambda x: layers.TimeDistributed(layers.Flatten())(x),
    "the other axis": lambda x: layers.Reshape((4, 15))(layers.Permute((2, 1, 3))(x)),
}


@pytest.mark.parametrize("way", COLUMNS)
@pytest.mark.parametrize("reader", ["GRU", "both ways", "dense"])
def test_columns_of_a_map_are_the_steps_of_a_sequence(way, reader):
    x = np.random.default_rng(0).normal(size=(2, *SPECTRUM))
    turned = way == "the other axis"
    width = 15 if turned else 12

    def forward(m, x):
        # (N, channels, height, width) to steps, each (channels, the other axis).
        steps = m.conv(x).permute(0, 3, 1, 2) if turned else m.conv(x).permute(0, 2, 1, 3)
        read = m.reader(steps.flatten(2))
        return (read if reader == "dense" else read[0]).mean(1)

    reads = {
        "GRU": lambda: nn.GRU(width, 4, num_layers=2, batch_first=True),
        "both ways": lambda: nn.LSTM(width, 4, batch_first=True, bidirectional=True),
        "dense": lambda: nn.Linear(width, 4),
    }
    torch_model = Net(forward, conv=nn.Conv2d(2, 3, 2), reader=reads[reader]())

    def keras_forward(x):
        steps = COLUMNS[way](layers.Conv2D(3, 2)(x))
        if reader == "GRU":
            steps = layers.GRU(4, return_sequences=True)(layers.GRU(4, return_sequences=True)(steps))
        elif reader == "both ways":
            steps = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(steps)
        else:
            steps = layers.Dense(4)(steps)
        return layers.GlobalAveragePooling1D()(steps)

    keras_model = functional(keras_forward, SPECTRUM)
    assert_ports_both_ways(torch_model, keras_model, x)
    # In one framework, where only the first of several layers is given the map.
    again = copy.deepcopy(torch_model)
    nn.init.zeros_(again.conv.weight)
    explain.port(torch_model, again, x=np.moveaxis(x, -1, 1))
    np.testing.assert_allclose(of_torch(again, x), of_torch(torch_model, x), rtol=0, atol=1e-12)
    # And as seen, where the graph is not asked.
    assert_ports_both_ways(torch_model, keras_model, x, x=(np.moveaxis(x, -1, 1), x))


class Subclassed(keras.Model):
    """A model without a graph; `flatten` puts its map in a row."""

    def __init__(self, flatten):
        super().__init__()
        self.conv = layers.Conv2D(3, 2, activation="relu")
        self.fc = layers.Dense(4)
        self.flatten = flatten

    def call(self, x):
        return self.fc(self.flatten(self.conv(x)))


def subclassed(flatten):
    model = Subclassed(flatten)
    model(X)
    return model


def test_a_subclassed_model_says_what_its_flatten_was_built_for():
    assert_ports_both_ways(flattening(), subclassed(layers.Flatten()))


def test_where_neither_model_tells_x_is_asked_for():
    torch_model, keras_model = flattening(), subclassed(lambda x: tf.reshape(x, (len(x), -1)))
    before = [np.asarray(weight) for weight in keras_model.weights]
    with pytest.raises(PortError, match=r"72 features, 24 times the 3 channels.*give x"):
        explain.port(torch_model, keras_model)
    assert all(map(np.array_equal, before, keras_model.weights))
    first = np.moveaxis(X, -1, 1)
    assert_ports_both_ways(torch_model, keras_model, x=(first, X))


def test_pooled_twice_and_flattened_are_told_apart_by_x():
    class Pooled(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(3, 2)
            self.fc = layers.Dense(4)

        def call(self, x):
            x = self.conv(x)
            return self.fc(tf.concat([tf.reduce_mean(x, (1, 2)), tf.reduce_max(x, (1, 2))], 1))

    keras_model = Pooled()
    keras_model(X)
    torch_model = Net(pooled_twice, conv=nn.Conv2d(2, 3, 2), fc=nn.Linear(6, 4))
    assert_ports_both_ways(torch_model, keras_model, x=(np.moveaxis(X, -1, 1), X))


def test_a_torch_model_that_flattens_as_keras_does_is_seen_by_x():
    torch_model = Net(in_order_of_keras, conv=nn.Conv2d(2, 3, 2), fc=nn.Linear(72, 4))
    keras_model = functional(lambda x: layers.Dense(4)(KERAS_TWINS["flatten"](x)))
    assert_ports_both_ways(torch_model, keras_model, x=(np.moveaxis(X, -1, 1), X))
    # Without it the map is taken to be flattened as PyTorch does, and the table says that it was put in another order.
    ported = explain.port(torch_model, keras_model)
    assert "flattened order" in str(ported)


def test_x_gives_the_order_in_which_layers_are_called():
    def forward(m, x):
        return m.c(torch.tanh(m.a(torch.tanh(m.b(x)))))

    torch_model = Net(
        forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4), c=nn.Linear(4, 4), unused=nn.Linear(9, 9)
    )

    def keras_forward(x):
        for activation in ("tanh", "tanh", None):
            x = layers.Dense(4, activation=activation)(x)
        return x

    keras_model = functional(keras_forward, (4,))
    ported = explain.port(torch_model, keras_model, {"unused": None}, x=TABLE)
    assert [row.source for row in ported.rows] == ["b", "a", "c"]
    assert "left out: unused" in str(ported)
    np.testing.assert_allclose(of_keras(keras_model, TABLE), of_torch(torch_model, TABLE), rtol=0, atol=1e-12)


def test_models_are_as_they_were_when_x_was_run():
    torch_model = Net(
        lambda m, x: m.fc(m.drop(m.norm(m.conv(x))).flatten(1)),
        conv=nn.Conv2d(2, 3, 2),
        norm=nn.BatchNorm2d(3),
        drop=nn.Dropout(0.5),
        fc=nn.Linear(72, 4),
    ).train()
    before = {name: value.clone() for name, value in torch_model.state_dict().items()}
    state = torch.get_rng_state()
    read = extension_for(torch_model).parameters(torch_model, np.moveaxis(X, -1, 1))
    assert read[-1].settings["flattened"] == (Block(24, 3, channels_last=False),)
    assert torch_model.training
    assert torch_model.norm.training
    assert torch.equal(state, torch.get_rng_state())
    assert not torch_model.conv._forward_hooks
    assert all(torch.equal(before[name], value) for name, value in torch_model.state_dict().items())


def test_a_source_that_fails_on_x_says_so():
    keras_model = functional(lambda x: layers.Dense(4)(KERAS_TWINS["flatten"](x)))
    with pytest.raises(ModelCallError, match="failed on x"):
        explain.port(flattening(), keras_model, x=X)


def test_a_model_that_takes_finite_numbers_only_is_not_seen_and_no_failure():
    def forward(m, x):
        x = m.conv(x)
        if not torch.isfinite(x).all():
            raise ValueError("not finite")
        return m.fc(x.flatten(1))

    torch_model = Net(forward, conv=nn.Conv2d(2, 3, 2), fc=nn.Linear(72, 4))
    read = extension_for(torch_model).parameters(torch_model, np.moveaxis(X, -1, 1))
    assert "flattened" not in read[-1].settings
    keras_model = functional(lambda x: layers.Dense(4)(layers.Flatten()(layers.Conv2D(3, 2)(x))))
    assert_ports_both_ways(torch_model, keras_model, x=(np.moveaxis(X, -1, 1), X))


def test_a_keras_model_with_channels_first():
    # TensorFlow does not run its convolutions on a CPU: the rows of the kernel are looked at instead.
    def channels_first(flatten):
        given = keras.Input((2, 5, 7))
        x = layers.Conv2D(3, 2, data_format="channels_first")(given)
        x = layers.MaxPooling2D(2, data_format="channels_first")(x)
        return keras.Model(given, layers.Dense(4)(flatten(x)))

    torch_model = Net(lambda m, x: x, conv=nn.Conv2d(2, 3, 2), fc=nn.Linear(3 * 2 * 3, 4))
    kernel = torch_model.fc.weight.detach().numpy().T
    plain = channels_first(layers.Flatten())
    explain.port(torch_model, plain)
    np.testing.assert_array_equal(np.asarray(plain.layers[-1].kernel), kernel)
    # This one puts the channels last before it flattens.
    moving = channels_first(layers.Flatten(data_format="channels_first"))
    explain.port(torch_model, moving)
    expected = kernel.reshape(3, 6, 4).swapaxes(0, 1).reshape(18, 4)
    np.testing.assert_array_equal(np.asarray(moving.layers[-1].kernel), expected)
    # From one of Keras to the other, whose orders differ too.
    again = channels_first(layers.Flatten())
    explain.port(moving, again)
    np.testing.assert_array_equal(np.asarray(again.layers[-1].kernel), kernel)


def test_where_a_map_lies_in_a_row():
    row = np.arange(20)
    assert block_of(np.isin(row, [8, 9]), 3, 1) == (6, Block(2, 3, channels_last=False))
    assert block_of(np.isin(row, [7, 10]), 3, 1) == (6, Block(2, 3, channels_last=True))
    assert block_of(np.isin(row, [7, 11]), 3, 1) is None
    assert block_of(np.isin(row, [0, 1]), 3, 1) is None
    assert block_of(np.isin(row, []), 3, 1) is None
    assert block_of(row >= 0, 3, 1) is None
    assert row_of([(6, Block(2, 3)), (0, Block(2, 2))], 13) == (
        Block(2, 2),
        Block(1, 2),
        Block(2, 3),
        Block(1, 1),
    )
    assert row_of([(3, Block(2, 2)), (0, Block(2, 2))], 13) is None
    assert without_vectors((Block(1, 5),)) is None


@pytest.mark.parametrize("sizes", [(3, 4), (1, 5), (6, 1)])
def test_there_and_back_is_the_same(sizes):
    row = (Block(*sizes), Block(1, 2))
    there = order_between(row, [False, True], [True, True])
    back = order_between(row, [True, True], [False, True])
    assert there[back].tolist() == list(range(len(there)))
    positions, channels = sizes
    first = np.arange(positions * channels).reshape(channels, positions)
    assert there[: positions * channels].tolist() == first.T.ravel().tolist()
