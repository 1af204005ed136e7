"""Models of `transformers`, called as their pages call them, beside plain autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

import explain

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "initializer_range": 0.3,
}
IDS = torch.tensor(np.random.default_rng(0).integers(5, 40, (2, 7)))


def built(kind, config, **more):
    torch.manual_seed(0)
    return kind(config(**more)).double().eval()


def bert(kind, **more):
    return built(kind, transformers.BertConfig, vocab_size=40, max_position_embeddings=32, **SIZES, **more)


def grad_cam_by_hand(model, layer, score, **inputs):
    """The mean gradient of each channel of a layer of shape (N, T, C), times the channel; negative sums are zero."""
    found = []
    hook = model.get_submodule(layer).register_forward_hook(
        lambda module, given, output: found.append(output[0] if isinstance(output, tuple) else output)
    )
    total = score(model(**inputs))
    hook.remove()
    (slopes,) = torch.autograd.grad(total.sum(), found)
    return (slopes.mean(1, keepdim=True) * found[0]).sum(2).clamp(min=0).numpy(force=True)


def test_inputs_by_name_have_the_map_that_plain_autograd_gives():
    # The search for the layer records many operations in one run: fused attention is among them.
    model = bert(transformers.BertForTokenClassification, num_labels=3)
    inputs = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
    a = explain.attribute(model, inputs, "grad_cam", target=(2, 1))["input_ids"]
    expected = grad_cam_by_hand(model, a.layer, lambda output: output.logits[:, 2, 1], **inputs)
    assert expected.any()
    np.testing.assert_allclose(a.values, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("layer", [None, "vit.layers.0"])
def test_a_picture_by_name_has_the_map_of_a_picture_alone(layer):
    model = built(
        transformers.ViTForImageClassification,
        transformers.ViTConfig,
        image_size=16,
        patch_size=4,
        num_labels=3,
        **SIZES,
    )
    x = torch.tensor(np.random.default_rng(1).normal(size=(2, 3, 16, 16)))
    named = explain.attribute(model, {"pixel_values": x}, "grad_cam", layer=layer, target=1)
    alone = explain.attribute(model, x, "grad_cam", layer=layer, target=1)
    assert named["pixel_values"].layer == alone.layer
    np.testing.assert_allclose(named["pixel_values"].values, alone.values, rtol=1e-5, atol=1e-7)
