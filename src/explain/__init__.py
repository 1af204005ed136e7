"""One attribution interface over PyTorch and TensorFlow: same weights, same numbers, same picture."""

from typing import TYPE_CHECKING

from explain import errors
from explain.lazy_names import importer as _importer
from explain.version import VERSION as _VERSION

if TYPE_CHECKING:
    from explain import callbacks, metrics, migration, preprocessing, render, reports, zoo
    from explain.algorithms.catalogue import methods
    from explain.api import attribute, maximize
    from explain.fingerprints import fingerprint
    from explain.inputs.display import Display
    from explain.inputs.text.continuation import Continuation
    from explain.layer_table.listing import layers
    from explain.metrics.benchmarking import benchmark
    from explain.metrics.evaluating import evaluate
    from explain.metrics.results.benchmark import Benchmark
    from explain.metrics.results.evaluation import Evaluation
    from explain.migration.check import check_migration
    from explain.migration.porting.transfer import port
    from explain.migration.report import MigrationReport
    from explain.models.opening import load_model
    from explain.public_calls.progress_bar import progress
    from explain.reports.writing import report
    from explain.results.attribution import Attribution, load
    from explain.results.comparison import compare

__version__ = _VERSION

# Where each public name lives: imported when it is first used, so that importing explain stays cheap.
_HOMES = {
    "attribute": "explain.api",
    "maximize": "explain.api",
    "methods": "explain.algorithms.catalogue",
    "callbacks": "explain.callbacks",
    "compare": "explain.results.comparison",
    "check_migration": "explain.migration.check",
    "MigrationReport": "explain.migration.report",
    "metrics": "explain.metrics",
    "migration": "explain.migration",
    "Attribution": "explain.results.attribution",
    "Benchmark": "explain.metrics.results.benchmark",
    "Evaluation": "explain.metrics.results.evaluation",
    "benchmark": "explain.metrics.benchmarking",
    "evaluate": "explain.metrics.evaluating",
    "layers": "explain.layer_table.listing",
    "load": "explain.results.attribution",
    "load_model": "explain.models.opening",
    "fingerprint": "explain.fingerprints",
    "Display": "explain.inputs.display",
    "Continuation": "explain.inputs.text.continuation",
    "port": "explain.migration.porting.transfer",
    "preprocessing": "explain.preprocessing",
    "progress": "explain.public_calls.progress_bar",
    "render": "explain.render",
    "report": "explain.reports.writing",
    "reports": "explain.reports",
    "zoo": "explain.zoo",
}

__all__ = [
    "Attribution",
    "Benchmark",
    "Continuation",
    "Display",
    "Evaluation",
    "MigrationReport",
    "attribute",
    "benchmark",
    "callbacks",
    "check_migration",
    "compare",
    "errors",
    "evaluate",
    "fingerprint",
    "layers",
    "load",
    "load_model",
    "maximize",
    "methods",
    "metrics",
    "migration",
    "port",
    "preprocessing",
    "progress",
    "render",
    "report",
    "reports",
    "zoo",
]


__getattr__ = _importer(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
