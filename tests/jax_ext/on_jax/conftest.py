"""These tests run where Keras runs on JAX: `tests/jax_ext/test_on_jax.py` starts the process."""

from __future__ import annotations

import os

if os.environ.get("KERAS_BACKEND") != "jax":
    collect_ignore_glob = ["test_*.py"]
