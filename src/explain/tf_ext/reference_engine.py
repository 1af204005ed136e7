"""tf-explain as a reference engine, for its two kernels with correct numbers: gradient, and input × gradient."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from explain.algorithms.example_warnings import zero_gradient_warnings
from explain.backends.found import Found
from explain.errors import EngineError, FrameworkNotInstalledError
from explain.inputs.examples import Array
from explain.running.problem import Problem
from explain.tf_ext.backend import TensorFlowBackend


def run(problem: Problem) -> Found:
    """Run a problem in tf-explain, one chunk of examples with the same target at a time.

    Raises
    ------
    EngineError
        If tf-explain cannot compute the problem; the message gives the reason.
    """
    try:
        from tf_explain.core.gradients_inputs import GradientsInputs
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
            "engine='tf-explain' takes pictures (N, H, W, C) and one class per example; x or target is different. Use "
            "engine='explain'."
        )
    if backend.dtype != np.float32:
        raise EngineError(
            "engine='tf-explain' casts its input to float32; the model computes in float64. Use engine='explain'."
        )
    kernel = {"saliency": VanillaGradients, "input_x_gradient": GradientsInputs}[problem.method]
    values = np.empty_like(examples.inputs[0])
    for label in np.unique(indices):
        of_label = np.flatnonzero(indices[:, 0] == label)

        def compute(rows: slice, places: npt.NDArray[np.intp] = of_label, label: int = int(label)) -> Array:
            chosen = examples.rows(places[rows])
            found: Array = kernel.compute_gradients(
                tf.constant(chosen.inputs[0]), backend.reference_call(chosen), label
            ).numpy()
            return found

        for rows, found in problem.executor.over_rows(len(of_label), compute):
            values[of_label[rows]] = found
    # A product is zero also where the input is zero: only a zero gradient shows that the map is empty.
    warnings = zero_gradient_warnings((values,)) if problem.method == "saliency" else ()
    return Found(values=(values,), warnings=warnings)
