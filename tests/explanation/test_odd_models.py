"""Models of a stranger's making: six odd ones that must work, and those whose inside cannot be reached."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from models.recurrent import MeanOfSteps, time_first_lstm

import explain
from explain.errors import (
    InputError,
    LayoutError,
    OpaqueModelWarning,
    ProbabilityScoreWarning,
    ScoreError,
    UnsupportedModelError,
)

# torch.jit warns of its own age, and torch.export of its internals; neither is the matter here.
pytestmark = [
    pytest.mark.filterwarnings("error::explain.errors.ExplainWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

_generator = np.random.default_rng(4)
LAYERS = [
    (_generator.normal(size=(5, 8)), _generator.normal(size=8)),
    (_generator.normal(size=(8, 3)), _generator.normal(size=3)),
]
TABLE = _generator.normal(size=(7, 5)).astype(np.float32)
# Float32 throughout, on nets of two small layers.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def by_hand(x, target, layers=LAYERS):
    """The gradient of a logit of the tanh net."""
    slope = 1 - np.tanh(x @ layers[0][0] + layers[0][1]) ** 2
    return (slope * layers[1][0][:, target]) @ layers[0][0].T


def differences(score, x, step=1e-6):
    """Central differences of a scalar function of one example, in float64."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        moved = np.zeros_like(x)
        moved[index] = step
        gradient[index] = (score(x + moved) - score(x - moved)) / (2 * step)
    return gradient


def call(kit, model, x):
    """The model's own output, as its owner would get it."""
    result = model(kit.tensor(x))
    return result.detach().numpy() if kit.name == "torch" else result.numpy()


# --- the six -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few_steps")
def test_non_square_grayscale_cnn(kit):
    model = kit.cnn(channels=1, side=(12, 7), dtype="float64")
    x = np.random.default_rng(1).normal(size=(2, *kit.picture_shape(1, 12, 7)))
    if kit.name == "torch":
        model.eval()
    found = explain.attribute(model, x, "saliency", target=2)
    assert found.values.shape == x.shape
    assert found.layout == ("NCHW" if kit.name == "torch" else "NHWC")
    expected = differences(lambda one: call(kit, model, one[None])[0, 2], x[0])
    np.testing.assert_allclose(found.values[0], expected, rtol=1e-5, atol=1e-7)  # Central differences.
    path = explain.attribute(model, x, "ig", target=2, baseline=0.1, n_steps=300)
    change = call(kit, model, x)[:, 2] - call(kit, model, np.full_like(x, 0.1))[:, 2]
    # Three hundred nodes on a path across kinks.
    np.testing.assert_allclose(path.values.reshape(2, -1).sum(axis=1), change, atol=5e-3)


def _two_outputs(kit):
    (first, bias), (last, other_bias) = LAYERS
    if kit.name == "torch":
        nn = kit.torch.nn

        class TwoHeads(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = kit.dense([LAYERS[0]])
                self.classes = kit.dense([LAYERS[1]], last="softmax")
                self.value = kit.dense([(last[:, :1], other_bias[:1])])

            def forward(self, x):
                hidden = self.body(x).tanh()
                return self.classes(hidden), self.value(hidden)

        return TwoHeads()
    keras = kit.keras
    inputs = keras.Input((5,))
    hidden = keras.layers.Dense(8, activation="tanh")
    classes, value = keras.layers.Dense(3, activation="softmax"), keras.layers.Dense(1)
    model = keras.Model(inputs, [classes(hidden(inputs)), value(hidden(inputs))])
    hidden.set_weights([first, bias])
    classes.set_weights([last, other_bias])
    value.set_weights([last[:, :1], other_bias[:1]])
    return model


def test_model_with_two_outputs(kit):
    model = _two_outputs(kit)
    with pytest.raises(ScoreError, match="2 outputs"):
        explain.attribute(model, TABLE, "saliency")
    classes = explain.attribute(model, TABLE, "saliency", output=0, target=1)
    assert classes.score == "logit"
    np.testing.assert_allclose(classes.values, by_hand(TABLE, 1), **CLOSE)
    value = explain.attribute(model, TABLE, "saliency", output=1)
    np.testing.assert_allclose(value.values, by_hand(TABLE, 0), **CLOSE)


def test_functional_softmax(kit):
    weight = LAYERS[0][0][:, :3]
    model = kit.function(lambda x: kit.softmax(kit.matmul(x, weight)))
    found = explain.attribute(model, TABLE, "ig", target=0, n_steps=100)
    assert found.score == "logit"
    np.testing.assert_allclose(found.values, TABLE * weight[:, 0], atol=1e-5)
    found = explain.attribute(model, TABLE, "ig", target=0, n_steps=100, score="probability")
    change = scipy.special.softmax(TABLE @ weight, axis=1)[:, 0] - 1 / 3
    np.testing.assert_allclose(found.values.sum(axis=1), change, atol=1e-5)


def _bidirectional_gru(kit):
    if kit.name == "torch":
        gru = kit.torch.nn.GRU(4, 3, batch_first=True, bidirectional=True)
        return kit.randomised(MeanOfSteps(gru, 6, 2).double())
    keras = kit.keras
    model = keras.Sequential(
        [
            keras.Input((6, 4), dtype="float64"),
            keras.layers.Bidirectional(keras.layers.GRU(3, dtype="float64"), dtype="float64"),
            keras.layers.Dense(2, activation="softmax", dtype="float64"),
        ]
    )
    return kit.randomised(model)


def test_bidirectional_gru(kit):
    model = _bidirectional_gru(kit)
    x = np.random.default_rng(2).normal(size=(2, 6, 4))
    found = explain.attribute(model, x, "saliency", target=1, score="output")
    assert found.layout == "NTC"
    expected = differences(lambda one: call(kit, model, one[None])[0, 1], x[1])
    np.testing.assert_allclose(found.values[1], expected, rtol=1e-5, atol=1e-7)  # Central differences.
    path = explain.attribute(model, x, "ig", target=1, score="output", n_steps=50)
    change = (call(kit, model, x) - call(kit, model, 0 * x))[:, 1]
    np.testing.assert_allclose(path.values.reshape(2, -1).sum(axis=1), change, rtol=1e-5, atol=1e-6)


def test_float64_model(kit):
    model = kit.dense(LAYERS, between="tanh", dtype="float64")
    # A float32 input is computed in the model's float64, and the result is float32.
    found = explain.attribute(model, TABLE, "saliency", target=1)
    assert found.values.dtype == np.float32
    assert found.scores.dtype == np.float64
    np.testing.assert_allclose(found.values, by_hand(TABLE.astype(np.float64), 1), rtol=1e-6)
    hidden = np.tanh(TABLE.astype(np.float64) @ LAYERS[0][0] + LAYERS[0][1])
    np.testing.assert_allclose(found.scores, hidden @ LAYERS[1][0][:, 1] + LAYERS[1][1][1], rtol=1e-13)
    # And a float64 input in a float32 model, in float32.
    single = explain.attribute(
        kit.dense(LAYERS, between="tanh"), TABLE.astype(np.float64), "saliency", target=1
    )
    assert single.scores.dtype == np.float32
    np.testing.assert_allclose(single.values, found.values, **CLOSE)


def test_one_output_regressor_on_a_table(kit):
    layers = [LAYERS[0], (LAYERS[1][0][:, :1], LAYERS[1][1][:1])]
    model = kit.dense(layers, between="tanh")
    found = explain.attribute(model, TABLE, "ig", n_steps=50)
    assert found.kind == "table"
    assert found.target == (None,) * 7
    assert found.predicted is None
    change = (call(kit, model, TABLE) - call(kit, model, 0 * TABLE))[:, 0]
    np.testing.assert_allclose(found.values.sum(axis=1), change, rtol=1e-4, atol=1e-5)  # Float32 sums.
    np.testing.assert_allclose(explain.attribute(model, TABLE, "saliency").values, by_hand(TABLE, 0), **CLOSE)
    assert explain.attribute(model, TABLE, "ig", baseline="mean").baseline_rule == {"rule": "mean"}


# --- what cannot be looked into: PyTorch -------------------------------------------------------------------


def _opaque(model, x=TABLE, target=1, **options):
    """Explain a model that cannot be looked into: it warns, and what is explained is the output."""
    with pytest.warns(OpaqueModelWarning, match="score='output'"):
        found = explain.attribute(model, x, "saliency", target=target, **options)
    assert found.score == "output"
    np.testing.assert_allclose(found.values, by_hand(TABLE, 1), **CLOSE)
    # Said to be meant, nothing is warned of.
    path = explain.attribute(model, x, "ig", target=target, score="output", n_steps=50, **options)
    # Some of the networks are of ReLUs, whose kinks fifty nodes straddle.
    assert path.relative_delta.max() < 1e-3
    with pytest.raises(ScoreError, match="score='output'"):
        explain.attribute(model, x, "saliency", target=target, score="probability", **options)
    return found


@pytest.mark.parametrize("how", ["script", "trace"])
def test_scripted_torch_model(torch_kit, how):
    torch = torch_kit.torch
    model = torch_kit.dense(LAYERS, between="tanh")
    scripted = torch.jit.script(model) if how == "script" else torch.jit.trace(model, torch.tensor(TABLE))
    scripted.train()
    _opaque(scripted)
    assert scripted.training


@pytest.mark.parametrize("dynamic", [False, True])
def test_exported_torch_model(torch_kit, dynamic):
    # Exported for a batch of four: the last chunk of seven examples is padded, and cut off again.
    torch = torch_kit.torch
    model = torch_kit.dense(LAYERS, between="tanh").eval()
    shapes = ({0: torch.export.Dim("batch", min=2, max=512)},) if dynamic else None
    exported = torch.export.export(model, (torch.tensor(TABLE[:4]),), dynamic_shapes=shapes)
    for one in (exported, exported.module()):
        _opaque(one)


def test_exported_softmax_is_seen(torch_kit):
    torch = torch_kit.torch
    model = torch_kit.dense(LAYERS, between="tanh", last="softmax").eval()
    exported = torch.export.export(model, (torch.tensor(TABLE[:4]),))
    with pytest.warns(ProbabilityScoreWarning, match="layers of the model cannot be accessed"):
        assert explain.attribute(exported, TABLE, "saliency", target=1).score == "probability"


def test_compiled_torch_model_is_explained_through_its_original(torch_kit):
    torch = torch_kit.torch
    model = torch_kit.dense(LAYERS, between="tanh", last="softmax")

    def backend(graph, inputs):
        raise AssertionError("it was compiled")

    compiled = torch.compile(model, backend=backend)
    found = explain.attribute(compiled, TABLE, "saliency", target=1)
    assert found.score == "logit"
    np.testing.assert_allclose(found.values, by_hand(TABLE, 1), **CLOSE)
    assert compiled.training


def test_compiled_part_of_a_torch_model(torch_kit):
    torch = torch_kit.torch
    model = torch_kit.dense(LAYERS, between="tanh")
    with_part = torch.nn.Sequential(torch.compile(model, backend="eager"), torch.nn.Softmax(1))
    for method in ("saliency", "input_x_gradient"):
        found = explain.attribute(with_part, TABLE, method, target=1)
        assert found.score == "logit"
        factor = 1 if method == "saliency" else TABLE
        np.testing.assert_allclose(found.values, factor * by_hand(TABLE, 1), **CLOSE)
    assert with_part.training
    assert with_part[0].training


def test_data_parallel_torch_model(torch_kit):
    model = torch_kit.torch.nn.DataParallel(torch_kit.dense(LAYERS, between="tanh", last="softmax"))
    found = explain.attribute(model, TABLE, "saliency", target=1)
    assert found.score == "logit"
    np.testing.assert_allclose(found.values, by_hand(TABLE, 1), **CLOSE)


def test_plain_function(kit):
    model = kit.dense(LAYERS, between="tanh")
    found = _opaque(lambda x: model(x), framework=kit.name)
    assert found.framework == kit.name
    assert found.model == "<lambda>"
    with pytest.raises(UnsupportedModelError, match="framework="):
        explain.attribute(lambda x: model(x), TABLE)


@pytest.mark.usefixtures("few_steps")  # Half precision leaves a delta that no number of steps removes.
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_torch_model(torch_kit, dtype):
    model = torch_kit.dense(LAYERS, between="tanh").to(getattr(torch_kit.torch, dtype))
    for x in (TABLE, torch_kit.torch.tensor(TABLE).to(getattr(torch_kit.torch, dtype))):
        found = explain.attribute(model, x, "ig", target=1, n_steps=20)
        assert found.values.dtype == np.float32
        # Eight bits of mantissa in bfloat16, eleven in float16, through two layers and twenty points.
        exact = explain.attribute(torch_kit.dense(LAYERS, between="tanh"), TABLE, "ig", target=1, n_steps=20)
        error = np.linalg.norm(found.values - exact.values) / np.linalg.norm(exact.values)
        assert error < {"bfloat16": 5e-2, "float16": 5e-3}[dtype]


def test_time_first_torch_lstm(torch_kit):
    model, swapped = time_first_lstm(torch_kit), time_first_lstm(torch_kit, batch_first=True)
    x = np.random.default_rng(0).normal(size=(6, 2, 4))
    with pytest.raises(LayoutError, match="layout='TNC'"):
        explain.attribute(model, x)
    found = explain.attribute(model, x, "ig", layout="TNC", target=[1, 2], batch_size=7, n_steps=50)
    assert found.values.shape == x.shape
    assert len(found) == 2
    other = explain.attribute(swapped, x.swapaxes(0, 1), "ig", layout="NTC", target=[1, 2], n_steps=50)
    np.testing.assert_allclose(found.values, other.values.swapaxes(0, 1), rtol=1e-6, atol=1e-8)
    change = call(torch_kit, model, x) - call(torch_kit, model, 0 * x)
    np.testing.assert_allclose(found.values.sum(axis=(0, 2)), change[[0, 1], [1, 2]], rtol=1e-5)


def test_wrong_layout_is_noticed(torch_kit):
    # Said to be batch first, a time-first model gives one row per step.
    x = np.random.default_rng(0).normal(size=(6, 2, 4))
    with pytest.raises(InputError, match="layout="):
        explain.attribute(time_first_lstm(torch_kit), x, layout="NTC")


# --- what cannot be looked into: TensorFlow ----------------------------------------------------------------


def test_tf_module_tf_function_and_saved_model(tensorflow_kit, tmp_path):
    tf = tensorflow_kit.tf

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.weights = [tf.Variable(tf.constant(part, tf.float32)) for pair in LAYERS for part in pair]

        @tf.function(input_signature=[tf.TensorSpec([None, 5], tf.float32)])
        def __call__(self, x):
            first, bias, last, other = self.weights
            return tf.math.tanh(x @ first + bias) @ last + other

    net = Net()
    _opaque(net)
    _opaque(tf.function(lambda x: net(x)))
    tf.saved_model.save(net, str(tmp_path / "net"), signatures=net.__call__.get_concrete_function())
    loaded = tf.saved_model.load(str(tmp_path / "net"))
    _opaque(loaded)
    # A signature takes its input by name and gives a dictionary of outputs.
    _opaque(loaded.signatures["serving_default"])


def test_tensorflow_function_with_a_fixed_batch(tensorflow_kit):
    tf = tensorflow_kit.tf
    model = tensorflow_kit.dense(LAYERS, between="tanh")
    sizes = []

    @tf.function(input_signature=[tf.TensorSpec([4, 5], tf.float32)], autograph=False)
    def fixed(x):
        sizes.append(x.shape[0])
        return model(x)

    _opaque(fixed)
    assert set(sizes) == {4}


def test_keras_model_with_a_fixed_batch(tensorflow_kit):
    keras = tensorflow_kit.keras
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(4, 5)),
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.set_weights([array for pair in LAYERS for array in pair])
    found = explain.attribute(model, TABLE, "saliency", target=1)
    np.testing.assert_allclose(found.values, by_hand(TABLE, 1), **CLOSE)
    path = explain.attribute(model, TABLE, "ig", target=1, n_steps=20)
    free = tensorflow_kit.dense(LAYERS, between="tanh", last="softmax")
    expected = explain.attribute(free, TABLE, "ig", target=1, n_steps=20)
    np.testing.assert_allclose(path.values, expected.values, **CLOSE)


def test_channels_first_keras_model(tensorflow_kit):
    # A permutation by hand, since TensorFlow has no channels-first convolution on a CPU: the layout is said.
    model = tensorflow_kit.cnn(channels=2, side=(8, 6))
    first = tensorflow_kit.function(lambda x: model(tensorflow_kit.tf.transpose(x, [0, 2, 3, 1])))
    x = np.random.default_rng(0).normal(size=(2, 8, 6, 2)).astype(np.float32)
    expected = explain.attribute(model, x, "saliency", target=1)
    found = explain.attribute(first, np.moveaxis(x, -1, 1), "saliency", target=1, layout="NCHW")
    np.testing.assert_allclose(np.moveaxis(found.values, 1, -1), expected.values, **CLOSE)
