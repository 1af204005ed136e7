"""A map without information, to compare others with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from explain.inputs.layout import Layout
from explain.results.attribution import Attribution

KEY = 0x3A9
"""The first key of the generators of random maps, before the seed and the index of the example."""


def with_random_map(attribution: Attribution, seed: int) -> Attribution:
    """Give an attribution with values drawn from the standard normal distribution.

    They are drawn example by example, in one order of axes, so that twins get the same map whatever the batch.

    Examples
    --------
    >>> ones = np.ones((2, 3), np.float32)
    >>> a = Attribution(values=ones, inputs=ones, layout="NC", method="saliency", scores=np.ones(2))
    >>> b = with_random_map(a, 0)
    >>> b.values.shape, bool((with_random_map(a[1:], 0).values == b.values[:1]).all())
    ((2, 3), True)
    """
    layout = Layout(attribution.layout)
    shape = layout.to_canonical(attribution.values).shape
    drawn = [np.random.default_rng((KEY, seed, row)).standard_normal(shape[1:]) for row in range(shape[0])]
    values = np.ascontiguousarray(layout.from_canonical(np.stack(drawn)), np.float32)
    return replace(attribution, values=values)
