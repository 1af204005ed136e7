"""The caller's random states, whatever is drawn meanwhile."""

from __future__ import annotations

import random

import numpy as np
import pytest

from explain.running.random_state import preserved_random_state

DRAWS = {
    "nothing": lambda: None,
    # The second of a pair of normal numbers is in store: it is drawn without a step of the generator.
    "a normal number": np.random.normal,
    "two normal numbers": lambda: np.random.normal(size=2),
    "uniform numbers": lambda: np.random.uniform(size=3),
    "many numbers": lambda: np.random.uniform(size=2000),
    "a seed": lambda: np.random.seed(3),
    "of Python": random.random,
}


@pytest.fixture
def own_states():
    of_python, of_numpy = random.getstate(), np.random.get_state()
    yield
    random.setstate(of_python)
    np.random.set_state(of_numpy)


@pytest.mark.usefixtures("own_states")
@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("draw", DRAWS)
def test_whatever_is_drawn(draw, before):
    np.random.seed(1)
    np.random.normal(size=before)
    of_python, of_numpy = random.getstate(), np.random.get_state()
    with preserved_random_state():
        DRAWS[draw]()
    assert random.getstate() == of_python
    assert all(np.array_equal(now, then) for now, then in zip(np.random.get_state(), of_numpy, strict=True))


@pytest.mark.usefixtures("own_states")
def test_another_generator_of_numpy():
    usual = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64(1))
    try:
        with preserved_random_state():
            first = np.random.uniform()
        assert np.random.uniform() == first
    finally:
        np.random.set_bit_generator(usual)
