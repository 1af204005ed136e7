"""The contract of a backend, for Keras models on JAX."""

from __future__ import annotations

import jax
import keras
import numpy as np
import pytest

from explain.jax_ext.extension import extension as jax_extension
from explain.running import BackendContract, ContractModel


def _x(*shape):
    return np.random.default_rng(1).normal(size=shape)


class TestKerasOnJax(BackendContract):
    extension = jax_extension

    @pytest.fixture(autouse=True)
    def in_double_precision(self):
        with jax.enable_x64(True):
            yield

    def models(self):
        keras.utils.set_random_seed(0)
        layers, kinds = keras.layers, {"dtype": "float64"}
        # On JAX, Keras's own tanh gives single precision, whatever it is given; its sigmoid keeps double precision.
        picture = [layers.Conv2D(3, 3, activation="sigmoid", **kinds), layers.AveragePooling2D(2, **kinds)]
        picture += [layers.Flatten(**kinds), layers.Dense(4, **kinds)]
        sequence = [layers.GRU(5, activation="sigmoid", **kinds), layers.Dense(3, **kinds)]
        fixed = [keras.Input(batch_shape=(2, 5), **kinds), layers.Dense(2, **kinds)]
        pictures = keras.Sequential([keras.Input((6, 6, 2), **kinds), *picture])
        sequences = keras.Sequential([keras.Input((4, 3), **kinds), *sequence])
        return [
            ContractModel("picture", pictures, _x(4, 6, 6, 2), "NHWC"),
            ContractModel("sequence", sequences, _x(3, 4, 3), "NTC"),
            ContractModel("fixed batch size", keras.Sequential(fixed), _x(3, 5), "NC"),
        ]
