"""Whether source and target return the same outputs after the weights are ported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.backends.protocol import Extension
from explain.backends.question import Question
from explain.errors import ExplainError
from explain.inputs.examples import Array, Examples
from explain.migration.porting.both_models import BothModels
from explain.results.similarity import relative_l2


def outputs_apart(models: BothModels, x: Any) -> float | None:
    """Give the relative L2 of the outputs of both models in inference mode, before a softmax at their end.

    Parameters
    ----------
    models : BothModels
        Source and target.
    x : array_like
        A batch, as the source takes it.

    Returns
    -------
    float, optional
        None if it is unknown: for several inputs or outputs, or a target that does not take `x`.
    """
    if isinstance(x, (Mapping, tuple, list)):
        return None
    try:
        moved = models.as_target_takes(x)
        a = _outputs(models.source_extension, models.source, x)
        b = _outputs(models.target_extension, models.target, moved)
    except ExplainError:
        return None
    candidates = [b] if b.ndim < 3 else [b, np.moveaxis(b, 1, -1), np.moveaxis(b, -1, 1)]
    apart = [relative_l2(a.ravel(), one.ravel()) for one in candidates if one.shape == a.shape]
    return min(apart) if apart else float("inf")


def _outputs(extension: Extension, model: Any, x: Any) -> Array:
    host = extension.to_numpy(x) if extension.is_tensor(x) else np.asarray(x)
    layout = extension.default_layout(model, host.ndim)
    backend = extension.open(model, Question(layout), host)
    first = np.ascontiguousarray(layout.to_batch_first(host))
    with backend.session():
        examples = Examples((first if first.dtype.kind == "i" else first.astype(backend.dtype),))
        outputs, _ = backend.outputs(backend.hold(examples))
    return np.asarray(outputs, np.float64)
