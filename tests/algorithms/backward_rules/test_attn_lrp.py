"""LRP of transformers against the values of lxt, the package of AttnLRP's authors; see tests/attn_lrp/make.py."""

from __future__ import annotations

import numpy as np
import pytest
from attn_lrp.stored import MODELS, stored
from torch import nn

import explain


class OfVectors(nn.Module):
    """The logits of a model from its embeddings' vectors (N, T, E); of a decoder, those at the last token."""

    def __init__(self, model, takes_ids=False):
        super().__init__()
        self.model, self.takes_ids = model, takes_ids

    def forward(self, given):
        made = self.model(given) if self.takes_ids else self.model(inputs_embeds=given)
        return made.logits if made.logits.ndim == 2 else made.logits[:, -1]


def apart(values, expected):
    """The greatest relative L2 distance of an example."""
    values, expected = (np.asarray(one, np.float64).reshape(len(one), -1) for one in (values, expected))
    return (np.linalg.norm(values - expected, axis=1) / np.linalg.norm(expected, axis=1)).max()


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", MODELS)
def test_equal_to_lxt(name, attention):
    one = stored(name, attn_implementation=attention)
    target = [int(label) for label in one.target]
    given = {"target": target, "rule": "epsilon"}
    found = explain.attribute(
        OfVectors(one.model), np.asarray(one.embeddings), "attn_lrp", layout="NTC", **given
    )
    assert apart(found.values, one.relevance) < 1e-5
    of_ids = explain.attribute(OfVectors(one.model, takes_ids=True), np.asarray(one.ids), "lrp", **given)
    assert apart(of_ids.values, np.asarray(one.relevance).sum(-1)) < 1e-5
    plain = explain.attribute(
        OfVectors(one.model), np.asarray(one.embeddings), "input_x_gradient", target=target, layout="NTC"
    )
    assert apart(plain.values, one.relevance) > 0.5


@pytest.mark.parametrize("name", MODELS)
def test_deep_lift_of_the_same_models_is_complete(name):
    """To 1e-4, as is promised: the norms of LLaMA and Qwen compute in single precision."""
    one = stored(name)
    found = explain.attribute(
        OfVectors(one.model, takes_ids=True),
        np.asarray(one.ids),
        "deep_lift",
        target=[int(t) for t in one.target],
    )
    assert found.relative_delta.max() < 1e-4
