"""Models that change their own state and draw random numbers when they are called, which an explanation must undo.

Each is built by the kit of its framework.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np


def untidy_torch_model(kit: Any, raise_at: int | None = None, noisy: bool = True) -> Any:
    """A model that does what a model should not: it writes buffers and attributes, draws, and counts."""
    torch, nn = kit.torch, kit.torch.nn
    # Outside the model: what it keeps itself is put back before every call.
    calls_made = itertools.count(1)

    class Untidy(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 6)
            self.norm = nn.BatchNorm1d(6)
            self.drop = nn.Dropout(0.5)
            self.last = nn.Linear(6, 3)
            self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
            self.register_buffer("seen", torch.zeros(6))
            self.hidden = None
            self.log = ["made"]
            self.by_name = {"made": 1}

        def forward(self, x):
            self.calls += 1
            if raise_at is not None and next(calls_made) >= raise_at:
                raise ZeroDivisionError("in the middle")
            hidden = self.drop(self.norm(self.first(x)))
            self.seen.copy_(hidden.detach().mean(dim=0))
            self.hidden = hidden
            self.log.append("called")
            self.by_name["called"] = len(self.log)
            if noisy:
                random.random(), np.random.rand(), torch.rand(1)
            return self.last(hidden)

    model = kit.randomised(Untidy())
    # Modes mixed, one parameter frozen, gradients and a hook of the user's own.
    model.train()
    model.norm.eval()
    model.first.weight.requires_grad_(False)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, 0.25)
    model.last.register_forward_hook(lambda *_: None)
    model.norm.running_mean.uniform_(-1, 1)
    return model


def untidy_keras_model(kit: Any, raise_at: int | None = None) -> Any:
    """A model that writes a variable at every call, draws, and has layers of every kind of state."""
    keras, tf = kit.keras, kit.tf
    layers = keras.layers

    class Untidy(keras.Model):
        limit = None

        def __init__(self):
            super().__init__()
            self.first = layers.Dense(6, activation="relu")
            self.norm = layers.BatchNormalization()
            self.drop = layers.Dropout(0.5, seed=1)
            self.last = layers.Dense(3, activation="softmax")
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

        def call(self, x, training=None):
            self.calls.assign_add(1.0)
            if self.limit is not None:
                tf.debugging.assert_less(self.calls, float(self.limit), message="in the middle")
            hidden = self.drop(self.norm(self.first(x), training=training), training=training)
            noise = tf.random.uniform(()) + tf.random.get_global_generator().uniform(())
            return self.last(hidden + 0 * noise)

    model = Untidy()
    model(np.zeros((1, 4), np.float32))
    model.limit = raise_at
    kit.randomised(model)
    model.calls.assign(0.0)
    model.norm.moving_mean.assign(np.linspace(-1, 1, 6))
    model.first.trainable = False
    return model
