"""Max-sensitivity and average sensitivity: how much the map changes while the input hardly does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.method import Option
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.results.measurement import Floats
from explain.metrics.robustness.neighbours import N_SAMPLES, RADIUS, distances, worst
from explain.metrics.subject import Subject


def max_sensitivity(subject: Subject, options: Mapping[str, Any]) -> Measured:
    r"""Give the greatest change of the map over perturbed inputs near each example.

    .. math:: \max_{\|x' - x\|_\infty \le r} \|\Phi(x') - \Phi(x)\|_2 \,/\, \|\Phi(x)\|_2

    over K inputs x' whose values are drawn uniformly within r of those of x. Yeh, Hsieh, Suggala, Inouye & Ravikumar,
    *On the (in)fidelity and sensitivity of explanations*, arXiv:1901.09392; their definition has no
    denominator (``relative=False``), Captum's ``sensitivity_max`` has it. Quantus 0.6 has it too, with r = 0.2 and 200
    inputs. The baseline and the steps of an integral are those of x; superpixels are found anew.

    Parameters
    ----------
    subject : Subject
        What is evaluated, with N examples.
    options : Mapping
        ``radius``, ``n_samples`` and ``relative``.

    Returns
    -------
    Measured
        Values of shape (N,).
    """
    changes, left_out = _changes(subject, options)
    return Measured(worst(changes, left_out), left_out=left_out)


def avg_sensitivity(subject: Subject, options: Mapping[str, Any]) -> Measured:
    r"""Give the mean change of the map over perturbed inputs near each example.

    .. math:: \frac{1}{K} \sum_k \|\Phi(x'_k) - \Phi(x)\|_2 \,/\, \|\Phi(x)\|_2

    over the same inputs as `max_sensitivity`. Bhatt, Weller & Moura, *Evaluating and aggregating feature-based model
    explanations*, arXiv:2005.00631, with a uniform distribution; theirs has no denominator
    (``relative=False``). Quantus 0.6 has it, with r = 0.2 and 200 inputs.

    Parameters
    ----------
    subject : Subject
        What is evaluated, with N examples.
    options : Mapping
        ``radius``, ``n_samples`` and ``relative``.

    Returns
    -------
    Measured
        Values of shape (N,).
    """
    changes, left_out = _changes(subject, options)
    values = changes.mean(axis=1)
    values[list(left_out)] = np.nan
    return Measured(values, left_out=left_out)


def _changes(subject: Subject, options: Mapping[str, Any]) -> tuple[Floats, dict[int, str]]:
    """Give the change of the map at each perturbed input, (N, K), and the examples that have none."""
    found = distances(subject, options["radius"], options["n_samples"])
    left_out = dict(found.left_out)
    if not options["relative"]:
        return found.maps, left_out
    norms = found.map_norms[:, np.newaxis]
    zero = np.flatnonzero(found.map_norms == 0)
    left_out |= {int(row): "The map is zero: a change of it is no share of it." for row in zero}
    return np.divide(found.maps, norms, out=np.zeros_like(found.maps), where=norms > 0), left_out


_OPTIONS = (
    RADIUS,
    N_SAMPLES,
    Option(
        "relative",
        True,
        "True or False",
        lambda value: isinstance(value, bool),
        "Whether the change is a share of the norm of the map, so that maps of different units can be compared.",
    ),
)

ROWS = (
    Metric(
        max_sensitivity,
        summary="The greatest change of the map when the input is perturbed a little.",
        paper="Yeh et al. 2019, arXiv:1901.09392",
        better="lower",
        needs=frozenset({"explanations"}),
        limits=(0.0, float("inf")),
        aliases=("sensitivity_max", "sens_max"),
        options=_OPTIONS,
        takes_token_ids=False,
        seeded=True,
    ),
    Metric(
        avg_sensitivity,
        title="average sensitivity",
        summary="The mean change of the map when the input is perturbed a little.",
        paper="Bhatt, Weller & Moura 2020, arXiv:2005.00631",
        better="lower",
        needs=frozenset({"explanations"}),
        limits=(0.0, float("inf")),
        aliases=("average_sensitivity",),
        options=_OPTIONS,
        takes_token_ids=False,
        seeded=True,
    ),
)
