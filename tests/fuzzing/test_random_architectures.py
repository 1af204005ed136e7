"""Random models: every value that `explain` gives is that of the method's definition, or it says that it may not be."""

from __future__ import annotations

import pytest
from fuzzing.run import cells_of

# Thirty of PyTorch and ten of Keras.
FIXED_SEEDS = range(1000, 1040)

WRONG_ONCE: dict[str, tuple[int, str]] = {}
"""Kinds that random models found: a seed and a method each."""


@pytest.mark.parametrize("seed", FIXED_SEEDS)
def test_values_are_those_of_the_definitions(seed: int) -> None:
    cells = list(cells_of(seed))
    assert len(cells) >= 3, "saliency, integrated gradients and others"
    wrong = [one for one in cells if one.outcome in ("WRONG", "CRASH")]
    assert not wrong, "\n".join(
        f"{one.method}: {one.message} ({one.arguments}; {one.pieces})" for one in wrong
    )


@pytest.mark.parametrize("kind", WRONG_ONCE)
def test_kind_that_was_wrong_once(kind: str) -> None:
    seed, method = WRONG_ONCE[kind]
    (cell,) = cells_of(seed, (method,))
    assert cell.outcome in ("equal", "equal, warned", "refused", "warned"), cell.message
