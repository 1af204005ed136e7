"""Functions of arrays, estimators and sessions; files of models."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from advice.advice import Advice
from advice.models import IDS, TABLE, TENSORFLOW, TORCH, WEIGHT, perceptron
from models.deployed import interpreter, tflite

import explain
from explain.backends.discovery import extension_for
from explain.errors import (
    EngineError,
    InputError,
    ModelCallError,
    ModelFileError,
    ProbabilityScoreWarning,
    ScoreError,
    SeveralOutputsError,
    TargetError,
    UnsupportedModelError,
)


def of_other_shapes() -> Any:
    """As an endpoint that gives fewer classes when it is busy."""
    left = [3, 3, 3]
    return lambda x: scores(x)[:, : left.pop() if left else 2]


def unanswered(x: Any) -> Any:
    """As an endpoint that is too late."""
    raise TimeoutError("timed out")


def ablated(function: Any, x: Any = TABLE, **arguments: Any) -> Any:
    return explain.attribute(
        function,
        x,
        "feature_ablation",
        **{"framework": "numpy", "target": 0, "score": "output", **arguments},
    )


def light(keras_model: Any, examples: Any = None) -> Any:
    """A TFLite interpreter of a Keras model."""
    return interpreter(tflite(keras_model, examples))


def of_two(kit: Any) -> Any:
    """A Keras model of the inputs ``a`` and ``b``, as a TFLite interpreter."""
    a, b = kit.keras.Input((4,), name="a"), kit.keras.Input((4,), name="b")
    return light(kit.keras.Model([a, b], kit.keras.layers.Dense(2)(a * a + b)))


def of_words(kit: Any, which: str) -> Any:
    """A TFLite interpreter whose input has no batch axis, or one of a batch."""
    shape = () if which == "number" else (None, 4)
    spec = kit.tf.TensorSpec(shape, kit.tf.float32)
    function = kit.tf.function(lambda x: x * kit.tf.constant([[1.0, 2.0, 3.0, 4.0]]), input_signature=[spec])
    converter = kit.tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    return interpreter(converter.convert())


def file_of(keras_model: Any) -> str:
    """The path of a TFLite file."""
    path = Path(tempfile.mkdtemp()) / "light.tflite"
    path.write_bytes(tflite(keras_model))
    return str(path)


def without_litert(call: Any) -> Any:
    with mock.patch.dict(sys.modules, {"ai_edge_litert.interpreter": None}):
        return call()


def scores(x: Any) -> Any:
    return x @ WEIGHT


def classifier(**options: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**options).fit(np.repeat(TABLE, 3, axis=0), [0, 0, 1, 1, 2, 2])


def margin(**options: Any) -> Any:
    from sklearn.svm import SVC

    return SVC(**options).fit(np.repeat(TABLE, 6, axis=0), np.repeat([0, 1], 6))


def clusters() -> Any:
    from sklearn.decomposition import PCA

    return PCA(2).fit(np.vstack([TABLE, 2 * TABLE[::-1]]))


def session(kind: str = "INT64") -> Any:
    """Casts whole numbers, or numbers as texts, to floating point."""
    import onnxruntime
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Cast", ["tokens"], ["y"], to=TensorProto.FLOAT)],
        "net",
        [helper.make_tensor_value_info("tokens", getattr(TensorProto, kind), ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


ADVICE = [
    Advice(
        " is not available for a ",
        ScoreError,
        lambda kit: explain.attribute(margin(), TABLE, "feature_ablation", target=None, score="probability"),
        lambda kit: explain.attribute(margin(), TABLE, "feature_ablation", target=None, score="output"),
        TORCH,
    ),
    Advice(
        ", gives no scores: it has none of predict_proba, decision_function and, where ",
        UnsupportedModelError,
        lambda kit: explain.attribute(clusters(), TABLE, "feature_ablation"),
        lambda kit: [
            explain.attribute(margin(), TABLE, "feature_ablation", target=None, score="output"),
            ablated(clusters().transform),
        ],
        TORCH,
    ),
    Advice(
        ".predict, gives the names or numbers of classes, which are no scores: give ",
        UnsupportedModelError,
        lambda kit: ablated(classifier().predict),
        lambda kit: [
            ablated(classifier(), framework=None),
            ablated(classifier().predict_proba),
            ablated(classifier().decision_function),
        ],
        TORCH,
    ),
    Advice(
        "model, an ONNX Runtime session, takes ",
        UnsupportedModelError,
        lambda kit: ablated(session("STRING"), IDS.astype("float32"), framework=None),
        lambda kit: ablated(
            lambda x: session("STRING").run(None, {"tokens": x.astype(str).astype(object)})[0],
            IDS.astype("float32"),
        ),
        TORCH,
    ),
    Advice(
        ", which would be cut off: give x as whole ",
        InputError,
        lambda kit: ablated(session(), IDS.astype("float32"), framework=None),
        lambda kit: ablated(session(), IDS, framework=None),
        TORCH,
    ),
    Advice(
        "can be explained. Give a function of an array with ",
        UnsupportedModelError,
        lambda kit: ablated(of_words(kit, "number"), TABLE, framework=None),
        lambda kit: ablated(of_words(kit, "table"), TABLE, framework=None),
        TENSORFLOW,
    ),
    Advice(
        " inputs by position, but a TFLite model keeps no order of its inputs: give ",
        InputError,
        lambda kit: ablated(of_two(kit), (TABLE, TABLE), framework=None),
        lambda kit: ablated(of_two(kit), {"a": TABLE, "b": TABLE}, framework=None),
        TENSORFLOW,
    ),
    Advice(
        ", but the TFLite model has the inputs ",
        InputError,
        lambda kit: ablated(of_two(kit), {"a": TABLE, "c": TABLE}, framework=None),
        lambda kit: ablated(of_two(kit), {"a": TABLE, "b": TABLE}, framework=None),
        TENSORFLOW,
    ),
    Advice(
        "give real numbers in the units of the model before it was quantised, ",
        InputError,
        lambda kit: ablated(light(perceptron(kit), TABLE), 100 * TABLE, framework=None),
        lambda kit: ablated(light(perceptron(kit), TABLE), TABLE, framework=None),
        TENSORFLOW,
    ),
    Advice(
        " is a TFLite model, but the package that reads it, ai-edge-litert, is not installed: install it ",
        UnsupportedModelError,
        lambda kit: without_litert(lambda: ablated(file_of(perceptron(kit)), framework=None)),
        lambda kit: ablated(interpreter(Path(file_of(perceptron(kit))).read_bytes()), framework=None),
        TENSORFLOW,
    ),
    Advice(
        "There is no reference engine for functions of arrays: use engine='explain'.",
        EngineError,
        lambda kit: extension_for(classifier()).run_reference_engine(None),
        lambda kit: ablated(classifier(), framework=None, engine="explain"),
        TORCH,
    ),
    Advice(
        " is not a model file of a framework: load the model yourself, and give it.",
        ModelFileError,
        lambda kit: extension_for(classifier()).load_model(Path("model.pkl")),
        lambda kit: ablated(classifier(), framework=None),
        TORCH,
    ),
    Advice(
        "score='output', and give a function that returns the scores to explain.",
        ScoreError,
        lambda kit: ablated(scores, score="probability"),
        lambda kit: ablated(scores, score="output"),
        TORCH,
    ),
    Advice(
        "Probabilities hardly change where the model is certain. Give a function that returns logits, such as ",
        ProbabilityScoreWarning,
        lambda kit: ablated(classifier(), framework=None, score="logit"),
        lambda kit: [
            ablated(classifier().decision_function, score="logit"),
            ablated(classifier(), framework=None, score="probability"),
        ],
        TORCH,
    ),
    Advice(
        " takes one array, but x holds several inputs: give one array, or a ",
        UnsupportedModelError,
        lambda kit: ablated(classifier(), (TABLE, TABLE), framework=None),
        lambda kit: [
            ablated(classifier(), framework=None),
            *ablated(lambda a, b: scores(a) + scores(b), (TABLE, TABLE)),
        ],
        TORCH,
    ),
    Advice(
        "per example. Does x have a batch axis, and is layout= right?",
        InputError,
        lambda kit: ablated(lambda x: scores(x).sum(0)),
        lambda kit: ablated(lambda x: scores(x)),
        TORCH,
    ),
    Advice(
        "axes that it was trained with, the batch first?",
        ModelCallError,
        lambda kit: ablated(scores, TABLE[:, :3]),
        lambda kit: ablated(scores, TABLE),
        TORCH,
    ),
    Advice(
        "connection or a file: see that what the function asks takes x and answers in time",
        ModelCallError,
        lambda kit: ablated(unanswered),
        lambda kit: ablated(scores),
        TORCH,
    ),
    Advice(
        "whose outputs keep their shape.",
        InputError,
        lambda kit: ablated(of_other_shapes()),
        lambda kit: ablated(scores),
        TORCH,
    ),
    Advice(
        ", which is not numeric: ",
        SeveralOutputsError,
        lambda kit: ablated(lambda x: np.array(["cat", "dog"])),
        lambda kit: [ablated(classifier().predict_proba), ablated(classifier().decision_function)],
        TORCH,
    ),
    Advice(
        "): explain a function that returns an array with one row per ",
        SeveralOutputsError,
        lambda kit: ablated(lambda x: [[1.0], [1.0, 2.0]]),
        lambda kit: [
            ablated(scores),
            ablated(
                lambda x: [[*row, 1.0][: place + 1] for place, row in enumerate(x.tolist())],
                target=lambda found: [sum(row[:1]) for row in found],
            ),
        ],
        TORCH,
    ),
    Advice(
        "it should give one scalar per ",
        TargetError,
        lambda kit: ablated(scores, target=lambda outputs: outputs),
        lambda kit: ablated(scores, target=lambda outputs: outputs[:, 0]),
        TORCH,
    ),
]
