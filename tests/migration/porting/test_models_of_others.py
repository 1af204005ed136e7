"""The families of models that were written to test migration checks, ported: not one was looked at for `explain.port`.

Each is written in both frameworks by hand, with weights that go into either by that file's own means. What the model
with these gives is what the ported one must give.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models import ported_models, ported_models_unseen, twins

import explain
from explain.errors import PortError

FAMILIES = {one.title: one for one in (*ported_models.FAMILIES, *ported_models_unseen.FAMILIES)}
# One whose zeros are put around by code in Keras and by the layer in PyTorch: that is seen on x, and else refused.
SEEN_ONLY = "densely connected, norm before activation, subclassed in Keras"


def scatter(model):
    generator = np.random.default_rng(3)
    is_torch = isinstance(model, torch.nn.Module)
    for one in model.state_dict().values() if is_torch else model.weights:
        values = generator.uniform(0.1, 1, size=tuple(one.shape))
        if not is_torch:
            one.assign(values)
        elif one.is_floating_point():
            one.copy_(torch.from_numpy(values))


@pytest.mark.parametrize("title", FAMILIES)
@pytest.mark.parametrize("source", ["torch", "keras"])
@pytest.mark.parametrize("seen", [False, True], ids=["", "with x"])
def test_families(title, source, seen):
    family, target = FAMILIES[title], {"torch": "keras", "keras": "torch"}[source]
    weights, x = family.weights(0), family.inputs(0, 3)
    here, there = family.build(source, weights), family.build(target, weights)
    expected, _ = twins.run(target, there, family.laid_out(target, x))
    scatter(there)
    before, _ = twins.run(target, there, family.laid_out(target, x))
    assert twins.distance(before, expected) > 0.1
    if title == SEEN_ONLY and not seen:
        with pytest.raises(PortError, match="Padding by code before the layer is seen on x"):
            explain.port(here, there)
        return
    explain.port(here, there, x=family.laid_out(source, x) if seen else None)
    found, _ = twins.run(target, there, family.laid_out(target, x))
    assert twins.distance(found, expected) < 1e-6
