"""A migration check of what a model is deployed as: functions, ONNX and TFLite files, a server."""

from __future__ import annotations

import numpy as np
import pytest
from models.deployed import asking, interpreter, server, tflite

import explain
from explain.errors import InputError, MigrationError, ModelCallError, OptionError, ScoreError

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning:explain")

_generator = np.random.default_rng(0)
WEIGHT, BIAS = _generator.normal(size=(4, 3)), np.array([0.1, -0.2, 0.3])
X = _generator.normal(size=(12, 4)).astype(np.float32)


def scores(x):
    return np.tanh(x @ WEIGHT) + BIAS


def wrong(x):
    return np.tanh(x @ WEIGHT[:, [1, 2, 0]]) + BIAS


@pytest.fixture
def net(kit):
    tanh = kit.tanh if kit.name == "torch" else kit.tf.tanh
    inner = kit.dense([(WEIGHT, np.zeros(3))])
    return kit.function(lambda x: tanh(inner(x)) + kit.tensor(BIAS.astype(np.float32)))


def rows(report, stage):
    return {row.a: row for row in report.of_stage(stage)}


def test_functions_of_arrays(net):
    report = explain.check_migration(net, scores, X, framework_b="numpy")
    assert report.passed, report
    assert report.model_b == "scores (NumPy)"
    maps = rows(report, "attributions")
    assert maps["occlusion"].error < 1e-5
    assert "needs gradients" in maps["saliency"].note
    report = explain.check_migration(net, wrong, X, framework_b="numpy")
    assert not report.passed
    assert rows(report, "attributions")["occlusion"].passed is False
    report = explain.check_migration(scores, net, X, framework="numpy", methods="feature_ablation")
    assert report.passed
    assert rows(report, "attributions")["feature_ablation"].error < 1e-5


def test_functions_of_tensors(kit, net):
    report = explain.check_migration(lambda x: net(x), net, X, framework=kit.name, methods="saliency")
    assert report.passed, report
    assert rows(report, "attributions")["saliency"].error < 1e-5


def test_a_function_without_its_framework_is_told_of_it():
    with pytest.raises(MigrationError, match=r"model_b: .*framework='numpy'"):
        explain.check_migration(scores, scores, X, framework="numpy")


def session(names=("logits", "total"), batch="batch"):
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node("Tanh", ["product"], ["squashed"]),
        helper.make_node("Add", ["squashed", "bias"], [names[0]]),
        helper.make_node("ReduceSum", [names[0], "axes"], [names[1]], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 4])],
        [
            # The order of the outputs is not that of the original model.
            helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [batch, 1]),
            helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [batch, 3]),
        ],
        [
            numpy_helper.from_array(WEIGHT.astype(np.float32), "weight"),
            numpy_helper.from_array(BIAS.astype(np.float32), "bias"),
            numpy_helper.from_array(np.array([1], np.int64), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def several(x):
    """Two outputs, as a function of tensors."""
    return x * x, x.sum(1)


def test_functions_of_tensors_with_several_outputs(torch_kit):
    # Such a function gives one output at a time: the chosen one is compared.
    asked = {"framework": "torch", "framework_b": "numpy", "methods": "occlusion"}
    report = explain.check_migration(several, lambda x: (x.sum(1), x * x), X, output=0, output_b=1, **asked)
    assert report.passed, report
    report = explain.check_migration(several, lambda x: {"a": x * x, "b": x}, X, output=0, **asked)
    assert report.passed, report
    assert not explain.check_migration(several, lambda x: {"a": x, "b": x * x}, X, output=0, **asked).passed
    with pytest.raises(ScoreError, match=r"returns 2 outputs.*the position of one"):
        explain.check_migration(several, lambda x: (x * x, x.sum(1)), X, **asked)


def both(x):
    return {"logits": scores(x), "total": scores(x).sum(axis=1, keepdims=True)}


def test_outputs_of_the_same_names():
    report = explain.check_migration(both, session(), X, framework="numpy", methods="occlusion")
    assert report.passed, report
    assert set(rows(report, "outputs")) == {"logits", "total"}
    assert rows(report, "attributions")["occlusion"].error < 1e-5


@pytest.mark.parametrize("batch", ["batch", 5])
def test_an_output_under_another_name(batch):
    asked = {"framework": "numpy", "methods": "occlusion"}
    other = session(("scores", "sum"), batch)
    assert not explain.check_migration(both, other, X, **asked).passed
    for output, output_b in (("logits", "scores"), (0, 1), ("total", 0)):
        report = explain.check_migration(both, other, X, output=output, output_b=output_b, **asked)
        assert report.passed, report
        assert len(report.of_stage("outputs")) == 1
        assert rows(report, "attributions")["occlusion"].error < 1e-5


def test_outputs_that_do_not_exist():
    asked = {"framework": "numpy", "framework_b": "numpy", "methods": "occlusion"}
    with pytest.raises(OptionError, match=r"output_b='logits' is given without output"):
        explain.check_migration(scores, both, X, output_b="logits", **asked)
    with pytest.raises(ScoreError, match=r"output_b='classes' is no output.*'logits', 'total'"):
        explain.check_migration(scores, both, X, output=0, output_b="classes", **asked)
    with pytest.raises(ScoreError, match=r"output=1 is no output of the model, which has 1: give 0"):
        explain.check_migration(scores, both, X, output=1, output_b=0, **asked)
    assert explain.check_migration(scores, both, X, output=0, output_b="logits", **asked).passed


@pytest.fixture(scope="module")
def keras_model():
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


PICTURES = _generator.uniform(-1, 1, (10, 8, 8, 1)).astype(np.float32)


@pytest.mark.parametrize("package", ["tensorflow", "ai_edge_litert"])
def test_a_tflite_model(keras_model, package):
    report = explain.check_migration(keras_model, interpreter(tflite(keras_model), package), PICTURES)
    assert report.passed, report
    assert rows(report, "attributions")["occlusion"].error < 1e-4
    assert report.model_b == "Interpreter (NumPy)"
    other = type(keras_model).from_config(keras_model.get_config())
    other.set_weights([1.1 * one for one in keras_model.get_weights()])
    assert not explain.check_migration(keras_model, interpreter(tflite(other), package), PICTURES).passed


def test_a_tflite_model_of_a_model_with_its_channels_first(keras_model):
    import torch

    nn = torch.nn
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3), nn.Softmax(1)).eval()
    explain.port(keras_model, net)
    pictures = np.moveaxis(PICTURES, -1, 1)
    report = explain.check_migration(net, interpreter(tflite(keras_model)), pictures, methods="occlusion")
    assert report.passed, report
    assert rows(report, "attributions")["occlusion"].error < 1e-4


def test_a_quantised_tflite_model(keras_model):
    light = interpreter(tflite(keras_model, PICTURES))
    report = explain.check_migration(keras_model, light, PICTURES)
    assert not report.passed
    (outputs,) = report.of_stage("outputs")
    # Steps of 1 / 256 of a probability.
    assert 1e-4 < outputs.error < 0.02
    tolerances = {"outputs": 0.02, "attributions": 0.3}
    assert explain.check_migration(keras_model, light, PICTURES, tolerances=tolerances).passed
    with pytest.raises(InputError, match=r"quantised \(int8"):
        explain.check_migration(keras_model, light, 255 * PICTURES)


def test_the_path_of_a_tflite_file(keras_model, tmp_path):
    import ai_edge_litert.interpreter  # noqa: F401 - a missing package fails here

    path = tmp_path / "light.tflite"
    path.write_bytes(tflite(keras_model))
    report = explain.check_migration(keras_model, str(path), PICTURES, methods="occlusion")
    assert report.passed, report
    assert report.model_b == "light.tflite (NumPy)"


ASKED = {"framework_b": "numpy", "methods": "occlusion"}


def test_a_server(net):
    with server(lambda x: {"predictions": scores(x).tolist()}) as address:
        report = explain.check_migration(net, asking(address), X, **ASKED)
        assert report.passed, report
        assert report.model_b == "ask (NumPy)"
        assert rows(report, "attributions")["occlusion"].error < 1e-5
    with server(lambda x: {"predictions": wrong(x).tolist()}) as address:
        assert not explain.check_migration(net, asking(address), X, **ASKED).passed


def test_a_server_that_answers_late(net):
    with (
        server(lambda x: {"predictions": scores(x).tolist()}, seconds=0.5) as address,
        pytest.raises(ModelCallError, match=r"ask raised (TimeoutError|URLError).*timed out"),
    ):
        explain.check_migration(net, asking(address, timeout=0.1), X, **ASKED)


def test_a_server_that_answers_with_an_error(net):
    with (
        server(lambda x: {"error": "no such model version"}, status=404) as address,
        pytest.raises(ModelCallError, match=r"HTTP Error 404.*no such model version"),
    ):
        explain.check_migration(net, asking(address), X, **ASKED)


def test_a_server_that_answers_something_else(net):
    with (
        server(lambda x: {"outputs": []}) as address,
        pytest.raises(ModelCallError, match=r"ask raised KeyError.*predictions"),
    ):
        explain.check_migration(net, asking(address), X, **ASKED)


@pytest.mark.parametrize(
    ("shaped", "says"),
    [
        (lambda found: found[:1], r"shape \(1, 3\) for a batch of 12: .* one row per example"),
        (lambda found: found.sum(), r"shape \(\) for a batch of 12: .* one row per example"),
    ],
)
def test_a_server_that_answers_in_another_number_of_rows(net, shaped, says):
    with (
        server(lambda x: {"predictions": np.asarray(shaped(scores(x))).tolist()}) as address,
        pytest.raises(InputError, match=says),
    ):
        explain.check_migration(net, asking(address), X, **ASKED)


def test_a_server_that_answers_in_another_shape(net):
    with server(lambda x: {"predictions": scores(x)[:, :2].tolist()}) as address:
        report = explain.check_migration(net, asking(address), X, **ASKED)
    assert not report.passed
    assert "shape (12, 3) in a and (12, 2) in b" in rows(report, "outputs")[""].note


def test_a_server_that_stops_in_the_middle(net):
    asked = []

    def answer(x):
        asked.append(len(x))
        return {"predictions": (scores(x) if len(asked) < 4 else scores(x)[:1]).tolist()}

    with server(answer) as address, pytest.raises(InputError, match=r"shape \(1, 3\) for a batch of"):
        explain.check_migration(net, asking(address), X, **ASKED)
