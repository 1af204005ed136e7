"""tf-explain as an engine, for the one kernel of its that gives the right numbers: the plain gradient."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from explain.algorithms.gradient import zero_gradient_warnings
from explain.errors import EngineError, FrameworkNotInstalledError
from explain.examples import Array
from explain.problem import Found, Problem
from explain.tf_ext.backend import TensorFlowBackend


def run(problem: Problem) -> Found:
    """Run a problem in tf-explain, a chunk of examples of one target at a time.

    Raises
    ------
    EngineError
        If tf-explain cannot compute this, with the reason.
    """
    try:
        from tf_explain.core.vanilla_gradients import VanillaGradients
    except ImportError as cause:
        raise FrameworkNotInstalledError(
            f"tf-explain cannot be imported ({cause}): install it with pip install 'explain-toolkit[tensorflow]'."
        ) from cause
    backend, examples = problem.backend, problem.examples
    assert isinstance(backend, TensorFlowBackend)
    indices = examples.target.indices
    if indices is None or indices.shape[1] != 1 or len(examples.inputs[0].shape) != 4:
        raise EngineError(
            "engine='tf-explain' takes pictures (N, H, W, C) and one class an example; this is something else. Use "
            "engine='explain'."
        )
    if backend.dtype != np.float32:
        raise EngineError(
            "engine='tf-explain' casts its input to float32; the model computes in float64. Use engine='explain'."
        )
    gradients = np.empty_like(examples.inputs[0])
    for label in np.unique(indices):
        of_label = np.flatnonzero(indices[:, 0] == label)
        for rows in problem.executor.rows(len(of_label)):
            chosen = examples.rows(of_label[rows])
            found: Array = VanillaGradients.compute_gradients(
                tf.constant(chosen.inputs[0]), backend.reference_call(chosen), int(label)
            ).numpy()
            gradients[of_label[rows]] = found
    return Found(values=(gradients,), warnings=zero_gradient_warnings((gradients,)))
