"""The relevance of a Keras architecture by its twin on Keras's PyTorch backend, whose functions have a reference.

A process has one backend, so another process computes it, from a file of the weights:

    KERAS_BACKEND=torch python -m architectures.relevance_keras NAME WEIGHTS RELEVANCES
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from architectures.keras_layers import layer_named, replaced
from architectures.passes import Array, Passes


def relevances_on_torch(passes: Passes) -> list[Array] | None:
    """The relevance of each part; None where a function of the twin has no rule."""
    with tempfile.TemporaryDirectory() as folder:
        weights, file = Path(folder) / "weights.npz", Path(folder) / "relevances.npz"
        np.savez(weights, **{one.path: one.numpy() for one in passes.model.weights})
        subprocess.run(
            [sys.executable, "-m", "architectures.relevance_keras", passes.architecture.name, weights, file],
            env={**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            capture_output=True,
        )
        if not file.exists():
            return None
        with np.load(file) as held:
            found = [held[name] for name in held.files]
    scores = passes.scores(passes.starts, passes.rows)
    np.testing.assert_allclose(found[0], scores, rtol=1e-3, atol=1e-3, err_msg="the twin is another model")
    return found[1:]


def main(name: str, weights: str, file: str) -> None:
    """Write the scores and the relevance of each part."""
    import keras
    import torch
    from architectures.frozen import ARCHITECTURES
    from architectures.passes_torch import TorchPasses

    class KerasOnTorchPasses(TorchPasses):
        """Keras's forward passes, and autograd."""

        def vectors(self, name: str, key: Any, ids: Array) -> Array:
            return layer_named(self.model, name)(torch.as_tensor(ids)).detach().numpy()

        def weights(self) -> list[torch.Tensor]:
            return [one.value for one in self.model.weights]

        def run(self, points: Any, rows: Array) -> torch.Tensor:
            given, vectors = self.with_points(points, rows)
            with ExitStack() as stack:
                for (name, key), one in vectors.items():
                    stack.enter_context(replaced(layer_named(self.model, name), given[key], one))
                if isinstance(given, dict):
                    inputs: Any = {key: torch.as_tensor(one) for key, one in given.items()}
                else:
                    inputs = torch.as_tensor(given[0])
                # Without the argument, some models of KerasHub normalise by the statistics of the batch.
                own = {"training": False} if self.called is self.model else {}
                return self.picked(self.called(inputs, **own))

    assert keras.backend.backend() == "torch"
    (architecture,) = (one for one in ARCHITECTURES if one.name == name)

    def build() -> Any:
        model = architecture.build()
        with np.load(weights) as held:
            assert sorted(held.files) == sorted(one.path for one in model.weights)
            for one in model.weights:
                one.assign(held[one.path])
        return model

    passes = KerasOnTorchPasses(replace(architecture, build=build))
    relevances = passes.relevances()
    if relevances is not None:
        np.savez(file, passes.scores(passes.starts, passes.rows), *relevances)


if __name__ == "__main__":
    main(*sys.argv[1:])
