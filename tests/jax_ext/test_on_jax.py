"""Keras on JAX, in processes of its own: Keras runs on one framework in a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from models import keras_twins

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", ["test_contract.py", "test_keras_models.py"])
def test_in_a_process_of_its_own(name):
    options = ["-p", "no:cacheprovider", "-q", "--no-cov"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(HERE / "on_jax" / name)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    assert " passed" in ran.stdout


@pytest.fixture(scope="module")
def on_jax(tmp_path_factory):
    return keras_twins.explained_in_a_process("jax", tmp_path_factory.mktemp("twins") / "values.npz")


def test_the_same_weights_give_the_numbers_of_tensorflow(on_jax):
    keras_twins.assert_the_same_numbers(on_jax, keras_twins.explained(keras_twins.keras_models()))


def test_the_same_weights_give_the_numbers_of_torch(on_jax):
    models = keras_twins.torch_models()
    of_torch = keras_twins.explained(models, channels_first=True, layers=keras_twins.TORCH_LAYER)
    keras_twins.assert_the_same_numbers(on_jax, of_torch)
