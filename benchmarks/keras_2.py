"""Times of ordinary calls on the same models in `tf_keras` (Keras 2) and in Keras 3; their maps must agree.

Run with ``tf_keras`` on the path, which the project does not install: ``pip install --no-deps --target FOLDER
tf_keras``, then ``PYTHONPATH=src:FOLDER python -m benchmarks.keras_2``.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import keras
import numpy as np

import explain

ROUNDS = 15


def pictures(package: Any) -> Any:
    """A convolutional network for pictures of 32 × 32."""
    layers = package.layers
    x = package.Input((32, 32, 3))
    hidden = x
    for number, width in enumerate((16, 32, 32)):
        hidden = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv{number}")(hidden)
        hidden = layers.MaxPooling2D()(hidden)
    return package.Model(x, layers.Dense(10)(layers.GlobalAveragePooling2D()(hidden)))


def series(package: Any) -> Any:
    """A GRU and an LSTM over 20 steps."""
    x = package.Input((20, 8))
    hidden = package.layers.LSTM(16)(package.layers.GRU(16, return_sequences=True)(x))
    return package.Model(x, package.layers.Dense(5)(hidden))


def timed(model: Any, x: np.ndarray, method: str) -> tuple[float, np.ndarray]:
    """Give the seconds of one call, and its map."""
    begun = time.perf_counter()
    options = {"n_steps": 32} if method == "ig" else {}
    found = explain.attribute(model, x, method, target=1, **options)
    return time.perf_counter() - begun, found.values


def main() -> None:
    """Print one line a case: the medians, and the median of the ratios round by round."""
    # Only here, since the tests import every module for its examples.
    import tf_keras

    warnings.simplefilter("ignore", explain.errors.ExplainWarning)
    rng = np.random.default_rng(0)
    for build, shape in ((pictures, (4, 32, 32, 3)), (series, (4, 20, 8))):
        three, two = build(keras), build(tf_keras)
        two.set_weights(three.get_weights())
        x = rng.normal(size=shape).astype(np.float32)
        for method in ("saliency", "ig", "grad_cam", "occlusion", "lrp", "deep_lift"):
            if method == "grad_cam" and build is series:
                # The score depends on the last step only.
                continue
            (_, first), (_, second) = timed(three, x, method), timed(two, x, method)
            np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-6)
            seconds = np.array(
                [[timed(three, x, method)[0], timed(two, x, method)[0]] for _ in range(ROUNDS)]
            )
            own, other = np.median(seconds, axis=0) * 1e3
            ratio = np.median(seconds[:, 1] / seconds[:, 0])
            print(
                f"{build.__name__:9}{method:10} Keras 3 {own:6.1f} ms, Keras 2 {other:6.1f} ms: {ratio:.2f} x"
            )


if __name__ == "__main__":
    main()
