"""A few epochs of training in each framework, with a callback or without."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

CLASSES = 3
PICTURES, BATCH = 24, 8
RATE = 0.01


def pictures(kit: Any, count: int = PICTURES) -> tuple[Any, Any]:
    """Pictures in the layout of a kit, and their classes."""
    drawn = np.random.default_rng(0)
    x = drawn.normal(size=(count, *kit.picture_shape(1, 8, 8))).astype("float32")
    return x, drawn.integers(CLASSES, size=count)


def network(kit: Any) -> Any:
    """A network with statistics of batches and with dropout, so that mode and random states matter."""
    if kit.name == "torch":
        nn = kit.torch.nn
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(144, CLASSES),
        )
        return kit.randomised(model)
    layers = kit.keras.layers
    return kit.randomised(
        kit.keras.Sequential(
            [
                kit.keras.Input((8, 8, 1)),
                layers.Conv2D(4, 3),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Flatten(),
                layers.Dropout(0.5),
                layers.Dense(CLASSES),
            ]
        )
    )


def train_torch(
    kit: Any, model: Any, x: Any, y: Any, epochs: int = 3, hook: Callable[[int], Any] | None = None
) -> SimpleNamespace:
    """Train with shuffled batches and noise drawn in Python and NumPy; give every loss, weight and random state."""
    torch = kit.torch
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    dataset = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    loader = torch.utils.data.DataLoader(dataset, BATCH, shuffle=True)
    losses, gradients = [], []
    model.train()
    for epoch in range(epochs):
        for inputs, classes in loader:
            noise = random.gauss(0, 0.01) + torch.tensor(np.random.normal(0, 0.01, inputs.shape)).float()
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs + noise), classes)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if hook is not None:
            hook(epoch)
        assert all(part.training for part in model.modules())
        gradients.append([one.grad.numpy().copy() for one in model.parameters()])
    weights = [one.numpy().copy() for one in model.state_dict().values()]
    states = [one.numpy() for state in optimizer.state_dict()["state"].values() for one in state.values()]
    return SimpleNamespace(
        losses=losses, arrays=[*weights, *states, *(one for epoch in gradients for one in epoch)]
    )


def train_keras(
    kit: Any, model: Any, x: Any, y: Any, epochs: int = 3, callbacks: Iterable[Any] = ()
) -> SimpleNamespace:
    """Train with shuffled batches; give every loss and weight."""
    keras = kit.keras
    keras.utils.set_random_seed(0)
    losses: list[float] = []
    each = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs["loss"]))
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[*callbacks, each])
    arrays = [one.numpy() for one in (*model.variables, *model.optimizer.variables)]
    return SimpleNamespace(losses=losses, arrays=arrays)


def train(
    kit: Any, model: Any, x: Any, y: Any, epochs: int = 3, explained: Any = None, **arguments: Any
) -> Any:
    """Train, and with `explained`, the examples of a callback, explain them at each epoch."""
    if kit.name == "torch":
        from explain.callbacks.torch import AttributionHook

        if explained is None:
            return train_torch(kit, model, x, y, epochs)
        with AttributionHook(model, explained, **arguments) as hook:
            return train_torch(kit, model, x, y, epochs, hook)
    from explain.callbacks.keras import AttributionCallback

    callbacks = [] if explained is None else [AttributionCallback(explained, **arguments)]
    return train_keras(kit, model, x, y, epochs, callbacks)


def train_twins(folder: Path, epochs: int = 3, **arguments: Any) -> None:
    """Train `cifar_net` in both frameworks from the same weights, on the same full batches, with a callback.

    The folders ``torch`` and ``tensorflow`` get the events, those that end in ``-maps`` the attributions.
    """
    import keras
    import torch

    import explain
    from explain.callbacks.keras import AttributionCallback
    from explain.callbacks.torch import AttributionHook

    def named(framework: str) -> dict[str, Any]:
        places = {"log_dir": folder / framework, "folder": folder / f"{framework}-maps"}
        return {**places, "names": ["cat", "ship"], "target": [3, 8], **arguments}

    labels = np.arange(20) % 10
    model, samples = (call("cifar_net", "torch") for call in (explain.zoo.load, explain.zoo.samples))
    x, y = torch.tensor(samples.x), torch.tensor(labels)
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    with AttributionHook(model, samples.x[:2], display=samples.display, **named("torch")) as hook:
        for epoch in range(epochs):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            hook(epoch)
    model, samples = (call("cifar_net", "tensorflow") for call in (explain.zoo.load, explain.zoo.samples))
    model.compile(keras.optimizers.SGD(RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    callback = AttributionCallback(samples.x[:2], display=samples.display, **named("tensorflow"))
    model.fit(samples.x, labels, batch_size=20, epochs=epochs, shuffle=False, verbose=0, callbacks=[callback])
