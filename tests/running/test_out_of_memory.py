"""Memory that runs out: the chunk is halved, the work goes on from where it was, and the result is the same."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.algorithms.catalogue import find_method
from explain.errors import ModelCallError, OutOfMemoryError, OutOfMemoryWarning
from explain.running.execution import Executor
from explain.running.tuning import tuning_of

SEVERAL = {
    "saliency": {},
    "smoothgrad": {"n_samples": 7},
    "vargrad": {"n_samples": 7},
    "integrated_gradients": {"n_steps": 9},
    "expected_gradients": {"n_samples": 7},
    "deep_lift": {},
    "conductance": {"n_steps": 7},
    "grad_cam": {},
    "score_cam": {},
    "occlusion": {},
    "kernel_shap": {"n_samples": 20},
}
MOST = 3
# The five examples themselves fit where a method expands them, so that memory runs out in the middle of its sums.
ONE_POINT_AN_EXAMPLE = {"saliency", "deep_lift", "grad_cam"}

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")


def picture_model(kit, most=None):
    """A small network in float64 that asks for more memory than there is, of more than `most` pictures at once."""
    model = kit.cnn(dtype="float64")
    if most is None:
        return model
    if kit.name == "torch":

        class Hungry(nn.Module):
            def forward(self, x):
                if len(x) > most:
                    raise torch.OutOfMemoryError("out of memory")
                return x

        return nn.Sequential(Hungry(), *model)
    tf, keras = kit.tf, kit.keras

    class HungryLayer(keras.layers.Layer):
        def call(self, x):
            return x + exhausted(tf, tf.shape(x)[0], most, x.dtype)

    hungry = keras.Sequential(
        [keras.Input((8, 8, 1), dtype="float64"), HungryLayer(dtype="float64"), *model.layers]
    )
    hungry.set_weights(model.get_weights())
    return hungry


def exhausted(tf, count, most, dtype):
    """Zero, or TensorFlow's own error: it makes one of Python's, and waits ten seconds before it gives a real one."""

    def check(count):
        if count > most:
            raise MemoryError
        return dtype.as_numpy_dtype(0)

    zero = tf.numpy_function(check, [count], dtype)
    zero.set_shape([])
    return zero


def pictures(kit, count=5):
    first = np.random.default_rng(3).normal(size=(count, 1, 8, 8))
    return first if kit.name == "torch" else np.moveaxis(first, 1, -1)


def layer_of(kit, model):
    """The convolution: what is before it in the hungry model changes nothing."""
    if kit.name == "torch":
        return next(name for name, part in model.named_modules() if isinstance(part, nn.Conv2d))
    return next(layer.name for layer in model.layers if "conv" in layer.name)


def explained(kit, most, method, options, **more):
    model = picture_model(kit, most)
    if find_method(method).layer in ("must", "map"):
        options = {**options, "layer": layer_of(kit, model)}
    if find_method(method).takes_references:
        options = {**options, "baseline": pictures(kit)[::-1] + 1}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = explain.attribute(model, pictures(kit), method, target=1, **options, **more)
    return found, [one for one in caught if issubclass(one.category, OutOfMemoryWarning)]


@pytest.mark.parametrize("method", SEVERAL)
def test_the_result_is_the_same_and_one_warning_says_so(kit, method):
    options = {"batch_size": 16, **SEVERAL[method]}
    expected, silent = explained(kit, None, method, options)
    most = MOST if method in ONE_POINT_AN_EXAMPLE else 5
    found, told = explained(kit, most, method, options)
    assert not silent
    assert len(told) == 1
    # Half of the last chunk that did not fit; blocks are cut between examples, where whole ones fit.
    size = int(re.search(r"batch_size=(\d+)", str(told[0].message))[1])
    assert size == 2 if most == MOST else size in (3, 4, 6)
    assert str(told[0].message) in found.notes
    largest = np.abs(expected.values).max()
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-6 * largest)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
    if expected.delta is not None:
        # A sum over a path that counted a block twice would miss the difference of the scores.
        np.testing.assert_allclose(found.delta, expected.delta, atol=1e-6)


def test_without_a_chunk_size_what_was_found_is_kept_with_the_model(torch_kit):
    model = picture_model(torch_kit, MOST)
    x = pictures(torch_kit)
    with pytest.warns(OutOfMemoryWarning):
        first = explain.attribute(model, x, "conductance", target=1, layer="1")
    key = ((x.shape[1:],), np.dtype("float64"), "cpu")
    assert tuning_of(model, key).most in (2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutOfMemoryWarning)
        second = explain.attribute(model, x, "conductance", target=1, layer="1")
    np.testing.assert_allclose(second.values, first.values, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("DefaultCPUAllocator: no")],
)
@pytest.mark.parametrize("method", ["saliency", "ig"])
def test_memory_that_runs_out_on_the_way_back(torch_kit, error, method):
    class Hungry(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, gradient):
            if len(gradient) > MOST:
                raise error
            return gradient

    plain = picture_model(torch_kit)
    # Before the head: the path is cut where the affine prefix ends, and what is before it is not gone back through.
    whole = torch_kit.function(lambda x: plain[4](Hungry.apply(plain[:4](x))))
    options = {"n_steps": 9} if method == "ig" else {}
    expected = explain.attribute(plain, pictures(torch_kit), method, target=1, **options)
    with pytest.warns(OutOfMemoryWarning):
        found = explain.attribute(whole, pictures(torch_kit), method, target=1, batch_size=16, **options)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("method", ["saliency", "ig", "occlusion", "grad_cam"])
def test_a_single_point_too_many_is_explained(kit, method):
    with pytest.raises(OutOfMemoryError, match=r"single point.*smaller inputs") as caught:
        explain.attribute(picture_model(kit, 0), pictures(kit), method, target=1)
    assert isinstance(caught.value, MemoryError)


def test_a_fixed_batch_that_does_not_fit_is_explained(tensorflow_kit):
    keras, tf = tensorflow_kit.keras, tensorflow_kit.tf
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(4, 6)),
            keras.layers.Lambda(lambda x: x + exhausted(tf, tf.shape(x)[0], 1, x.dtype)),
            keras.layers.Dense(3),
        ]
    )
    with pytest.raises(OutOfMemoryError, match=r"batch of 4.*smaller batches"):
        explain.attribute(model, np.ones((2, 6), np.float32), "saliency", target=1)


def test_functions_of_arrays():
    weights = np.random.default_rng(0).normal(size=(6, 3))

    def function(x):
        if len(x) > MOST:
            raise MemoryError
        return x @ weights

    x = np.random.default_rng(1).normal(size=(4, 6))
    with pytest.warns(OutOfMemoryWarning):
        found = explain.attribute(function, x, "occlusion", target=1, framework="numpy", score="output")
    np.testing.assert_allclose(found.values, x * weights[:, 1], rtol=1e-6)


def test_what_pytorch_says_of_a_cpu_without_memory_is_known(torch_kit):
    def hungry(x):
        if len(x) > MOST:
            torch.empty(2**50)  # Nobody has so much.
        return x.sum(dim=(1, 2, 3))

    with pytest.warns(OutOfMemoryWarning):
        found = explain.attribute(torch_kit.function(hungry), pictures(torch_kit), "saliency", score="output")
    np.testing.assert_array_equal(found.values, 1)


def test_other_errors_are_raised_as_they_are(torch_kit):
    def broken(x):
        raise RuntimeError("of another kind")

    with pytest.raises(ModelCallError, match="of another kind"):
        explain.attribute(torch_kit.function(broken), pictures(torch_kit), "saliency", target=1)


def test_every_chunk_is_computed_by_the_executor():
    """What is cut by it and computed elsewhere would not be halved: `over_rows`, `over_blocks`, `over_groups`."""
    source = Path(explain.__file__).parent
    plain = [
        f"{path.relative_to(source)}: {found[0]}"
        for path in source.rglob("*.py")
        if path.name != "execution.py"
        for found in re.finditer(r"executor\.(rows|blocks|groups)\(.*", path.read_text())
    ]
    assert not plain


@pytest.mark.parametrize(
    ("count", "points", "size", "most"), [(3, 7, 64, 4), (5, 2, 8, 1), (1, 9, 5, 2), (4, 1, 4, 3)]
)
def test_every_point_is_done_once_and_in_order(count, points, size, most):
    executor, tried = Executor(size), []

    def compute(rows, steps):
        number = (rows.stop - rows.start) * (steps.stop - steps.start)
        tried.append(number)
        if number > most:
            raise MemoryError
        return number

    done = np.zeros((count, points), int)
    for rows, steps, number in executor.over_blocks(count, points, compute):
        # The points of an example come in their order: moments and conductance go by what came before.
        assert (done[rows, : steps.start] == 1).all()
        done[rows, steps] += 1
        assert done[rows, steps].size == number
    assert (done == 1).all()
    # Each size fails once at most: what is known is not tried again.
    failed = [number for number in tried if number > most]
    assert len(failed) == len(set(failed))
    assert executor.halved_to is None or executor.halved_to <= most
