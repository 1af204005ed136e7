"""The TensorFlow part of `explain.zoo.training.loop`; `explain.torch_ext.zoo.training` is the PyTorch part."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from explain.running.random_state import preserved_random_state
from explain.tf_ext.zoo.seed_models import NamesRNN, build
from explain.zoo.model_row import SeedModel
from explain.zoo.training.batches import Batch
from explain.zoo.training.steps import output_of_each_step

TITLE = "TensorFlow"


def has_gpu() -> bool:
    """Tell whether TensorFlow finds a CUDA device."""
    return bool(tf.config.list_physical_devices("GPU"))


def versions() -> dict[str, str]:
    """Give the versions of the packages used for training, by name."""
    return {"tensorflow": tf.__version__, "keras": keras.__version__}


@contextmanager
def started(model: SeedModel, seed: int, device: str) -> Iterator[tuple[keras.Model, Callable[[Batch], Any]]]:
    """Build an untrained model and its optimiser; see `explain.zoo.training.loop.FrameworkTraining.started`."""
    with tf.device({"cpu": "/CPU:0", "cuda": "/GPU:0"}[device]):
        with preserved_random_state():
            # Keras draws the seeds of its initialisers from Python's `random`.
            random.seed(seed)
            network = build(model.name)
        optimizer = keras.optimizers.AdamW(
            weight_decay=model.recipe.weight_decay, global_clipnorm=model.recipe.clip_norm
        )
        optimizer.build(network.trainable_variables)
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=model.output == "logits")

        @tf.function
        def step(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = cross_entropy(y, network(x, training=True))
            gradients = tape.gradient(loss, network.trainable_variables)
            optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
            return loss

        def update(batch: Batch) -> Any:
            optimizer.learning_rate = batch.learning_rate
            return step(batch.x, batch.y)

        yield network, update


def predict(model: keras.Model, batch: Batch) -> npt.NDArray[np.floating]:
    """Give the outputs of a seed model; see `explain.zoo.training.loop.FrameworkTraining.predict`."""
    if not isinstance(model, NamesRNN) or batch.lengths is None:
        return np.asarray(model(batch.x, training=False))
    outputs = tf.stack(output_of_each_step(model, batch.x), axis=1)
    return np.asarray(tf.gather(outputs, batch.lengths - 1, axis=1, batch_dims=1))
