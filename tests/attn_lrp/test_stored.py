"""The stored transformers are, in the transformers of the tests, the models that lxt explained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attn_lrp.stored import MODELS, logits_of, stored, versions


@pytest.mark.parametrize("name", MODELS)
# An eager attention of LLaMA and Qwen has a softmax in float32, whatever the precision of the model.
@pytest.mark.parametrize(
    ("attention", "dtype", "tolerance"), [("sdpa", "float64", 1e-12), ("eager", "float32", 1e-6)]
)
def test_a_stored_model_gives_the_logits_that_were_explained(name, attention, dtype, tolerance):
    held = stored(name, attn_implementation=attention, dtype=dtype)
    with torch.no_grad():
        logits = logits_of(name, held.model, torch.from_numpy(held.embeddings).to(held.model.dtype))
    assert np.linalg.norm(logits.numpy() - held.logits) <= tolerance * np.linalg.norm(held.logits)
    assert held.model.config._attn_implementation == attention
    if name != "bert":
        assert (held.target == held.logits.argmax(1)).all()


def test_the_values_are_of_the_lxt_that_is_promised():
    assert versions()["lxt"] == "2.1"
