"""A callback of Lightning."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from explain.callbacks.epochs import EpochAttributions
from explain.callbacks.events import check_places
from explain.callbacks.question import Question
from explain.callbacks.torch import SummaryWriterEvents, own_writer
from explain.errors import PackageNotInstalledError
from explain.public_calls.callers_line import at_callers_line

try:
    from lightning.pytorch import Callback
    from lightning.pytorch.loggers import TensorBoardLogger
except ImportError as cause:
    raise PackageNotInstalledError(
        f"explain.callbacks.lightning needs lightning, which is not installed ({cause}): run pip install "
        '"explain-toolkit[lightning]", or use explain.callbacks.torch.AttributionHook in your own loop.'
    ) from cause


class AttributionCallback(Callback):
    """Explains the same examples at the end of epochs: give it to ``Trainer(callbacks=[...])``.

    It draws each example for TensorBoard, measures how far the maps moved since the first epoch and since the last one
    explained, and saves the attributions. Model, optimizer and random states are as before afterwards. Where several
    processes train, the first one explains.

    Parameters
    ----------
    x, method
        As for `explain.attribute`; the model is the LightningModule, called as in ``module(x)``.
    every : int
        Explains the epochs whose number is a multiple of this one, the first included.
    log_dir : str or os.PathLike, optional
        A folder for TensorBoard; by default that of the trainer's `TensorBoardLogger`, if it has one.
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
    >>> import torch
    >>> from explain.callbacks.lightning import AttributionCallback
    >>> callback = AttributionCallback(torch.ones(4, 3), "saliency", every=5, folder="maps", target=1)
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
        self._epochs = EpochAttributions(
            Question(x, method, arguments), every=every, folder=folder, names=names, tag=tag
        )
        if log_dir is not None or folder is not None:
            check_places(log_dir=log_dir, folder=folder)
        self._log_dir, self._folder = log_dir, folder
        self._events: SummaryWriterEvents | None = None

    @at_callers_line
    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Check the arguments with the model, and find the writer."""
        if not trainer.is_global_zero:
            return
        self._epochs.begin(pl_module)
        loggers = [one for one in trainer.loggers if isinstance(one, TensorBoardLogger)]
        if self._log_dir is not None:
            self._events = SummaryWriterEvents(own_writer(self._log_dir), is_own=True)
        elif loggers:
            self._events = SummaryWriterEvents(loggers[0].experiment, is_own=False)
        # A trial of a few batches writes nothing.
        elif not trainer.fast_dev_run:
            check_places(log_dir=None, folder=self._folder)

    @at_callers_line
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Explain the epoch, if it is its turn."""
        if trainer.is_global_zero:
            self._epochs.end(pl_module, trainer.current_epoch, self._events)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Close the writer, if it is the callback's own."""
        if self._events is not None:
            self._events.close()
            self._events = None
