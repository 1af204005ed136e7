"""Metrics of explanations: which of them can be believed, and by what measure.

`explain.evaluate` measures them on one attribution, `explain.benchmark` compares methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.lazy_names import importer

if TYPE_CHECKING:
    from explain.metrics.catalogue import find, names, rows
    from explain.metrics.metric import Metric
    from explain.metrics.results.measurement import Aggregate, Measurement

_HOMES = {
    "Aggregate": "explain.metrics.results.measurement",
    "Measurement": "explain.metrics.results.measurement",
    "Metric": "explain.metrics.metric",
    "find": "explain.metrics.catalogue",
    "names": "explain.metrics.catalogue",
    "rows": "explain.metrics.catalogue",
}

__all__ = ["Aggregate", "Measurement", "Metric", "find", "names", "rows"]

__getattr__ = importer(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
