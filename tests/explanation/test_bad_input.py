"""Bad input: each with an error of its own class that says what to do, and no heatmap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import explain
from explain.algorithms import catalogue
from explain.algorithms.method import Catalogue
from explain.errors import (
    BaselineError,
    EngineError,
    ExplainError,
    GradientError,
    InputError,
    LayoutError,
    MethodError,
    ModelCallError,
    ModelNotBuiltError,
    OptionError,
    ScoreError,
    TargetError,
    UnsupportedInputError,
    UnsupportedModelError,
)

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")


def refused(error, standard, says, *arguments, call=explain.attribute, **options):
    """Call, and see that it raises exactly this class, which is also the standard one, with these words."""
    with pytest.raises(standard) as caught:
        call(*arguments, **options)
    assert type(caught.value) is error
    assert isinstance(caught.value, ExplainError)
    message = str(caught.value)
    for word in says:
        assert word in message, message


def picture(kit, dtype=np.float32):
    return np.random.default_rng(0).normal(size=(2, *kit.picture_shape(1, 8, 8))).astype(dtype)


@pytest.mark.parametrize("method", ["saliency", "ig"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_or_infinity_in_x(kit, method, value):
    x = picture(kit)
    x[1, 0, 3, 0] = value
    refused(InputError, ValueError, ["x has 1 value", "NaN", "(1, 0, 3, 0)"], kit.cnn(), x, method)


def test_wrong_rank(kit):
    model, x = kit.cnn(), picture(kit)
    refused(InputError, ValueError, ["batch axis", "x[None]"], model, x[0])
    refused(
        InputError, ValueError, ["shape (8,)" if kit.name == "torch" else "shape (1,)"], model, x[0, 0, 0]
    )
    refused(LayoutError, ValueError, ["6 axes", "layout="], model, x[None, None])
    refused(LayoutError, ValueError, ["layout='NCHW'", "4 axes"], model, x[0], layout="NCHW")


def test_a_method_for_other_kinds_of_input(kit, monkeypatch):
    row = replace(catalogue.find_method("saliency"), kinds=("image", "volume"))
    monkeypatch.setattr(catalogue, "_ROWS", Catalogue([row]))
    model = kit.dense([(np.ones((3, 2)), np.zeros(2))])
    x = np.ones((2, 3), np.float32)
    refused(
        UnsupportedInputError,
        ValueError,
        ["'saliency' is for images and volumes", "layout='NC'", "is a table", "layout="],
        model,
        x,
        "saliency",
    )
    assert explain.attribute(kit.cnn(), picture(kit), "saliency", target=0).values.any()


def test_wrong_channel_order(kit):
    channels = 3
    model = kit.cnn(channels=channels, side=(8, 10))
    right = np.zeros((2, *kit.picture_shape(channels, 8, 10)), np.float32)
    wrong = np.moveaxis(right, 1, -1) if kit.name == "torch" else np.moveaxis(right, -1, 1)
    order = "channels first, (N, C, H, W)" if kit.name == "torch" else "channels last, (N, 8, 10, 3)"
    refused(LayoutError, ValueError, [order, "np.moveaxis"], model, wrong)


def test_wrong_number_of_channels(kit):
    model = kit.cnn(channels=3)
    x = np.zeros((2, *kit.picture_shape(5, 8, 8)), np.float32)
    error = LayoutError if kit.name == "torch" else InputError
    refused(error, ValueError, ["x has shape"], model, x)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
def test_integers_into_a_float_model(kit, dtype):
    x = picture(kit).astype(dtype)
    refused(InputError, ValueError, [f"dtype {np.dtype(dtype)}", "/ 255"], kit.cnn(), x)
    refused(InputError, ValueError, [f"dtype {np.dtype(dtype)}"], kit.cnn(), kit.tensor(x))


def test_what_is_no_array(kit):
    model = kit.cnn()
    refused(InputError, ValueError, ["x is a list of 1 value", "np.array(x, 'float32')"], model, [[1.0, 2.0]])
    refused(InputError, ValueError, ["x is None", "NumPy array"], model, None)
    refused(InputError, ValueError, ["dtype complex64"], model, picture(kit).astype(np.complex64))
    refused(InputError, ValueError, ["dtype object"], model, np.full((2, *kit.picture_shape(1, 8, 8)), None))


def test_empty_batch(kit):
    x = np.zeros((0, *kit.picture_shape(1, 8, 8)), np.float32)
    refused(InputError, ValueError, ["x has shape (0,", "no example"], kit.cnn(), x)


def test_unknown_method(kit):
    x = picture(kit)
    refused(MethodError, ValueError, ["'salency'", "Did you mean 'saliency'"], kit.cnn(), x, "salency")
    refused(MethodError, ValueError, ["explain.methods() lists"], kit.cnn(), x, "zzz")
    refused(MethodError, ValueError, ["method=None"], kit.cnn(), x, None)


def test_unknown_option(kit):
    x = picture(kit)
    words = ["'steps'", "n_steps", "rule", "Did you mean 'n_steps'"]
    refused(OptionError, ValueError, words, kit.cnn(), x, "ig", steps=3)
    refused(OptionError, ValueError, ["'tragets'", "Did you mean"], kit.cnn(), x, "ig", tragets=3)


def test_option_of_another_method(kit):
    x = picture(kit)
    words = ["'n_steps' is not an option of saliency", "integrated_gradients"]
    refused(OptionError, ValueError, words, kit.cnn(), x, "saliency", n_steps=3)
    words = ["'learning_rate'", "belongs to activation_maximization"]
    refused(OptionError, ValueError, words, kit.cnn(), x, "ig", learning_rate=0.1)
    words = ["baseline is not used by saliency"]
    refused(OptionError, ValueError, words, kit.cnn(), x, "saliency", baseline="zeros")


@pytest.mark.parametrize("value", [0, -3, 2.5, "many", True, None])
def test_steps_and_batch_sizes_that_are_none(kit, value):
    x = picture(kit)
    refused(OptionError, ValueError, [f"n_steps={value!r}", "at least 1"], kit.cnn(), x, "ig", n_steps=value)
    if value is not None:
        words = [f"batch_size={value!r}", "at least 1"]
        refused(OptionError, ValueError, words, kit.cnn(), x, "ig", batch_size=value)


def test_rule_without_enough_steps(kit):
    refused(
        OptionError, ValueError, ["at least 2"], kit.cnn(), picture(kit), "ig", rule="trapezoid", n_steps=1
    )
    words = ["rule='simpson'", "'midpoint'"]
    refused(OptionError, ValueError, words, kit.cnn(), picture(kit), "ig", rule="simpson")


def test_target_out_of_range_or_of_another_length(kit):
    x = picture(kit)
    refused(TargetError, ValueError, ["target=3", "from 0 to 2"], kit.cnn(), x, target=3)
    refused(TargetError, ValueError, ["3 entries", "batch of 2"], kit.cnn(), x, target=[0, 1, 2])


def test_baselines_that_do_not_fit(kit):
    x, model = picture(kit), kit.cnn()
    words = ["baseline has shape (5,)", "broadcast"]
    refused(BaselineError, ValueError, words, model, x, "ig", baseline=np.zeros(5))
    refused(BaselineError, ValueError, ["'median'", "'blur'"], model, x, "ig", baseline="median")
    refused(BaselineError, ValueError, ["NaN"], model, x, "ig", baseline=np.nan)
    refused(BaselineError, ValueError, ["type dict"], model, x, "ig", baseline={})
    refused(BaselineError, ValueError, ["bounds="], model, x, "ig", baseline="uniform")
    refused(BaselineError, ValueError, ["(3,"], model, x, "ig", baseline=np.zeros((3, *x.shape[1:])))


def test_no_gradient_to_the_input(kit):
    x = np.ones((2, 4), np.float32)
    for call in (lambda x: kit.sum(kit.detached(x), 1), lambda x: kit.argmax(x)):
        for method in ("saliency", "ig"):
            words = ["no gradient to its input", "argmax"]
            refused(GradientError, RuntimeError, words, kit.function(call), x, method)


def test_model_that_gives_nan(kit):
    x = np.array([[1.0, 2.0], [-1.0, 2.0]], np.float32)
    root = kit.function(lambda x: kit.sum(x**0.5, 1))
    refused(ModelCallError, RuntimeError, ["NaN", "[1]"], root, x)


def test_gradient_that_is_infinite(kit):
    # A square root at zero has a value but no gradient.
    x = np.array([[1.0, 2.0], [0.0, 2.0]], np.float32)
    root = kit.function(lambda x: kit.sum(x**0.5, 1))
    refused(GradientError, RuntimeError, ["[1]", "float64"], root, x, "saliency")


def test_model_that_raises(kit):
    def call(x):
        raise ZeroDivisionError("something of its own")

    x = np.ones((2, 4), np.float32)
    words = ["ZeroDivisionError", "something of its own", "(2, 4)"]
    refused(ModelCallError, RuntimeError, words, kit.function(call), x)


def test_output_without_one_row_an_example(kit):
    model = kit.function(lambda x: kit.sum(x))
    refused(InputError, ValueError, ["one row per example"], model, np.ones((2, 4), np.float32))


def test_layouts_that_are_none(kit):
    x = picture(kit)
    for layout in ("NCHQ", "CHW", "NNHW", ""):
        refused(LayoutError, ValueError, [f"layout={layout!r}"], kit.cnn(), x, layout=layout)
    refused(OptionError, ValueError, ["layout=4"], kit.cnn(), x, layout=4)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"bounds": (1, 0)}, OptionError, "bounds=(1, 0)"),
        ({"bounds": 3}, OptionError, "bounds=3"),
        ({"bounds": (0, float("inf"))}, OptionError, "bounds=(0, inf)"),
        ({"batch_size": np.array([1, 2])}, OptionError, "batch_size="),
        ({"seed": np.array([1, 2])}, OptionError, "seed="),
        ({"seed": -1}, OptionError, "seed=-1"),
        ({"seed": 0.5}, OptionError, "seed=0.5"),
        ({"display": {"average": 1}}, OptionError, "display="),
        ({"score": "softmax"}, ScoreError, "score='softmax'"),
        ({"framework": "mxnet"}, UnsupportedModelError, "framework='mxnet'"),
        ({"engine": "zennit"}, EngineError, "engine='zennit'"),
        ({"lengths": [1, 2]}, InputError, "lengths"),
    ],
)
def test_common_options_out_of_range(torch_kit, options, error, says):
    with pytest.raises(error) as caught:
        explain.attribute(torch_kit.cnn(), picture(torch_kit), **options)
    assert type(caught.value) is error
    assert says in str(caught.value)


def test_lengths_of_sequences_that_do_not_fit(kit):
    model = kit.function(lambda x: kit.sum(kit.sum(x, 2), 1))
    x = np.ones((2, 5, 3), np.float32)
    for lengths, words in (
        ([1, 2, 3], ["lengths has shape (3,)", "(2,)"]),
        ([0, 2], ["from 1 to 5"]),
        ([6, 2], ["from 1 to 5"]),
        ([1.5, 2.0], ["float64"]),
    ):
        refused(InputError, ValueError, words, model, x, lengths=lengths)


def test_engine_of_the_other_framework(kit):
    other = "tf-explain" if kit.name == "torch" else "captum"
    refused(EngineError, RuntimeError, [repr(kit.engine), repr(other)], kit.cnn(), picture(kit), engine=other)


def test_the_path_of_a_model_is_to_be_loaded():
    words = ["explain.load_model('model.pt')"]
    refused(UnsupportedModelError, TypeError, words, "model.pt", np.zeros((1, 2), np.float32))


@pytest.mark.parametrize("thing", [3, None, [1, 2], object()])
def test_things_that_are_no_model(thing):
    words = ["torch.nn.Module", "keras.Model", type(thing).__name__]
    refused(UnsupportedModelError, TypeError, words, thing, np.zeros((1, 2), np.float32))


def test_function_without_a_framework():
    words = ["framework="]
    refused(UnsupportedModelError, TypeError, words, lambda x: x, np.zeros((1, 2), np.float32))


def test_model_classes_and_tensors_are_no_models(kit):
    tensor = kit.tensor(np.zeros((1, 2), np.float32))
    words = ["of shape (1, 2)", "the model comes first"]
    refused(UnsupportedModelError, TypeError, words, tensor, np.zeros((1, 2), np.float32))
    words = ["is the class dict, not a model"]
    refused(UnsupportedModelError, TypeError, words, dict, np.zeros((1, 2), np.float32))


def test_unbuilt_keras_model(tensorflow_kit):
    keras = tensorflow_kit.keras
    x = np.zeros((1, 4), np.float32)
    for model in (keras.Sequential([keras.layers.Dense(2)]),):
        refused(ModelNotBuiltError, ValueError, ["model.build(", model.name], model, x)

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = keras.layers.Dense(2)

        def call(self, x):
            return self.layer(x)

    refused(ModelNotBuiltError, ValueError, ["not built"], Own(), x)


def test_lazy_torch_model(torch_kit):
    model = torch_kit.torch.nn.LazyLinear(3)
    refused(ModelNotBuiltError, ValueError, ["Lazy"], model, np.zeros((1, 4), np.float32))


def test_maximize_says_what_is_missing(kit):
    model = kit.function(lambda x: kit.sum(x, 1))
    refused(OptionError, ValueError, ["bounds"], model, call=explain.maximize, shape=(4,))
    refused(InputError, ValueError, ["shape", "like=x"], model, call=explain.maximize, bounds=(0, 1))
    refused(TargetError, ValueError, ["empty"], model, [], call=explain.maximize, shape=(4,), bounds=(0, 1))
