"""Several inputs in both frameworks: ids with an attention mask and numbers beside them, by position and by name."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import torch
from models.several_inputs import (
    MaskedReader,
    PooledPictureAndTable,
    keras_masked_reader,
    keras_pooled_picture_and_table,
)

import explain
from explain.errors import (
    EngineError,
    HeldInputWarning,
    ModelCallError,
    UnsupportedInputError,
    UnsupportedModelError,
    UnusedInputWarning,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::explain.errors.ConvergenceWarning", "ignore::explain.errors.ZeroMapWarning"
)

RNG = np.random.default_rng(0)
IDS = np.array([[3, 5, 2, 7, 0, 0], [1, 1, 4, 6, 8, 9]])
MASK = (IDS != 0).astype(np.int64)
EXTRA = RNG.normal(size=(2, 3))
INPUTS = {"ids": IDS, "mask": MASK, "extra": EXTRA}


@pytest.fixture(scope="module")
def reader():
    return MaskedReader().double().eval()


@pytest.fixture(scope="module")
def twin(reader):
    return keras_masked_reader(reader)


REFERENCES = {"ids": np.array([[0, 2, 4, 6, 8, 1], [5, 5, 5, 3, 3, 3]]), "extra": RNG.normal(size=(2, 3))}
SETTINGS = {
    "expected_gradients": {"baseline": REFERENCES, "n_samples": 6},
    "deep_lift_shap": {"baseline": REFERENCES},
    "integrated_gradients": {"n_steps": 10},
    "guided_integrated_gradients": {"n_steps": 6},
    "blur_integrated_gradients": {"n_steps": 5},
    "smoothgrad": {"n_samples": 4},
    "smoothgrad_squared": {"n_samples": 4},
    "vargrad": {"n_samples": 4},
    "rise": {"n_masks": 12},
    "lime": {"n_samples": 40, "alpha": 0.0001},
    "kernel_shap": {"n_samples": 100},
    "shapley_value_sampling": {"n_samples": 3},
    "activation": {"layer": "dense"},
    "conductance": {"layer": "dense", "n_steps": 4},
}
# For pictures alone, or looking for one input only.
REFUSED = ("xrai", "activation_maximization")


@pytest.mark.parametrize("method", [row.name for row in explain.methods()])
def test_twins_agree_by_every_method(reader, twin, method):
    # Of class 1 the class activation map is zero.
    settings = SETTINGS.get(method, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method in REFUSED:
            for model in (reader, twin):
                with pytest.raises((UnsupportedInputError, UnsupportedModelError)):
                    explain.attribute(model, INPUTS, method, target=0, **settings)
            return
        in_torch, in_keras = (
            explain.attribute(model, INPUTS, method, target=0, **settings) for model in (reader, twin)
        )
        by_ones = explain.attribute(twin, INPUTS, method, target=0, batch_size=1, **settings)
    if "layer" in settings:
        in_torch, in_keras, by_ones = ({"": one} for one in (in_torch, in_keras, by_ones))
    assert list(in_torch) == list(in_keras)
    some = False
    for name, one in in_torch.items():
        assert (one is None) == (in_keras[name] is None)
        if one is not None:
            for other in (in_keras[name], by_ones[name]):
                np.testing.assert_allclose(one.values, other.values, rtol=1e-5, atol=1e-7)
            some = some or bool(one.values.any())
            if method in ("integrated_gradients", "occlusion"):
                assert one.plot().axes
    assert some


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("smoothgrad", {"n_samples": 4}),
        ("vargrad", {"n_samples": 4}),
        ("expected_gradients", {"n_samples": 5}),
        ("guided_ig", {"n_steps": 5}),
        ("kernel_shap", {"n_samples": 60, "feature_mask": ("grid", None)}),
        ("feature_permutation", {"seed": 3}),
        ("shapley_value_sampling", {"n_samples": 2, "feature_mask": ("elements", "elements")}),
        ("rise", {"n_masks": 20}),
        ("occlusion", {}),
    ],
)
def test_pictures_get_the_same_draws_in_both_orders_of_axes(method, options):
    torch.manual_seed(0)
    in_torch = PooledPictureAndTable(torch.tanh, 2).double()
    in_keras = keras_pooled_picture_and_table(in_torch)

    def turned(images):
        return np.moveaxis(images, 1, -1).copy()

    generator = np.random.default_rng(5)
    images, rows = generator.normal(size=(3, 2, 5, 4)), generator.normal(size=(3, 4))
    baselines = [None, None]
    if method == "expected_gradients":
        others = generator.normal(size=(4, 2, 5, 4)), generator.normal(size=(4, 4))
        baselines = [others, (turned(others[0]), others[1])]
    a = explain.attribute(in_torch, (images, rows), method, target=1, baseline=baselines[0], **options)
    b = explain.attribute(
        in_keras, (turned(images), rows), method, target=1, baseline=baselines[1], **options
    )
    np.testing.assert_allclose(turned(a[0].values), b[0].values, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(a[1].values, b[1].values, rtol=1e-5, atol=1e-7)
    assert a[0].values.any()
    assert a[1].values.any()


def test_padding_that_a_mask_hides_has_no_part(reader, twin):
    for model in (reader, twin):
        # What is called a mask, and is one of the tokens, stays fixed without a word.
        with warnings.catch_warnings():
            warnings.simplefilter("error", HeldInputWarning)
            found = explain.attribute(model, INPUTS, "ig", target=1, n_steps=30, baseline={"ids": 3})
        assert not found["ids"].values[0, 4:].any()
        assert found["ids"].values[1].all()
        assert not found["mask"].values.any()
        assert found["ids"].baseline_rule == {"rule": "token", "id": 3}
        held = {name: one for name, one in INPUTS.items() if name != "mask"}
        if model is reader:
            # The same mask as an argument beside the inputs.
            beside = explain.attribute(
                model, held, "ig", target=1, n_steps=30, baseline={"ids": 3}, forward_kwargs={"mask": MASK}
            )
            for name, one in beside.items():
                np.testing.assert_allclose(one.values, found[name].values, rtol=1e-5, atol=1e-7)


def test_a_mask_of_bools_is_held_without_a_word(reader):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = explain.attribute(reader, {**INPUTS, "mask": MASK > 0, "extra": None}, "saliency", target=1)
    assert found["extra"] is None
    assert not found["mask"].values.any()
    assert found["mask"].inputs.tolist() == MASK.tolist()


def test_lengths_hold_padding_of_one_input(reader):
    plain = {"ids": IDS, "extra": EXTRA}
    found = explain.attribute(reader, plain, "smoothgrad", target=1, n_samples=3, lengths={"ids": [4, 6]})
    assert found["ids"].mask.tolist() == (MASK > 0).tolist()
    assert found["extra"].mask is None
    assert not found["ids"].values[0, 4:].any()
    for method in ("feature_ablation", "kernel_shap", "guided_ig"):
        of_list = explain.attribute(reader, plain, method, target=1, lengths=[4, 6])
        assert not of_list["ids"].values[0, 4:].any()
        assert of_list["ids"].values[0, :4].all()


def test_a_token_has_what_ablating_it_costs(reader):
    found = explain.attribute(reader, IDS, "feature_ablation", target=1, baseline=8)
    with torch.no_grad():
        whole = reader(torch.tensor(IDS))[:, 1]
        for place in range(6):
            without = IDS.copy()
            without[:, place] = 8
            lost = whole - reader(torch.tensor(without))[:, 1]
            np.testing.assert_allclose(found.values[:, place], lost.numpy(), rtol=1e-5, atol=1e-7)


def test_keras_takes_lists_dicts_and_calls_of_its_own(twin):
    by_name = explain.attribute(twin, dict(reversed(INPUTS.items())), "saliency", target=1)
    by_place = explain.attribute(twin, list(INPUTS.values()), "saliency", target=1)
    assert isinstance(by_place, list)
    for one, name in zip(by_place, INPUTS, strict=True):
        np.testing.assert_array_equal(one.values, by_name[name].values)

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.left, self.right = keras.layers.Dense(2), keras.layers.Dense(2)

        def call(self, a, b, training=None):
            return self.left(a) + self.right(b) ** 2

    class Bundle(Own):
        def call(self, inputs):
            return super().call(inputs["a"], inputs["b"])

    a, b = RNG.normal(size=(2, 3)).astype("float32"), RNG.normal(size=(2, 4)).astype("float32")
    own, bundle = Own(), Bundle()
    own(a, b)
    bundle({"a": a, "b": b})
    for model, given in ((own, (a, b)), (own, {"a": a, "b": b}), (bundle, {"b": b, "a": a})):
        found = explain.attribute(model, given, "input_x_gradient", target=1)
        left = found["a"] if isinstance(found, dict) else found[0]
        np.testing.assert_allclose(left.values, a * model.left.get_weights()[0][:, 1], rtol=1e-5)


def test_what_keras_refuses_is_told(twin):
    with pytest.raises(ModelCallError, match="2 input"):
        explain.attribute(twin, (IDS, EXTRA), "saliency", target=1)
    with pytest.raises(ModelCallError, match="extra"):
        explain.attribute(twin, {"ids": IDS, "mask": MASK, "extras": EXTRA}, "saliency", target=1)
    with pytest.raises(EngineError, match="x or target is different"):
        explain.attribute(twin, INPUTS, "saliency", target=1, engine="tf-explain")


def test_an_input_that_keras_does_not_use():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model({"a": a, "b": b}, keras.layers.Dense(2)(a) + 0 * keras.ops.stop_gradient(b[:, :2]))
    x = {"a": EXTRA.astype("float32"), "b": EXTRA.astype("float32")}
    for method in ("saliency", "ig", "occlusion"):
        with pytest.warns(UnusedInputWarning, match="The input 'b'"):
            found = explain.attribute(model, x, method, target=1)
        assert found["a"].values.all()
        assert not found["b"].values.any()


def test_a_model_of_a_fixed_batch_keeps_its_states():
    layers = keras.layers
    steps, rest = (
        keras.Input(batch_shape=(2, 4, 3), name="steps"),
        keras.Input(batch_shape=(2, 2), name="rest"),
    )
    recurrent = layers.SimpleRNN(3, stateful=True)
    model = keras.Model([steps, rest], layers.Dense(2)(layers.concatenate([recurrent(steps), rest])))
    x = RNG.normal(size=(3, 4, 3)).astype("float32"), RNG.normal(size=(3, 2)).astype("float32")
    before = recurrent.states[0].numpy()
    for method in ("ig", "smoothgrad", "feature_ablation", "occlusion", "rise"):
        options = {"ig": {"n_steps": 30}, "rise": {"n_masks": 8}, "smoothgrad": {"n_samples": 3}}.get(
            method, {}
        )
        found = explain.attribute(model, x, method, target=1, **options)
        alone = explain.attribute(model, tuple(one[2:] for one in x), method, target=1, **options)
        for one, other in zip(found, alone, strict=True):
            np.testing.assert_allclose(one.values[2:], other.values, rtol=1e-5, atol=1e-6)
        if method == "ig":
            assert (found[0].relative_delta < 1e-4).all()
    np.testing.assert_array_equal(recurrent.states[0].numpy(), before)


def test_a_mask_that_keras_works_out_is_held_for_its_own_input():
    layers = keras.layers
    steps, rest = keras.Input((4, 3), name="steps"), keras.Input((2,), name="rest")
    read = layers.SimpleRNN(3)(layers.Masking()(steps))
    model = keras.Model([steps, rest], layers.Dense(2)(layers.concatenate([read, rest])))
    x = RNG.normal(size=(2, 4, 3)).astype("float32"), RNG.normal(size=(2, 2)).astype("float32")
    x[0][0, 2:] = 0
    found = explain.attribute(model, x, "ig", target=1, n_steps=50)
    assert (found[0].relative_delta < 1e-4).all()
    assert not found[0].values[0, 2:].any()
    assert found[0].values[1].all()
    assert found[0].mask.tolist() == [[True, True, False, False], [True] * 4]


def test_functions_of_tensors_take_several():
    import tensorflow as tf

    a, b = EXTRA, RNG.normal(size=(2, 3))

    def in_keras(a, b, scale=None):
        return tf.tanh(a) * b if scale is None else scale * a * b

    def in_torch(a, b, scale=None):
        return torch.tanh(a) * b if scale is None else scale * a * b

    for function, framework in ((in_torch, "torch"), (in_keras, "tensorflow")):
        for x in ((a, b), {"b": b, "a": a}, {"a": a, "b": b, "scale": None}):
            found = explain.attribute(function, x, "saliency", target=1, framework=framework, score="output")
            one, other = (found["a"], found["b"]) if isinstance(found, dict) else found
            np.testing.assert_allclose(one.values[:, 1], (b / np.cosh(a) ** 2)[:, 1], rtol=1e-5)
            np.testing.assert_allclose(other.values[:, 1], np.tanh(a)[:, 1], rtol=1e-5)


def test_a_rule_goes_through_both_inputs_of_a_recurrent_model():
    layers, kind = keras.layers, {"dtype": "float64"}
    rest, steps = keras.Input((2,), name="rest", **kind), keras.Input((4, 3), name="steps", **kind)
    hidden = layers.Dense(4, activation="relu", **kind)(
        layers.concatenate([layers.SimpleRNN(3, **kind)(steps), rest], **kind)
    )
    model = keras.Model([rest, steps], layers.Dense(2, **kind)(hidden))
    x = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 4, 3))
    found = explain.attribute(model, x, "deep_lift", target=1)
    total = sum(one.values.reshape(3, -1).sum(1) for one in found)
    change = (model(list(x)) - model([0 * one for one in x])).numpy()[:, 1]
    np.testing.assert_allclose(total, change, rtol=1e-5, atol=1e-6)
