"""The contract of a backend, run against both frameworks and against a toy in pure NumPy."""

from __future__ import annotations

import keras
import numpy as np
import onnxruntime
import torch
from models import numpy_backend
from models.recurrent import LastStep
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from torch import nn

import explain
from explain.numpy_ext.extension import extension as functions_extension
from explain.running import BackendContract, ContractModel
from explain.tf_ext.extension import extension as tensorflow_extension
from explain.torch_ext.extension import extension as torch_extension


def _x(*shape):
    return np.random.default_rng(1).normal(size=shape)


class TestTorch(BackendContract):
    extension = torch_extension

    def models(self):
        torch.manual_seed(0)
        picture = nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 4)
        )
        table = nn.Sequential(nn.Linear(5, 7), nn.Sigmoid(), nn.Linear(7, 2))
        return [
            ContractModel("picture", picture.double(), _x(4, 2, 6, 6), "NCHW"),
            ContractModel("table", table.double(), _x(3, 5), "NC"),
            ContractModel(
                "sequence", LastStep(nn.GRU(3, 5, batch_first=True), 5, 3).double(), _x(3, 4, 3), "NTC"
            ),
        ]


class TestTensorFlow(BackendContract):
    extension = tensorflow_extension

    def models(self):
        keras.utils.set_random_seed(0)
        layers = keras.layers
        kinds = {"dtype": "float64"}
        picture = [layers.Conv2D(3, 3, activation="tanh", **kinds), layers.AveragePooling2D(2, **kinds)]
        picture += [layers.Flatten(**kinds), layers.Dense(4, **kinds)]
        table = [layers.Dense(7, activation="sigmoid", **kinds), layers.Dense(2, **kinds)]
        sequence = [layers.GRU(5, **kinds), layers.Dense(3, **kinds)]
        return [
            ContractModel(
                "picture",
                keras.Sequential([keras.Input((6, 6, 2), **kinds), *picture]),
                _x(4, 6, 6, 2),
                "NHWC",
            ),
            ContractModel("table", keras.Sequential([keras.Input((5,), **kinds), *table]), _x(3, 5), "NC"),
            ContractModel(
                "sequence", keras.Sequential([keras.Input((4, 3), **kinds), *sequence]), _x(3, 4, 3), "NTC"
            ),
            ContractModel(
                "fixed batch size",
                keras.Sequential([keras.Input(batch_shape=(2, 5), **kinds), *[layers.Dense(2, **kinds)]]),
                _x(3, 5),
                "NC",
            ),
        ]


def _session():
    """``tanh(x @ weight)`` in double precision, two examples at a time."""
    weight = np.random.default_rng(0).normal(size=(5, 3))
    kind = TensorProto.DOUBLE
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["z"]), helper.make_node("Tanh", ["z"], ["y"])],
        "network",
        [helper.make_tensor_value_info("x", kind, [2, 5])],
        [helper.make_tensor_value_info("y", kind, [2, 3])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


class TestFunctions(BackendContract):
    """Of what computes with arrays there are outputs and scores alone."""

    extension = functions_extension

    def models(self):
        classifier = LogisticRegression().fit(_x(30, 5), np.arange(30) % 3)
        return [
            ContractModel("classifier", classifier, _x(4, 5), "NC"),
            ContractModel("decision function", classifier.decision_function, _x(4, 5), "NC"),
            ContractModel("session", _session(), _x(2, 5), "NC"),
        ]


class TestNumpy(BackendContract):
    extension = numpy_backend.extension

    def models(self):
        generator = np.random.default_rng(0)
        network = numpy_backend.DenseReluNetwork(
            generator.normal(size=(4, 6)), generator.normal(size=6), generator.normal(size=(6, 3))
        )
        return [ContractModel("dense", network, _x(3, 4), "NC")]


def test_a_toy_backend_runs_every_method_it_has_the_primitives_for(monkeypatch):
    for step in ("checked_request", "maximization_start"):
        monkeypatch.setattr(
            f"explain.explanation.{step}.extension_for", lambda model, framework: numpy_backend.extension
        )
    (given,) = TestNumpy().models()
    # A single hidden layer of ReLUs is piecewise linear along a path: integrate it exactly, piece by piece.
    network, x = given.model, given.x
    a = explain.attribute(network, x, "ig", target=1, score="output", rule="midpoint", n_steps=4000)
    slopes = x @ network.hidden
    crossing = np.clip(np.where(slopes == 0, 1, -network.offset / np.where(slopes == 0, 1, slopes)), 0, 1)
    open_share = np.where(slopes > 0, 1 - crossing, np.where(network.offset > 0, crossing, 0))
    open_share = np.where((slopes > 0) & (network.offset > 0), 1, open_share)
    expected = x * ((open_share * network.readout[:, 1]) @ network.hidden.T)
    # Four thousand midpoints place each crossing to within 1/8000 of the path.
    np.testing.assert_allclose(a.values, expected, atol=2e-3)
    # So does their sum, beside a difference of scores of about one.
    assert (a.relative_delta < 2e-3).all()
    s = explain.attribute(network, x, "saliency", target=1, score="output")
    m = explain.maximize(network, target=1, score="output", bounds=(-1, 1))
    assert s.values.shape == x.shape
    assert (m.history[-1] >= m.history[0]).all()
