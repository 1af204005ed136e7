"""Attentions as layers: one head at a time, also where the framework fuses them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from models.attention import (
    WORDS,
    TorchTransformer,
    attentions_by_hand,
    keras_transformer,
    weights_of,
)
from torch import nn
from torch.nn import functional

import explain
from explain.torch_ext.model.layers.fused import attended

IDS = np.random.default_rng(0).integers(1, WORDS, (3, 6))
WEIGHTS = weights_of()
CLOSE = {"rtol": 1e-6, "atol": 1e-9}


def softmax_of(model, number):
    """The softmax of an attention by its name, as a user finds it: in the error for a layer that is none."""
    if isinstance(model, nn.Module):
        return ("softmax()", number)
    layer = model.attentions[number]
    inner = getattr(layer, "_softmax", None)
    return f"{layer.name}/Softmax()" if inner is None or model.way != "scores" else inner


MODELS = {
    "explicit": lambda causal: TorchTransformer(WEIGHTS, "explicit", "each", causal),
    "fused": lambda causal: TorchTransformer(WEIGHTS, "fused", "each", causal),
    "summed": lambda causal: TorchTransformer(WEIGHTS, "summed", "each", causal),
    **{
        way: lambda causal, way=way: keras_transformer(WEIGHTS, way, "each", causal)
        for way in ("layer", "scores", "operations")
    },
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("way", MODELS)
def test_the_weights_of_each_head_and_the_gradients_to_them(way, causal):
    model = MODELS[way](causal)
    weights, gradients = attentions_by_hand(WEIGHTS, IDS, causal, lambda logits: logits[:, 4, 2])
    for number in (0, 2):
        layer = softmax_of(model, number)
        a = explain.attribute(model, IDS, "activation", layer=layer, target=(4, 2))
        assert a.layout == "NCHW"
        np.testing.assert_allclose(a.values, weights[number], **CLOSE)
        b = explain.attribute(model, IDS, "input_x_gradient", layer=layer, target=(4, 2))
        np.testing.assert_allclose(b.values, weights[number] * gradients[number], **CLOSE)


@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
def test_conductance_of_a_head_is_the_twins():
    asked = {"target": (4, 2), "n_steps": 12, "baseline": "zeros"}
    found = []
    for way in ("explicit", "fused", "layer"):
        model = MODELS[way](False)
        found.append(explain.attribute(model, IDS, "conductance", layer=softmax_of(model, 1), **asked))
        assert found[-1].values.shape == (3, 2, 6, 6)
        np.testing.assert_allclose(found[-1].values, found[0].values, **CLOSE)
    assert np.abs(found[0].values).max() > 1e-3


def test_one_head_is_a_neuron():
    weights, _ = attentions_by_hand(WEIGHTS, IDS, False, lambda logits: logits[:, 0, 0])
    a = explain.attribute(
        MODELS["fused"](False), IDS, "saliency", layer=("softmax()", 1), neuron=(1, 2, 3), reduce="sum"
    )
    np.testing.assert_allclose(a.scores, weights[1][:, 1, 2, 3], rtol=1e-6)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_model_of_hugging_face(attention):
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=WORDS,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=0.4,
        attn_implementation=attention,
    )
    model = transformers.BertForSequenceClassification(config).double().eval()
    name = "bert.encoder.layer.1.attention.self.softmax()"
    mask = np.array([[1] * 6, [1] * 4 + [0] * 2, [1] * 5 + [0]])
    given = {"output": "logits", "target": 1, "forward_kwargs": {"attention_mask": mask}}
    a = explain.attribute(model, IDS, "activation", layer=name, **given)
    model.set_attn_implementation("eager")
    plain = model(torch.tensor(IDS), attention_mask=torch.tensor(mask), output_attentions=True).attentions[1]
    np.testing.assert_allclose(a.values, plain.detach().numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("norm_first", [False, True])
def test_pytorchs_own_encoder_which_has_a_fast_path(norm_first):
    torch.manual_seed(0)

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.encoder(x)[:, 0])

    model, x = Encoder().double().eval(), np.random.default_rng(0).normal(size=(3, 7, 8))
    a = explain.attribute(model, x, "activation", layer="encoder.layers.0.self_attn.softmax()")
    layer = model.encoder.layers[0]
    given = torch.tensor(x)
    given = layer.norm1(given) if norm_first else given
    _, plain = layer.self_attn(given, given, given, average_attn_weights=False)
    np.testing.assert_allclose(a.values, plain.detach().numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": torch.ones(5, 5).tril().bool()},
        {"attn_mask": torch.randn(5, 5, dtype=torch.float64)},
        {"attn_mask": torch.ones(5, 5).tril(-1).bool()},
        {"enable_gqa": True},
    ],
    ids=lambda more: "-".join(more) or "plain",
)
def test_the_fused_attention_is_what_its_operations_give(more):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 4, 5, 8, dtype=torch.float64, requires_grad=True) for _ in range(3))
    if more.get("enable_gqa"):
        k, v = (torch.randn(2, 2, 5, 8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    mine, theirs = (
        function(q, k, v, **more) for function in (attended, functional.scaled_dot_product_attention)
    )
    torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)
    for one, other in zip(
        torch.autograd.grad(mine.square().sum(), (q, k, v)),
        torch.autograd.grad(theirs.square().sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
