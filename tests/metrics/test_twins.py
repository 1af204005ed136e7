"""Twins agree: every metric gives the same for a network in PyTorch and for the same network in Keras."""

import warnings

import numpy as np
import pytest

import explain
from explain.metrics.catalogue import rows

COUNT = 3

# What makes a metric quick here without changing what it is.
QUICK = {
    "max_sensitivity": {"n_samples": 3},
    "avg_sensitivity": {"n_samples": 3},
    "local_lipschitz": {"n_samples": 3},
    "relative_input_stability": {"n_samples": 3},
    "relative_output_stability": {"n_samples": 3},
    "infidelity": {"n_samples": 50},
    "faithfulness_correlation": {"n_subsets": 30},
    "sensitivity_n": {"n_subsets": 20},
}
METRICS = [row.name for row in rows()]

# The maps of twins differ by 1e-7 of their largest value: by more where a metric divides by small values or asks for
# the order of nearly equal ones; a seeded metric takes the largest, or a correlation, of few such values.
DETERMINISTIC, SEEDED = 1e-4, 0.01


def _explained(name, framework):
    model = explain.zoo.load(name, framework)
    samples = explain.zoo.samples(name, framework)
    x, method = samples.x[:COUNT], "smoothgrad"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", explain.errors.ExplainWarning)
        return model, explain.attribute(
            model, x, method, n_samples=4, layout=samples.layout, display=samples.display
        )


@pytest.fixture(scope="module", params=["cifar_net", "names_rnn", "names_transformer"])
def twins(request):
    return {framework: _explained(request.param, framework) for framework in ("torch", "tensorflow")}


@pytest.mark.parametrize("metric", METRICS)
def test_twins_agree(twins, metric):
    row = explain.metrics.find(metric)
    found, refusals = {}, {}
    for framework, (model, attribution) in twins.items():
        masks = None
        if "masks" in row.needs:
            shape = (COUNT, *explain.metrics.places.places_of(attribution).shape)
            masks = np.zeros(shape, bool)
            # The first places of each axis: real ones, and not all, of a short name too.
            masks[(slice(None), *(slice(0, 2 if len(shape) == 2 else 9) for _ in shape[1:]))] = True
        try:
            found[framework] = explain.evaluate(
                model, attribution, (metric, QUICK.get(metric, {})), masks=masks, seed=3
            )[metric]
        except explain.errors.EvaluationError as error:
            refusals[framework] = str(error)
    if refusals:
        # A metric that does not fit the kind of input fits it in neither framework.
        assert len(refusals) == 2
        assert "leave it out" in refusals["torch"] or "take" in refusals["torch"]
        return
    one, other = found["torch"], found["tensorflow"]
    assert one.left_out == other.left_out
    assert one.count > 0
    bound = SEEDED if row.seeded else DETERMINISTIC
    np.testing.assert_allclose(one.values, other.values, rtol=bound, atol=bound)
    if one.curve is not None:
        np.testing.assert_allclose(one.curve, other.curve, rtol=bound, atol=bound)
