"""The reference of a Keras architecture's relevance, from its twin on another backend: two cells, cheap ones."""

from __future__ import annotations

import numpy as np
import pytest
from architectures.frozen import ARCHITECTURES
from architectures.judge import apart, by_key, options_of, passes_of, reference_of, values_of

import explain


@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
@pytest.mark.parametrize("name", ["KerasHub ELECTRA", "Keras attention over time (Bahdanau)"])
def test_a_keras_architecture_has_the_relevance_of_its_twin_in_pytorch(name):
    (architecture,) = (one for one in ARCHITECTURES if one.name == name)
    passes = passes_of(architecture)
    reference = reference_of(passes, "lrp")
    found = explain.attribute(
        passes.model, passes.x, "lrp", target=architecture.target, **options_of(passes, "lrp")
    )
    for key, expected in reference.items():
        values = values_of(passes, by_key(passes, found)[key])
        assert apart(values, [expected], key) is None
        assert np.linalg.norm(values - expected) < 1e-5 * np.linalg.norm(expected)
