"""Whether two models give the same on some examples, once the weights of the one are in the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.backends.protocol import Extension, Question
from explain.errors import ExplainError
from explain.inputs.examples import Array, Examples
from explain.migration.porting.both_models import as_taken
from explain.results.similarity import relative_l2


def outputs_apart(
    here: Extension, there: Extension, source_model: Any, target_model: Any, x: Any
) -> float | None:
    """Give the relative L2 of the outputs of two models, both in inference mode, before a softmax that they end in.

    Parameters
    ----------
    here, there : Extension
        Of the source and of the target.
    source_model, target_model : object
        The models.
    x : array_like
        A batch, as the source takes it.

    Returns
    -------
    float, optional
        None where it cannot be told: of several inputs or outputs, or for a target that does not take `x`.
    """
    if isinstance(x, (Mapping, tuple, list)):
        return None
    try:
        moved = as_taken(x, here, there, source_model, target_model)
        a, b = (
            _outputs(extension, model, array)
            for extension, model, array in ((here, source_model, x), (there, target_model, moved))
        )
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
