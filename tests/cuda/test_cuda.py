"""What needs a CUDA device and is not in `benchmarks.cuda`: run by `make test-cuda`, never by `make test`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models.recurrent import LastStep
from torch import nn

import explain
from explain.inputs.layout import Layout

pytestmark = pytest.mark.cuda


@pytest.fixture(autouse=True, scope="module")
def _device():
    if not torch.cuda.is_available():
        pytest.fail("make test-cuda needs a CUDA device that PyTorch can see")
    # TF32 rounds to ten bits; the comparison is of the same arithmetic.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def _relative_distance(first, second):
    flat = [one.reshape(len(one), -1).astype(np.float64) for one in (first, second)]
    return np.linalg.norm(flat[0] - flat[1], axis=1) / np.linalg.norm(flat[1], axis=1)


@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["saliency", "ig"])
@pytest.mark.parametrize("name", explain.zoo.names())
def test_torch_gives_on_cuda_what_it_gives_on_the_cpu(name, method, dtype):
    samples = explain.zoo.samples(name, framework="torch")
    model = explain.zoo.load(name, "torch", dtype)
    labels = [int(label) for label in samples.y]
    on_cpu = explain.attribute(model, samples.x, method, target=labels, lengths=samples.lengths)
    on_cuda = explain.attribute(model.to("cuda"), samples.x, method, target=labels, lengths=samples.lengths)
    # Other kernels round otherwise: the twins' own bounds.
    distance = _relative_distance(on_cuda.values, on_cpu.values)
    assert np.median(distance) <= 1e-5
    assert np.mean(distance <= 1e-3) >= 0.95
    assert isinstance(on_cuda.values, np.ndarray)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_cudnn_rnn_in_inference_mode_just_works(kind):
    model = LastStep(kind(4, 8, batch_first=True), 8, 3).eval()
    x = np.random.default_rng(0).normal(size=(3, 6, 4)).astype(np.float32)
    on_cpu = explain.attribute(model, x, "ig", target=1)
    enabled = torch.backends.cudnn.enabled
    on_cuda = explain.attribute(model.to("cuda"), torch.tensor(x, device="cuda"), "ig", target=1)
    assert torch.backends.cudnn.enabled == enabled
    assert not model.training
    # Single precision on two kinds of hardware.
    np.testing.assert_allclose(on_cuda.values, on_cpu.values, rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
@pytest.mark.parametrize("name", explain.zoo.names())
def test_tensorflow_on_a_gpu_agrees_with_torch_on_the_cpu(name):
    import tensorflow as tf

    assert tf.config.list_physical_devices("GPU"), "TensorFlow sees no GPU: install tensorflow[and-cuda]"
    # The bound is that of float32; TF32 rounds to ten bits.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    maps = []
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples(name, framework=framework)
        a = explain.attribute(
            explain.zoo.load(name, framework),
            samples.x,
            "saliency",
            target=[int(label) for label in samples.y],
            lengths=samples.lengths,
        )
        maps.append(Layout(a.layout).to_canonical(a.values))
    distance = _relative_distance(maps[1], maps[0])
    assert np.median(distance) <= 1e-5
    assert np.mean(distance <= 1e-3) >= 0.95
