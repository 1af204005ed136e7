"""PyTorch's attention layers: one path with gradients and without, in the thread that explains only."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

import explain

# PyTorch's own remarks about its nested tensors and about TorchScript.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch", "ignore::DeprecationWarning:torch")

rng = np.random.default_rng(0)
X = rng.normal(size=(3, 5, 4)).astype(np.float32)
IDS = rng.integers(1, 9, size=(3, 5))
for row, length in enumerate((3, 5, 2)):
    X[row, length:] = 0
    IDS[row, length:] = 0


class Encoder(nn.Module):
    """The mean over all steps of an encoder that masks padding: the steps of padding count."""

    def __init__(self, of_ids: bool = False):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(9, 4) if of_ids else nn.Identity()
        layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padding = x == 0 if x.dim() == 2 else (x == 0).all(dim=-1)
        return self.head(self.encoder(self.embedding(x), src_key_padding_mask=padding).mean(dim=1))


def slow(model, x):
    """The output on the path that has gradients: PyTorch takes it where an input requires them."""
    return model(x.clone().requires_grad_())


def differs_without_gradients(model, x):
    with torch.no_grad():
        fast = model(x)
    return bool((fast - slow(model, x)).abs().max() > 0.1)


def ablated(model, x):
    """The fall of the score when a step is set to zero, and so becomes padding, by plain calls of the model."""
    before, found = slow(model, x)[:, 1], torch.zeros_like(x)
    for step in range(x.shape[1]):
        other = x.clone()
        other[:, step] = 0
        found[:, step] = (before - slow(model, other)[:, 1]).detach()[:, None]
    return found.numpy()


@pytest.mark.parametrize("scripted", [False, True])
def test_perturbations_ask_the_function_that_has_the_gradients(scripted):
    model, x = Encoder().eval(), torch.tensor(X)
    if scripted:
        model = torch.jit.script(model)
    assert differs_without_gradients(model, x)
    found = explain.attribute(model, X, "feature_ablation", target=1, score="output")
    np.testing.assert_allclose(found.values, ablated(model, x), atol=1e-6)
    np.testing.assert_allclose(found.scores, slow(model, x)[:, 1].detach().numpy(), atol=1e-6)


def test_a_layer_of_an_encoder_with_padding():
    model, x = Encoder().eval(), torch.tensor(X)
    seen = []
    handle = model.encoder.layers[0].register_forward_hook(lambda *given: seen.append(given[-1]))
    slow(model, x)
    handle.remove()
    found = explain.attribute(model, X, "activation", layer="encoder.layers.0")
    np.testing.assert_allclose(found.values, seen[0].detach().numpy(), atol=1e-6)


def test_ids_with_padding():
    model, ids = Encoder(of_ids=True).eval(), torch.tensor(IDS)
    vectors = model.embedding(ids).detach().requires_grad_()
    handle = model.embedding.register_forward_hook(lambda *_: vectors)
    score = model(ids)[:, 1]
    handle.remove()
    score.sum().backward()
    expected = (vectors.grad * vectors).sum(dim=-1).detach().numpy()
    found = explain.attribute(model, IDS, "input_x_gradient", target=1)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    np.testing.assert_allclose(found.scores, score.detach().numpy(), atol=1e-6)


def test_other_threads_keep_the_fast_path_and_all_is_as_before():
    model, fast = Encoder().eval(), []

    def watch(*_):
        ours = torch.backends.mha.get_fastpath_enabled()
        thread = threading.Thread(
            target=lambda: fast.append((ours, torch.backends.mha.get_fastpath_enabled()))
        )
        thread.start()
        thread.join()

    model.head.register_forward_hook(watch)
    original = torch.backends.mha.get_fastpath_enabled
    explain.attribute(model, X, "saliency", target=1)
    assert set(fast) == {(False, True)}
    assert torch.backends.mha.get_fastpath_enabled is original
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        fast.clear()
        explain.attribute(model, X, "saliency", target=1)
        assert set(fast) == {(False, False)}
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
