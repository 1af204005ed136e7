"""Times epochs of training with an explanation and without, in turns: `python -m benchmarks.callbacks torch`.

A training explains every second epoch, so that both kinds share the process and the model. Times are those of the
processor, so that other work on the machine does not count; with ``OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1
TF_NUM_INTEROP_THREADS=1`` they are what a machine with nothing else to do takes. The figures, and those of
`tensorflow`, stand in `docs/guides/training.md`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import explain
from benchmarks.interleaving import spread

MODEL, PICTURES, BATCH, EXAMPLES = "cifar_keras", 512, 32, 8
WAYS: dict[str, dict[str, Any]] = {
    "saliency": {"method": "saliency", "log_dir": "log", "folder": "maps"},
    "integrated gradients": {"method": "ig", "log_dir": "log", "folder": "maps"},
    "integrated gradients, files alone": {"method": "ig", "folder": "maps"},
}


def epochs_torch(count: int, explained: Any, target: list[int], **arguments: Any) -> list[float]:
    """Time each epoch in PyTorch."""
    import torch

    from explain.callbacks.torch import AttributionHook

    model = explain.zoo.load(MODEL, "torch").train()
    x, y = (torch.from_numpy(one) for one in _data(explained.shape[1:]))
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    seconds = []
    with AttributionHook(model, explained, every=2, target=target, **arguments) as hook:
        for epoch in range(count):
            began = time.process_time()
            for rows in torch.randperm(PICTURES).split(BATCH):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
                optimizer.step()
            hook(epoch)
            seconds.append(time.process_time() - began)
    return seconds


def epochs_tensorflow(count: int, explained: Any, target: list[int], **arguments: Any) -> list[float]:
    """Time each epoch in Keras."""
    import keras

    from explain.callbacks.keras import AttributionCallback

    model = explain.zoo.load(MODEL, "tensorflow")
    model.compile(keras.optimizers.SGD(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    times: list[float] = []
    # Keras calls the callbacks in their order.
    begun = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: times.append(time.process_time())
    )
    ended = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: times.append(time.process_time()))
    callback = AttributionCallback(explained, every=2, target=target, **arguments)
    model.fit(
        *_data(explained.shape[1:]),
        batch_size=BATCH,
        epochs=count,
        verbose=0,
        callbacks=[begun, callback, ended],
    )
    return [end - begin for begin, end in zip(times[::2], times[1::2], strict=True)]


EPOCHS: dict[str, Callable[..., list[float]]] = {"torch": epochs_torch, "tensorflow": epochs_tensorflow}


def main(framework: str, rounds: Annotated[int, typer.Option(help="Epochs of each kind.")] = 7) -> None:
    """Print the processor's seconds of an epoch without an explanation, and what one adds."""
    samples = explain.zoo.samples(MODEL, framework)
    target = [int(one) for one in np.arange(EXAMPLES)]
    for name, way in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            places = {key: Path(folder) / value for key, value in way.items() if key != "method"}
            given = {**places, "method": way["method"], "display": samples.display}
            seconds = EPOCHS[framework](2 * rounds + 2, samples.x[:EXAMPLES], target, **given)
        # The first of each kind pays for what is made once: traces, fonts, the import of matplotlib.
        first, without = seconds[0], spread(seconds[3::2])
        added = spread([one - without["median"] for one in seconds[2::2]])
        print(
            f"{framework}, {name}: an epoch {_text(without)}; an explained one adds {_text(added)}, "
            f"the first {first - without['median']:.2f} s"
        )


def _data(shape: tuple[int, ...]) -> tuple[Any, Any]:
    drawn = np.random.default_rng(0)
    return drawn.normal(size=(PICTURES, *shape)).astype("float32"), drawn.integers(10, size=PICTURES)


def _text(found: dict[str, Any]) -> str:
    low, high = found["quartiles"]
    return f"{found['median']:.2f} s ({low:.2f}–{high:.2f})"


if __name__ == "__main__":
    typer.run(main)
