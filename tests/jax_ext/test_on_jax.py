"""Keras on JAX, in processes of its own: Keras runs on one framework in a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jax_ext import twins

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


def run_on_jax(*arguments, **options):
    """Run Python where Keras runs on JAX, and give what it printed."""
    ran = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    return ran.stdout


@pytest.mark.parametrize("name", ["test_contract.py", "test_keras_models.py"])
def test_in_a_process_of_its_own(name):
    options = ["-p", "no:cacheprovider", "-q", "--no-cov", "--import-mode=importlib"]
    assert " passed" in run_on_jax("-m", "pytest", *options, HERE / "on_jax" / name, cwd=REPOSITORY)


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory):
    file = tmp_path_factory.mktemp("twins") / "values.npz"
    run_on_jax(HERE / "twins.py", file)
    return dict(np.load(file))


@pytest.mark.parametrize("framework", ["tensorflow", "torch"])
def test_the_same_weights_give_the_same_numbers(on_jax, framework):
    if framework == "torch":
        others = twins.explained(twins.torch_models(), channels_first=True, layers=twins.TORCH_LAYER)
    else:
        others = twins.explained(twins.keras_models())
    assert set(on_jax) == set(others)
    for name, values in on_jax.items():
        if name.endswith(twins.OF_DIFFERENCES):
            scores = on_jax[f"{name.split()[0]} scores"]
            assert np.abs(values - others[name]).max() <= 1e-6 * np.abs(scores).max(), name
            continue
        for one, other in zip(values, others[name], strict=True):
            assert np.linalg.norm(one - other) <= 1e-6 * np.linalg.norm(other), name
