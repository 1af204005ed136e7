"""TFLite interpreters of TensorFlow and of LiteRT, as models of arrays."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from models.deployed import interpreter, tflite

import explain
from explain.errors import InputError, ModelCallError, OpaqueModelWarning, UnsupportedModelError

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

_generator = np.random.default_rng(0)
PICTURES = _generator.uniform(-1, 1, (6, 8, 8, 1)).astype(np.float32)
PERTURBATION = ("occlusion", "feature_ablation", "shapley_value_sampling", "rise", "kernel_shap", "lime")
GIVEN = {"target": 1, "score": "output"}

package = pytest.mark.parametrize("package", ["tensorflow", "ai_edge_litert"])


@pytest.fixture(scope="module")
def keras_model():
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3)]
    )


@pytest.fixture(scope="module")
def content(keras_model):
    return tflite(keras_model)


@pytest.fixture(scope="module")
def quantised(keras_model):
    return {dtype: tflite(keras_model, PICTURES, dtype) for dtype in ("int8", "uint8")}


@package
@pytest.mark.parametrize("method", PERTURBATION)
def test_maps_are_those_of_the_keras_model(keras_model, content, package, method):
    options = {} if method in ("occlusion", "rise") else {"feature_mask": "grid"}
    model = interpreter(content, package)
    found = explain.attribute(model, PICTURES[:2], method, **GIVEN, **options)
    expected = explain.attribute(keras_model, PICTURES[:2], method, **GIVEN, **options)
    scale = np.abs(expected.values).max()
    np.testing.assert_allclose(found.values, expected.values, atol=1e-5 * scale)
    assert (found.framework, found.model, found.layout) == ("numpy", "Interpreter", "NHWC")


@package
def test_the_interpreter_leaves_as_it_came(content, package):
    model = interpreter(content, package)
    explain.attribute(model, PICTURES[:2], "occlusion", **GIVEN)
    detail = model.get_input_details()[0]
    assert detail["shape"].tolist() == [1, 8, 8, 1]
    model.set_tensor(detail["index"], PICTURES[3:4])
    model.invoke()
    before = model.get_tensor(model.get_output_details()[0]["index"])
    explain.attribute(model, PICTURES[:2], "occlusion", **GIVEN)
    np.testing.assert_array_equal(model.get_tensor(detail["index"]), PICTURES[3:4])
    model.invoke()
    np.testing.assert_array_equal(model.get_tensor(model.get_output_details()[0]["index"]), before)


@package
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_quantised_inputs_and_outputs_are_read_by_their_scale(quantised, package, dtype):
    model = interpreter(quantised[dtype], package)
    found = explain.attribute(model, PICTURES[:3], "occlusion", **GIVEN)

    # The same model run by hand, one picture at a time.
    own = interpreter(quantised[dtype], package)
    own.allocate_tensors()
    (into,), (out,) = own.get_input_details(), own.get_output_details()
    assert into["dtype"] == np.dtype(dtype).type

    def by_hand(x):
        rows = []
        for one in x:
            (scale, zero), whole = into["quantization"], np.iinfo(dtype)
            steps = np.floor(one.astype(np.float64) / scale + 0.5) + zero
            own.set_tensor(into["index"], np.clip(steps, whole.min, whole.max).astype(dtype)[np.newaxis])
            own.invoke()
            scale, zero = out["quantization"]
            rows.append((own.get_tensor(out["index"])[0].astype(np.float64) - zero) * scale)
        return np.array(rows)

    expected = explain.attribute(by_hand, PICTURES[:3], "occlusion", framework="numpy", **GIVEN)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-5 * np.abs(expected.values).max())
    np.testing.assert_allclose(found.scores, by_hand(PICTURES[:3])[:, 1], rtol=1e-5)


@pytest.mark.parametrize("x", [255 * PICTURES, (127 * PICTURES).astype(np.int8)], ids=["scaled", "int8"])
def test_numbers_in_other_units_are_refused(quantised, x):
    with pytest.raises(InputError, match=r"quantised \(int8, scale .* holds -.* give real numbers"):
        explain.attribute(interpreter(quantised["int8"]), x, "occlusion", **GIVEN)


def test_outputs_and_inputs_have_the_names_of_the_model():
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(1)
    later, sooner = keras.Input((3,), name="later"), keras.Input((3,), name="sooner")
    # The order of the tensors in the file is that of the layers' names, which differs.
    both = layers.Concatenate()([later, 2 * sooner])
    heads = [layers.Dense(4, name="zz")(both), layers.Dense(2, name="aa")(both)]
    listed, named = (
        keras.Model([later, sooner], heads),
        keras.Model([later, sooner], {"wide": heads[0], "narrow": heads[1]}),
    )
    a, b = _generator.normal(size=(2, 5, 3)).astype(np.float32)
    for model, outputs in ((listed, (0, 1)), (named, ("wide", "narrow"))):
        light = interpreter(tflite(model))
        for output in outputs:
            found = explain.attribute(
                light, {"sooner": b, "later": a}, "feature_ablation", output=output, **GIVEN
            )
            expected = explain.attribute(model, [a, b], "feature_ablation", output=output, **GIVEN)
            np.testing.assert_allclose(found["later"].values, expected[0].values, atol=1e-5)
            np.testing.assert_allclose(found["sooner"].values, expected[1].values, atol=1e-5)
    with pytest.raises(InputError, match=r"by position.*'later', 'sooner'"):
        explain.attribute(light, (a, b), "feature_ablation", output=0, **GIVEN)
    with pytest.raises(InputError, match=r"'earlier', but the TFLite model has the inputs.*'later'"):
        explain.attribute(light, {"earlier": a, "later": b}, "feature_ablation", output=0, **GIVEN)


def test_a_fixed_batch_and_a_state_between_calls():
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((5, 3)), layers.LSTM(4), layers.Dense(2)])
    fixed = keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), layers.LSTM(4), layers.Dense(2)])
    fixed.set_weights(model.get_weights())
    light = interpreter(tflite(fixed))
    assert light.get_input_details()[0]["shape_signature"].tolist() == [2, 5, 3]
    x = _generator.normal(size=(5, 5, 3)).astype(np.float32)
    found = explain.attribute(light, x, "occlusion", **GIVEN)
    expected = explain.attribute(model, x, "occlusion", **GIVEN)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-5)


def test_whole_numbers_into_an_interpreter():
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((4,), dtype="int32"), layers.Embedding(9, 3), layers.Flatten(), layers.Dense(2)]
    )
    light = interpreter(tflite(model))
    ids = _generator.integers(1, 9, (3, 4))
    found = explain.attribute(light, ids, "feature_ablation", **GIVEN)
    for row, column in np.ndindex(ids.shape):
        other = ids.copy()
        other[row, column] = 0
        lost = model(ids).numpy()[row, 1] - model(other).numpy()[row, 1]
        np.testing.assert_allclose(found.values[row, column], lost, atol=1e-5)
    with pytest.raises(InputError, match=r"takes int32, but gets float32.*feature_ablation"):
        explain.attribute(light, ids.astype(np.float32), "feature_ablation", **GIVEN)


def test_the_path_of_a_file(keras_model, content, tmp_path, monkeypatch):
    path = tmp_path / "model.tflite"
    with pytest.raises(FileNotFoundError, match=r"model\.tflite"):
        explain.attribute(path, PICTURES, "occlusion", **GIVEN)
    path.write_bytes(content)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
        with pytest.raises(UnsupportedModelError, match=r"ai-edge-litert.*tf\.lite\.Interpreter"):
            explain.attribute(path, PICTURES, "occlusion", **GIVEN)
    import ai_edge_litert.interpreter  # noqa: F401 - a missing package fails here

    expected = explain.attribute(keras_model, PICTURES[:2], "occlusion", **GIVEN)
    for given in (path, str(path), Path(path)):
        found = explain.attribute(given, PICTURES[:2], "occlusion", **GIVEN)
        np.testing.assert_allclose(found.values, expected.values, atol=1e-5)
        assert found.model == "model.tflite"


def test_what_an_interpreter_says_is_shown(content):
    with pytest.raises(ModelCallError, match="Dimension mismatch"):
        explain.attribute(interpreter(content), PICTURES[:, :6], "occlusion", **GIVEN)
    with pytest.raises(UnsupportedModelError, match=r"needs gradients.*'occlusion'"):
        explain.attribute(interpreter(content), PICTURES, "saliency", **GIVEN)
    with pytest.warns(OpaqueModelWarning, match="score='output'"):
        explain.attribute(interpreter(content), PICTURES, "occlusion", target=1)
