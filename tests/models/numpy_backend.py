"""A backend in pure NumPy: a dense ReLU network with a gradient written by hand.

It shows how little a backend must bring, and holds the protocol to being free of any framework.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import psutil

from explain.backends import Finding, default_layout
from explain.running import StraightPath, expanded_gradients


@dataclass(frozen=True)
class DenseReluNetwork:
    """``relu(x @ hidden + offset) @ readout``."""

    hidden: np.ndarray
    offset: np.ndarray
    readout: np.ndarray

    def __call__(self, x):
        return np.maximum(x @ self.hidden + self.offset, 0) @ self.readout


class NumpyBackend:
    name = "numpy-dense"
    provides = frozenset({"outputs", "gradients", "path_gradients"})
    dtype = np.dtype(np.float64)
    fixed_batch_size = None
    model_name = "DenseReluNetwork"
    device_name = "cpu"

    def __init__(self, model, question):
        self._model = model

    @contextmanager
    def session(self) -> Iterator[None]:
        yield

    def hold(self, examples):
        return examples

    def is_out_of_memory(self, error):
        return isinstance(error, MemoryError)

    def outputs(self, examples, *, ahead=None):
        return self._model(examples.inputs[0]), Finding("output")

    def scores(self, examples):
        outputs, target = self.outputs(examples)[0], examples.target
        return (
            target.function(outputs)
            if target.function
            else np.take_along_axis(outputs, target.indices, 1)[:, 0]
        )

    def gradients(self, examples):
        model, x = self._model, examples.inputs[0]
        open_gates = x @ model.hidden + model.offset > 0
        if examples.target.function:
            # The outputs are few: the callable's own gradient by central differences, exact where it is linear.
            outputs = model(x)
            steps = 1e-3 * np.eye(outputs.shape[1])
            function = examples.target.function
            picked = np.stack(
                [(function(outputs + one) - function(outputs - one)) / 2e-3 for one in steps], axis=1
            )
        else:
            picked = np.eye(model.readout.shape[1])[examples.target.indices[:, 0]]
        return ((picked @ model.readout.T * open_gates) @ model.hidden.T,), self.scores(examples)

    def reseeded(self):
        return nullcontext()

    def path_gradients(self, examples, baselines, alphas, weights, executor):
        differences = tuple(end - start for end, start in zip(examples.inputs, baselines, strict=True))
        return expanded_gradients(
            self, examples, StraightPath(baselines, differences, alphas), weights, executor
        )

    def has_kinks(self, examples):
        return True

    def bytes_per_point(self, examples):
        return 8 * (2 * self._model.hidden.size + self._model.readout.size)

    def free_memory(self):
        return int(psutil.virtual_memory().available)

    def synchronize(self):
        pass


class NumpyExtension:
    name = "numpy-dense"
    accepts = "a DenseReluNetwork"
    reference_engine = None

    def recognises(self, model):
        return type(model).__name__ == "DenseReluNetwork"

    def is_tensor(self, value):
        return False

    def to_numpy(self, tensor):
        return np.asarray(tensor)

    def version(self):
        return np.__version__

    def default_layout(self, model, ndim):
        return default_layout(ndim, "last")

    def stated_input_shape(self, model):
        return (len(model.hidden),)

    def stated_bounds(self, model):
        return None

    def open(self, model, question, like):
        return NumpyBackend(model, question)

    def run_reference_engine(self, problem):
        raise AssertionError("there is no reference engine")


extension = NumpyExtension()
