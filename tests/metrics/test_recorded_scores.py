"""Whether an attribution is of the model that is given: by the scores that it records."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from models.evaluated import NETWORK, OF_NETWORK, PICTURES, WEIGHT, X, network
from torch import nn

import explain
from explain.errors import (
    EvaluationError,
    InputError,
    ModelCallError,
    UnsupportedModelError,
)


class Scaled(nn.Module):
    def __init__(self, required=False):
        super().__init__()
        self.inner, self.required = nn.Linear(4, 2), required
        self.inner.weight.data = torch.tensor(WEIGHT.T.copy())

    def forward(self, x, scale=None):
        if self.required and scale is None:
            raise TypeError("missing 1 required positional argument: 'scale'")
        return self.inner(x) * (1 if scale is None else scale)


def squares(outputs):
    return (outputs**2).sum(1)


OTHER = "it is the explanation of another model, or of other weights, or the call had arguments that are not recorded"


@pytest.mark.parametrize(
    ("made_by", "evaluated_by"),
    [
        ((NETWORK, {}), (network(seed=1), {})),
        ((NETWORK, {"target": squares}), (NETWORK, {})),
        ((NETWORK, {"target": squares}), (NETWORK, {"target": lambda outputs: outputs[:, 0] * 3})),
    ],
    ids=["weights", "no-target", "other-target"],
)
def test_scores_that_are_not_the_models_are_refused_and_the_advice_helps(made_by, evaluated_by):
    model, arguments = made_by
    one = explain.attribute(model, PICTURES, "saliency", **arguments)
    other, wrong = evaluated_by
    with pytest.raises(EvaluationError, match=OTHER) as caught:
        explain.evaluate(other, one, **wrong)
    assert "Give the model that was explained, and target= and forward_kwargs= as" in str(caught.value)
    found = explain.evaluate(model, one, **arguments)
    assert np.isfinite(found["deletion"].values).all()
    # The map alone is measured whatever the model.
    assert explain.evaluate(other, one, "sparseness", **wrong).sparseness == found.sparseness


def test_the_refusal_names_the_example_and_both_scores():
    one, other = OF_NETWORK, network(seed=1)
    with torch.no_grad():
        now = other(torch.tensor(PICTURES)).numpy()[range(3), range(3)]
    worst = int(np.abs(now - one.scores).argmax())
    with pytest.raises(EvaluationError) as caught:
        explain.evaluate(other, one)
    says = f"records the score {one.scores[worst]:.6g} for example {worst} and target {worst}, but the model gives "
    assert says in str(caught.value)
    assert float(re.search(r"gives (\S+):", str(caught.value))[1]) == pytest.approx(now[worst], rel=1e-4)


@pytest.mark.parametrize("required", [False, True])
def test_arguments_of_the_model_that_were_forgotten(required):
    model = Scaled(required)
    one = explain.attribute(model, X, "saliency", forward_kwargs={"scale": 3.0})
    error, says = (ModelCallError, "forward_kwargs") if required else (EvaluationError, OTHER)
    with pytest.raises(error, match=says):
        explain.evaluate(model, one)
    assert 0 < explain.evaluate(model, one, forward_kwargs={"scale": 3.0}).deletion < 1


def test_a_model_of_another_shape_or_none():
    with pytest.raises(InputError, match="The model cannot take x: layer '0' wants 3 channels"):
        explain.evaluate(network(channels=3), OF_NETWORK)
    with pytest.raises(UnsupportedModelError, match="model=None of type NoneType is no model"):
        explain.evaluate(None, OF_NETWORK)


def test_an_attribution_that_keeps_the_fingerprint_of_another_model_is_refused(tmp_path):
    """Reports and checks keep it: also metrics of the map alone then know whose map it is."""
    torch.manual_seed(0)
    model, other = (torch.nn.Sequential(torch.nn.Linear(4, 3)).eval() for _ in range(2))
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    checked = explain.attribute(model, x, "saliency", target=0, checks=True)
    explain.report(explain.attribute(model, x, "saliency", target=0), tmp_path / "r.html", model=model)
    (reported,) = explain.reports.read(tmp_path / "r.html").results
    for one in (checked, reported):
        assert one.fingerprint == explain.fingerprint(model)
        with pytest.raises(explain.errors.EvaluationError, match="its weights are others"):
            explain.evaluate(other, one, "sparseness")
        # The advice: the model that was explained, or this one explained.
        assert explain.evaluate(model, one, "sparseness")["sparseness"].count == 2
    explain.evaluate(other, explain.attribute(other, x, "saliency", target=0), "sparseness")
    assert explain.attribute(model, x, "saliency", target=0).fingerprint == ""
