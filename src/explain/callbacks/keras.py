"""A callback of Keras."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from explain.callbacks.epochs import EpochAttributions
from explain.callbacks.events import TEXT_SUFFIX, Pixels, check_places, check_tensorboard
from explain.callbacks.question import Question
from explain.errors import FrameworkNotInstalledError
from explain.public_calls.callers_line import at_callers_line

try:
    import keras
except ImportError as cause:
    raise FrameworkNotInstalledError(
        f"explain.callbacks.keras needs Keras, which cannot be imported ({cause}): install it with pip install "
        "'explain-toolkit[tensorflow]'."
    ) from cause


class AttributionCallback(keras.callbacks.Callback):
    """Explains the same examples at the end of epochs: give it to ``model.fit(callbacks=[...])``.

    It draws each example for TensorBoard, measures how far the maps moved since the first epoch and since the last one
    explained, and saves the attributions. Model, optimizer and random states are as before afterwards.

    Parameters
    ----------
    x, method
        As for `explain.attribute`.
    every : int
        Explains the epochs whose number is a multiple of this one, the first included.
    log_dir : str or os.PathLike, optional
        A folder for TensorBoard, which `tf.summary` writes, whatever Keras runs on.
    folder : str or os.PathLike, optional
        Where the attributions are saved, ``epoch-0003.npz`` for epoch 3; `explain.load` reads them.
    names : sequence of str, optional
        The names of the examples in tags; by default ``display.example_names``, else ``example-0``…
    tag : str, optional
        How every tag begins; by default the name of the method.
    **arguments
        Further arguments of `explain.attribute`, such as `target`, and options of the method. Give `target`, the class
        of each example: without it the predicted class is explained, which changes during training, and examples whose
        class changed are left out of the measurement.

    Raises
    ------
    explain.errors.ExplainError
        If an argument is wrong, when the callback is made or training begins. What fails later is a `CallbackWarning`
        at each epoch.

    Examples
    --------
    >>> import tempfile, keras, numpy as np, explain
    >>> from explain.callbacks.keras import AttributionCallback
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model.compile("sgd", "mse")
    >>> x, y = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     callback = AttributionCallback(x, folder=folder, target=1)
    ...     _ = model.fit(x, y, epochs=2, verbose=0, callbacks=[callback])
    ...     explain.load(f"{folder}/epoch-0001.npz") == explain.attribute(model, x, target=1)
    True
    """

    @at_callers_line
    def __init__(
        self,
        x: Any,
        method: str = "integrated_gradients",
        *,
        every: int = 1,
        log_dir: str | os.PathLike[str] | None = None,
        folder: str | os.PathLike[str] | None = None,
        names: Sequence[str] | None = None,
        tag: str | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__()
        check_places(log_dir=log_dir, folder=folder)
        self._epochs = EpochAttributions(
            Question(x, method, arguments), every=every, folder=folder, names=names, tag=tag
        )
        if log_dir is not None:
            check_tensorboard()
        self._log_dir = log_dir
        self._events: SummaryEvents | None = None

    @at_callers_line
    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Check the arguments with the model, and begin a file of events."""
        self._epochs.begin(self.model)
        if self._log_dir is not None:
            self._events = SummaryEvents(self._log_dir)

    @at_callers_line
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Explain the epoch, if it is its turn."""
        if self._log_dir is not None and self._events is None:
            # A loop of the user's own may call this alone.
            self.on_train_begin()
        self._epochs.end(self.model, epoch, self._events)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """End the file of events."""
        if self._events is not None:
            self._events.close()
            self._events = None


class SummaryEvents:
    """Writes events with `tf.summary`.

    Parameters
    ----------
    log_dir : str or os.PathLike
        The folder to write to.
    """

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        # Here, not above: Keras may run on another framework, and files alone need no TensorFlow.
        import tensorflow as tf

        self._summary = tf.summary
        self._writer = tf.summary.create_file_writer(os.fspath(log_dir))

    def image(self, tag: str, pixels: Pixels, epoch: int) -> None:
        """Write a picture of shape (H, W, 3)."""
        with self._writer.as_default(step=epoch):
            self._summary.image(tag, pixels[None])

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        """Write a number."""
        with self._writer.as_default(step=epoch):
            self._summary.scalar(tag, value)

    def text(self, tag: str, text: str, epoch: int) -> None:
        """Write a text."""
        with self._writer.as_default(step=epoch):
            self._summary.text(f"{tag}{TEXT_SUFFIX}", text)

    def flush(self) -> None:
        """Put everything on disk."""
        self._writer.flush()

    def close(self) -> None:
        """Close the writer."""
        self._writer.close()
