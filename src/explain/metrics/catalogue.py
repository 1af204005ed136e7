"""The catalogue of metrics: it collects the rows from the metrics' files, and checks them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields
from types import ModuleType
from typing import get_args

from explain.errors import EvaluationError, OptionError
from explain.inputs.layout import KINDS
from explain.inputs.naming.brief import brief
from explain.inputs.naming.suggestions import suggestion
from explain.metrics.complexity import (
    effective_complexity,
    entropy,
    sparseness,
)
from explain.metrics.faithfulness import (
    completeness,
    deletion,
    infidelity,
    insertion,
    irof,
    monotonicity,
    monotonicity_correlation,
    pixel_flipping,
    place_correlation,
    rationales,
    road,
    sensitivity_n,
    subset_correlation,
)
from explain.metrics.localization import (
    attribution_localization,
    pointing_game,
    relevance_accuracy,
    roc,
    top_k_intersection,
)
from explain.metrics.metric import Metric, Need
from explain.metrics.randomization import (
    efficient_model_parameter_randomization,
    model_parameter_randomization,
    random_logit,
)
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Better
from explain.metrics.robustness import (
    local_lipschitz,
    relative_stability,
    seed_stability,
    sensitivity,
)

_FILES = (
    completeness,
    deletion,
    subset_correlation,
    place_correlation,
    infidelity,
    insertion,
    monotonicity,
    monotonicity_correlation,
    pixel_flipping,
    rationales,
    sensitivity_n,
    irof,
    road,
    sensitivity,
    local_lipschitz,
    relative_stability,
    seed_stability,
    model_parameter_randomization,
    efficient_model_parameter_randomization,
    random_logit,
    sparseness,
    entropy,
    effective_complexity,
    pointing_game,
    relevance_accuracy,
    top_k_intersection,
    attribution_localization,
    roc,
)
"""The files of the metrics, in the order of the catalogue."""

_NAME = re.compile("[a-z][a-z0-9_]*")


def names() -> tuple[str, ...]:
    """Give the names of the metrics.

    Examples
    --------
    >>> "deletion" in names()
    True
    """
    return tuple(row.name for row in rows())


def rows() -> tuple[Metric, ...]:
    """Give the rows of the catalogue, each with name, family, summary, paper, options and what it needs.

    Examples
    --------
    >>> [row.name for row in rows() if row.family == "complexity"][:1]
    ['sparseness']
    """
    return _ROWS


def find(name: object) -> Metric:
    """Find a metric by its name or an alias; case, spaces and hyphens do not matter.

    Raises
    ------
    EvaluationError
        If there is no such metric; the message suggests the nearest name.

    Examples
    --------
    >>> find("Deletion AUC").name
    'deletion'
    """
    known = {each: row for row in _ROWS for each in (row.name, *row.aliases)}
    if isinstance(name, str):
        wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
        if wanted in known:
            return known[wanted]
    listed = ", ".join(names())
    raise EvaluationError(
        f"metrics={brief(name)} is not in the catalogue.{suggestion(name, known)} The metrics are {listed}; "
        "explain.metrics.rows() has the options of each."
    )


def check_options(row: Metric, given: Iterable[str]) -> None:
    """Refuse options that a metric does not have.

    Raises
    ------
    OptionError
        The message names its options.
    """
    known = [option.name for option in row.options]
    for name in given:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise OptionError(
                f"{name!r} is not an option of the metric {row.name}; its options are: {listed}."
                f"{suggestion(name, known)}"
            )


def collected(files: Iterable[ModuleType]) -> tuple[Metric, ...]:
    """Collect the rows of some files, in order, and check them.

    Raises
    ------
    ValueError
        If a row is invalid; the message names the row, its file and what to change.
    """
    found: list[Metric] = []
    owners: dict[str, str] = {}
    for file in files:
        for row in file.ROWS:
            faults = [*_faults(row, file)]
            for name in (row.name, *row.aliases):
                if not _NAME.fullmatch(name):
                    faults.append(f"the name {name!r} is not in snake case")
                if name in owners:
                    faults.append(f"{owners[name]} has the name {name!r} already")
                owners[name] = row.name
            if faults:
                raise ValueError(f"The row of metric {row.name!r} in {file.__name__}: {'; '.join(faults)}.")
            found.append(row)
    return tuple(found)


def _faults(row: Metric, file: ModuleType) -> Iterator[str]:
    if row.implementation.__module__ != file.__name__:
        yield f"its function is defined in {row.implementation.__module__}, not in the file of the row"
    if not row.summary.endswith("."):
        yield "summary is not a sentence: end it with a full stop"
    if not row.paper:
        yield "paper is missing"
    if not set(row.needs) <= set(get_args(Need)):
        yield f"needs has {sorted(row.needs)}: take some of {', '.join(map(repr, get_args(Need)))}"
    if not row.kinds or not set(row.kinds) <= set(KINDS):
        yield f"kinds has {sorted(row.kinds)}: take some of {', '.join(map(repr, KINDS))}"
    if row.better not in get_args(Better):
        yield f"better={row.better!r}: take one of {', '.join(map(repr, get_args(Better)))}"
    if not row.limits[0] < row.limits[1]:
        yield f"limits={row.limits}: give the least value first"
    if row.name in {*dir(Evaluation), *(field.name for field in fields(Evaluation))}:
        yield f"an Evaluation has {row.name!r} already, where the mean of the metric would be"
    for name, count in Counter(option.name for option in row.options).items():
        if count > 1:
            yield f"option {name!r} is defined {count} times"
    for option in row.options:
        if not option.accepts(option.default):
            yield f"option {option.name!r} does not accept its default {option.default!r}"
        if not option.summary.endswith("."):
            yield f"the summary of option {option.name!r} is not a sentence: end it with a full stop"


_ROWS = collected(_FILES)
