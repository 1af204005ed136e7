"""Token ids compared with a set of references, which are token ids too."""

from __future__ import annotations

import numpy as np
import pytest
from models.tokens import NormedReader, keras_normed_reader

import explain
from explain.errors import BaselineError

IDS = np.array([[1, 2, 3, 4, 5], [9, 8, 7, 6, 0]])
REFERENCES = np.array([[0, 0, 0, 0, 0], [3, 1, 4, 1, 5], [2, 7, 1, 8, 2]])


def readers():
    twin = NormedReader().double().eval()
    return {"torch": twin, "tensorflow": keras_normed_reader(twin)}


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_deep_lift_shap_is_the_mean_of_deep_lift_with_each_reference(framework):
    model = readers()[framework]
    found = explain.attribute(model, IDS, "deep_lift_shap", target=1, baseline=REFERENCES)
    expected = [
        explain.attribute(model, IDS, "deep_lift", target=1, baseline=one).values for one in REFERENCES
    ]
    np.testing.assert_allclose(found.values, np.mean(expected, axis=0), rtol=1e-5, atol=1e-8)
    assert found.baseline_rule == {"rule": "references", "count": 3}
    assert (found.relative_delta < 1e-9).all()


def test_expected_gradients_sum_to_the_mean_difference_of_the_scores():
    """Within the error of sampling, which the result's delta is: the scores themselves are asked of the models."""
    maps = [
        explain.attribute(model, IDS, "expected_gradients", target=1, baseline=REFERENCES, n_samples=3000)
        for model in readers().values()
    ]
    import torch

    with torch.no_grad():
        scores, before = (readers()["torch"](torch.tensor(one))[:, 1].numpy() for one in (IDS, REFERENCES))
    for one in maps:
        # The standard error of 3,000 samples.
        np.testing.assert_allclose(one.values.sum(1), scores - before.mean(), atol=5e-3)
    np.testing.assert_allclose(maps[0].values, maps[1].values, rtol=1e-5, atol=1e-7)


def test_vectors_are_references_too_and_others_are_refused():
    model = readers()["torch"]
    vectors = model.words.weight.detach().numpy()[REFERENCES]
    found, expected = (
        explain.attribute(model, IDS, "deep_lift_shap", target=1, baseline=one)
        for one in (vectors, REFERENCES)
    )
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-6, atol=1e-9)
    for wrong in (REFERENCES[:, :3], REFERENCES[0], 0):
        with pytest.raises(BaselineError, match="reference examples"):
            explain.attribute(model, IDS, "deep_lift_shap", target=1, baseline=wrong)


def test_attn_lrp_is_a_name_of_lrp():
    model = readers()["torch"]
    found, expected = (explain.attribute(model, IDS, name, target=1) for name in ("AttnLRP", "lrp"))
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.method == "lrp"
