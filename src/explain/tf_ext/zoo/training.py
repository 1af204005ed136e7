"""Training the seed models that are native to TensorFlow. `explain.torch_ext.zoo.training` mirrors this file."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from explain.errors import OptionError
from explain.tf_ext.zoo.seed_models import ARCHITECTURES, NamesRNN
from explain.zoo.batches import Batch, evaluation_batches, steps_of, training_batches
from explain.zoo.data import Split
from explain.zoo.seed_models import seed_model


def train(
    name: str,
    split: Split,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[int, int, float], None] | None = None,
) -> keras.Model:
    """Train a seed model from scratch.

    Parameters
    ----------
    name : {"cifar_keras", "fashion_rnn"}
        Which seed model.
    split : Split
        The training set.
    epochs : int, optional
        Passes over it; by default as many as the model's recipe says.
    seed : int
        Seed of the initial weights, of the order and of the augmentation. On one machine's CPU, the same
        seed gives the same weights.
    device : {"auto", "cpu", "cuda"}
        Where to train; ``"auto"`` is a GPU where there is one.
    progress : callable, optional
        Called after every step with the steps done, the steps in all and the loss of the step.

    Returns
    -------
    keras.Model
        The trained model.

    Raises
    ------
    OptionError
        If the device is unknown or there is none.
    """
    model_row = seed_model(name)
    epochs = model_row.recipe.epochs if epochs is None else epochs
    with tf.device({"cpu": "/CPU:0", "cuda": "/GPU:0"}[choose_device(device)]):
        model = _initial(name, seed)
        optimizer = keras.optimizers.AdamW(
            weight_decay=model_row.recipe.weight_decay, global_clipnorm=model_row.recipe.clip_norm
        )
        optimizer.build(model.trainable_variables)
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=model_row.output == "logits")

        @tf.function
        def update(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = cross_entropy(y, model(x, training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        steps = steps_of(len(split), model_row.recipe, epochs)
        for step, batch in enumerate(training_batches(model_row, split, epochs, seed), start=1):
            optimizer.learning_rate = batch.learning_rate
            loss = update(batch.x, batch.y)
            if progress is not None:
                progress(step, steps, float(loss))
    return model


def accuracy(name: str, model: keras.Model, split: Split) -> float:
    """Give the share of a split that a seed model classifies correctly.

    Parameters
    ----------
    name : str
        Which seed model it is.
    model : keras.Model
        The model.
    split : Split
        Usually the test set.

    Returns
    -------
    float
        In [0, 1].
    """
    correct = 0
    for batch in evaluation_batches(seed_model(name), split):
        predicted = np.asarray(outputs(model, batch)).argmax(axis=1)
        correct += int((predicted == batch.y).sum())
    return correct / len(split)


def outputs(model: keras.Model, batch: Batch) -> Any:
    """Run a seed model on a batch, character by character where it takes one at a time.

    Parameters
    ----------
    model : keras.Model
        A seed model.
    batch : Batch
        Its input.

    Returns
    -------
    tf.Tensor, shape (N, classes)
        The model's output; for names, the one after the last character of each.
    """
    if not isinstance(model, NamesRNN) or batch.lengths is None:
        return model(batch.x, training=False)
    hidden = model.init_hidden(len(batch.x))
    every_step = []
    for step in range(batch.x.shape[1]):
        output, hidden = model(batch.x[:, step], hidden)
        every_step.append(output)
    return tf.gather(tf.stack(every_step, axis=1), batch.lengths - 1, axis=1, batch_dims=1)


def choose_device(device: str) -> str:
    """Turn ``"auto"``, ``"cpu"`` or ``"cuda"`` into ``"cpu"`` or ``"cuda"``, whichever is there.

    Raises
    ------
    OptionError
        If the name is unknown, or there is no such device.

    Examples
    --------
    >>> choose_device("cpu")
    'cpu'
    """
    if device not in ("auto", "cpu", "cuda"):
        raise OptionError(f'device={device!r} is unknown: give "auto", "cpu" or "cuda".')
    found = bool(tf.config.list_physical_devices("GPU"))
    if device == "cuda" and not found:
        raise OptionError('device="cuda" but TensorFlow finds no CUDA device: give "auto" or "cpu".')
    return "cuda" if device != "cpu" and found else "cpu"


def versions() -> dict[str, str]:
    """Give the versions of what trains, by package."""
    return {"tensorflow": tf.__version__, "keras": keras.__version__}


def _initial(name: str, seed: int) -> keras.Model:
    """Build an untrained model whose initial weights are those of a seed; the random state is put back."""
    random_state = random.getstate()
    try:
        # Keras draws the seeds of its initialisers from here.
        random.seed(seed)
        return ARCHITECTURES[name]("float32")
    finally:
        random.setstate(random_state)
