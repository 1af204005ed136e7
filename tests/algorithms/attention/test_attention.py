"""Attention rollout and gradient × attention, held to what the models themselves give of their attentions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from models.attention import (
    WAYS,
    WORDS,
    TorchTransformer,
    attentions_by_hand,
    keras_transformer,
    weights_of,
)
from torch import nn

import explain

METHODS = ["attention_rollout", "gradient_attention"]
IDS = np.random.default_rng(0).integers(1, WORDS, (3, 6))
PICTURES = np.random.default_rng(1).normal(size=(2, 3, 16, 24)).astype(np.float32)
WEIGHTS = weights_of()
CLOSE = {"rtol": 1e-5, "atol": 1e-7}
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.HeldInputWarning")


def rollout(attentions, fuse=np.mean):
    """The paper's product, of attentions of shape (N, heads, T, T)."""
    product = np.eye(attentions[0].shape[-1])
    for one in attentions:
        step = 0.5 * fuse(one, axis=1) + 0.5 * np.eye(one.shape[-1])
        product = step / step.sum(axis=-1, keepdims=True) @ product
    return product


def relevance(attentions, gradients):
    """The paper's rule for self-attention, without the identity that it starts with."""
    identity = np.eye(attentions[0].shape[-1])
    found = identity
    for one, slope in zip(attentions, gradients, strict=True):
        found = found + np.clip(one * slope, 0, None).mean(axis=1) @ found
    return found - identity


def expected(method, attentions, gradients):
    return rollout(attentions) if method == "attention_rollout" else relevance(attentions, gradients)


def held_by(model, score_of, *given):
    """What a Hugging Face model gives of its attentions, and their retained gradients."""
    out = model(*given, output_attentions=True)
    for one in out.attentions:
        one.retain_grad()
    score_of(out.logits).sum().backward()
    found = (
        [one.detach().double().numpy() for one in out.attentions],
        [one.grad.double().numpy() for one in out.attentions],
    )
    model.zero_grad()
    return found


def hugging_face(kind, attention):
    torch.manual_seed(0)
    given = {"attn_implementation": attention}
    if kind == "bert":
        config = transformers.BertConfig(
            vocab_size=WORDS, num_labels=4, initializer_range=0.4, **SMALL, **given
        )
        return transformers.BertForSequenceClassification(config).double().eval()
    if kind == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=WORDS,
            n_embd=16,
            n_layer=3,
            n_head=2,
            n_positions=16,
            bos_token_id=0,
            eos_token_id=0,
            initializer_range=0.4,
            **given,
        )
        return transformers.GPT2LMHeadModel(config).double().eval()
    if kind == "llama":
        config = transformers.LlamaConfig(
            vocab_size=WORDS, num_key_value_heads=1, initializer_range=0.4, **SMALL, **given
        )
        return transformers.LlamaForCausalLM(config).double().eval()
    config = transformers.ViTConfig(
        image_size=(16, 24), patch_size=4, num_labels=4, initializer_range=0.4, **SMALL, **given
    )
    return transformers.ViTForImageClassification(config).double().eval()


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("method", METHODS)
def test_bert_is_read_at_its_class_token(method, attention):
    plain = held_by(hugging_face("bert", "eager"), lambda logits: logits[:, 2], torch.tensor(IDS))
    a = explain.attribute(hugging_face("bert", attention), IDS, method, target=2, output="logits")
    np.testing.assert_allclose(a.values, expected(method, *plain)[:, 0], **CLOSE)
    assert a.options["token"] == 0
    assert a.values.shape == IDS.shape


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("method", METHODS)
def test_a_decoder_is_read_at_the_token_of_the_target(method, kind, attention):
    places = np.array([5, 3, 4])
    plain = held_by(
        hugging_face(kind, "eager"),
        lambda logits: logits[torch.arange(3), torch.tensor(places), 7],
        torch.tensor(IDS),
    )
    model = hugging_face(kind, attention)
    a = explain.attribute(model, IDS, method, target=[(place, 7) for place in places], output="logits")
    rows = expected(method, *plain)[np.arange(3), places]
    np.testing.assert_allclose(a.values, rows, **CLOSE)
    assert a.options["token"] == places.tolist()
    # Nothing comes from tokens behind the one that is read.
    assert not a.values[1, 4:].any()


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("method", METHODS)
def test_the_patches_of_a_picture_are_laid_out_and_the_class_token_is_left_out(method, attention):
    x = PICTURES.astype(np.float64)
    plain = held_by(hugging_face("vit", "eager"), lambda logits: logits[:, 1], torch.tensor(x))
    a = explain.attribute(hugging_face("vit", attention), x, method, target=1, output="logits")
    maps = torch.tensor(expected(method, *plain)[:, 0, 1:].reshape(2, 1, 4, 6))
    wanted = nn.functional.interpolate(maps, (16, 24), mode="bilinear").numpy()
    np.testing.assert_allclose(a.values, np.broadcast_to(wanted / 3, x.shape), **CLOSE)
    assert a.options["token"] == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("norm_first", [True, False])
def test_pytorchs_encoder_is_what_its_attentions_say(method, norm_first):
    torch.manual_seed(0)

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first)
            self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
            self.head = nn.Linear(8, 4)

        def forward(self, x):
            return self.head(self.encoder(x).mean(1))

    model, x = Encoder().double().eval(), np.random.default_rng(0).normal(size=(3, 7, 8))
    found = []

    def with_weights(module, arguments, keywords, output):
        x = arguments[0]
        together = x @ module.in_proj_weight.T + module.in_proj_bias
        q, k, v = (one.reshape(*x.shape[:2], 2, -1).transpose(1, 2) for one in together.chunk(3, dim=-1))
        weights = torch.softmax(q @ k.transpose(-2, -1) / 2, -1)
        weights.retain_grad()
        found.append(weights)
        return module.out_proj((weights @ v).transpose(1, 2).flatten(2)), None

    handles = [
        layer.self_attn.register_forward_hook(with_weights, with_kwargs=True)
        for layer in model.encoder.layers
    ]
    model(torch.tensor(x, requires_grad=True))[:, 1].sum().backward()
    for handle in handles:
        handle.remove()
    a = explain.attribute(model, x, method, target=1)
    assert a.options["token"] == "mean of 7"
    plain = [one.detach().numpy() for one in found], [one.grad.numpy() for one in found]
    wanted = expected(method, *plain).mean(axis=1)
    # Each number of a step's vector has an equal share of the step.
    np.testing.assert_allclose(a.values, np.repeat(wanted[..., None] / 8, 8, axis=2), **CLOSE)


READS = {
    "first": (1, lambda logits: logits[:, 0, 1], lambda rows: rows[:, 0]),
    "mean": (1, lambda logits: logits.mean(1)[:, 1], lambda rows: rows.mean(axis=1)),
    "each": ((4, 2), lambda logits: logits[:, 4, 2], lambda rows: rows[:, 4]),
}
KERAS_WAYS = ["layer", "scores", "operations"]


@pytest.mark.parametrize(("reads", "causal"), [("first", False), ("mean", True), ("each", True)])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", [*WAYS, *KERAS_WAYS])
def test_every_way_to_write_attention_gives_the_same_in_both_frameworks(way, method, reads, causal):
    target, score_of, row = READS[reads]
    made = keras_transformer if way in KERAS_WAYS else TorchTransformer
    a = explain.attribute(made(WEIGHTS, way, reads, causal), IDS, method, target=target)
    wanted = row(expected(method, *attentions_by_hand(WEIGHTS, IDS, causal, score_of)))
    np.testing.assert_allclose(a.values, wanted, rtol=1e-6, atol=1e-9)
