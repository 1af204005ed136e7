"""ONNX Runtime sessions."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import explain
from explain.backends.discovery import extension_for
from explain.errors import InputError, ModelCallError, OpaqueModelWarning, ScoreError, UnsupportedModelError

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(4, 3))
X = RNG.normal(size=(5, 4))
KINDS = {np.float16: TensorProto.FLOAT16, np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE}


def session(dtype=np.float32, batch="batch", shape=(4,), second=False):
    """``tanh(x @ WEIGHT)`` and its sum, of inputs that may have to be flattened, perhaps times a second input."""
    element = KINDS[dtype]
    weight = WEIGHT if len(shape) == 1 else np.ones((int(np.prod(shape)), 3)) * [1, 2, 3]
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["product"]),
        helper.make_node("Mul", ["product", "scale"], ["scaled"])
        if second
        else helper.make_node("Identity", ["product"], ["scaled"]),
        helper.make_node("Tanh", ["scaled"], ["logits"]),
        helper.make_node("ReduceSum", ["logits", "axes"], ["total"], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("x", element, [batch, *shape])]
    if second:
        inputs.append(helper.make_tensor_value_info("scale", element, [batch, 1]))
    graph = helper.make_graph(
        nodes,
        "net",
        inputs,
        [
            helper.make_tensor_value_info("logits", element, [batch, 3]),
            helper.make_tensor_value_info("total", element, [batch]),
        ],
        [
            numpy_helper.from_array(weight.astype(dtype), "weight"),
            numpy_helper.from_array(np.array([1], np.int64), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def by_hand(x):
    return np.tanh(x @ WEIGHT)


def expected(x=X, target=1):
    return explain.attribute(
        by_hand, x, "kernel_shap", framework="numpy", score="output", target=target
    ).values


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", KINDS, ids=lambda dtype: dtype.__name__)
def test_a_session_is_explained_in_its_own_precision(dtype):
    model = session(dtype)
    a = explain.attribute(model, X, "kernel_shap", target=1, score="output", output="logits")
    assert (a.framework, a.model, a.score) == ("numpy", "InferenceSession", "output")
    np.testing.assert_allclose(a.values, expected(), atol=5e-3 if dtype is np.float16 else 1e-5)
    total = explain.attribute(model, X, "kernel_shap", score="output", output=1)
    np.testing.assert_allclose(total.scores, by_hand(X).sum(axis=1), atol=5e-3)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_fixed_batch(rows):
    model = session(batch=2)
    for method in ("kernel_shap", "lime"):
        keywords = {"target": 1, "score": "output", "output": "logits"}
        found = explain.attribute(model, X[:rows], method, **keywords).values
        free = explain.attribute(session(), X[:rows], method, **keywords).values
        np.testing.assert_allclose(found, free, rtol=1e-5, atol=1e-6)


def test_pictures_have_their_channels_first():
    model = session(shape=(2, 4, 4))
    pictures = 0.001 * RNG.normal(size=(2, 2, 4, 4)).astype(np.float32)
    a = explain.attribute(
        model,
        pictures,
        "kernel_shap",
        target=1,
        score="output",
        output=0,
        feature_mask="elements",
        n_samples=300,
    )
    assert a.layout == "NCHW"
    # Nearly linear so near to zero.
    np.testing.assert_allclose(a.values, 2 * pictures, atol=0.02 * abs(pictures).max())


def test_other_inputs_are_keyword_arguments():
    model, scale = session(second=True), np.linspace(0.5, 1.5, 5, dtype=np.float32)[:, np.newaxis]
    a = explain.attribute(
        model, X, "kernel_shap", target=1, score="output", output="logits", forward_kwargs={"scale": scale}
    )
    want = [
        explain.attribute(
            lambda x, one=one: np.tanh(x @ WEIGHT * one),
            row[np.newaxis],
            "kernel_shap",
            framework="numpy",
            score="output",
            target=1,
        ).values[0]
        for row, one in zip(X, scale, strict=True)
    ]
    np.testing.assert_allclose(a.values, want, atol=1e-5)
    with pytest.raises(ModelCallError, match="scale"):
        explain.attribute(model, X, "kernel_shap", target=1, score="output", output="logits")


def test_what_a_session_states():
    extension = extension_for(session())
    assert extension.name == "numpy"
    assert extension.stated_input_shape(session(shape=(2, 4, 4))) == (2, 4, 4)
    assert extension.stated_input_shape(session(shape=("width",))) == (None,)
    assert extension.stated_input_shape(by_hand) is None


def test_what_is_refused():
    with pytest.raises(ScoreError, match=r"returns 2 outputs.*give one of \['logits', 'total'\]"):
        explain.attribute(session(), X, "kernel_shap", target=1, score="output")
    with pytest.raises(ModelCallError, match="InferenceSession raised"):
        explain.attribute(session(), X[:, :2], "kernel_shap", target=1, score="output", output=0)
    with pytest.raises(UnsupportedModelError, match=r"needs path_gradients.*'kernel_shap'"):
        explain.attribute(session(), X, output=0)
    with pytest.warns(OpaqueModelWarning):
        explain.attribute(session(), X, "kernel_shap", target=1, output=0)


def of_tokens(element):
    """The squares of whole numbers, as floats."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["tokens"], ["y"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["y", "y"], ["z"]),
        ],
        "net",
        [helper.make_tensor_value_info("tokens", element, ["batch", 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
def test_whole_numbers_as_input(dtype):
    tokens = of_tokens(getattr(TensorProto, dtype.upper()))
    x = RNG.integers(0, 9, (2, 4)).astype(dtype)
    a = explain.attribute(tokens, x, "feature_ablation", target=1, score="output")
    expected = np.where(np.arange(4) == 1, x.astype(np.float32) ** 2, 0)
    np.testing.assert_array_equal(a.values, expected)
    with pytest.raises(InputError, match=rf"takes {dtype}, but gets float"):
        explain.attribute(tokens, X, "feature_ablation", target=1, score="output")


def test_texts_as_input_are_refused():
    with pytest.raises(UnsupportedModelError, match=r"takes tensor\(string\) as its first input 'tokens'"):
        explain.attribute(of_tokens(TensorProto.STRING), X, "kernel_shap")
