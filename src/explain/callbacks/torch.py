"""A hook for a training loop of PyTorch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from explain.callbacks.epochs import EpochAttributions
from explain.callbacks.events import Pixels, check_places, check_tensorboard
from explain.callbacks.question import Question
from explain.errors import OptionError
from explain.inputs.naming.brief import brief
from explain.public_calls.callers_line import at_callers_line

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class AttributionHook:
    """Explains the same examples at the end of epochs: call it with the number of each epoch.

    It draws each example for TensorBoard, measures how far the maps moved since the first epoch and since the last one
    explained, and saves the attributions. Model, gradients, optimizer and random states are as before afterwards.

    Parameters
    ----------
    model : torch.nn.Module
        The model that is trained; of one in `DistributedDataParallel`, its ``module``, in one process.
    x, method
        As for `explain.attribute`.
    every : int
        Explains the epochs whose number is a multiple of this one, the first included.
    writer : torch.utils.tensorboard.SummaryWriter, optional
        The writer of the training, which stays open.
    log_dir : str or os.PathLike, optional
        In place of `writer`: a folder for TensorBoard, for a writer of the hook's own.
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
        If an argument is wrong, before training. What fails later is a `CallbackWarning` at each epoch.

    Examples
    --------
    >>> import tempfile, torch, explain
    >>> from explain.callbacks.torch import AttributionHook
    >>> model, x = torch.nn.Linear(3, 2), torch.ones(4, 3)
    >>> with tempfile.TemporaryDirectory() as folder, AttributionHook(model, x, folder=folder, target=1) as hook:
    ...     for epoch in range(2):
    ...         a = hook(epoch)  # after the training of the epoch
    ...     explain.load(f"{folder}/epoch-0001.npz") == a
    True
    """

    @at_callers_line
    def __init__(
        self,
        model: Any,
        x: Any,
        method: str = "integrated_gradients",
        *,
        every: int = 1,
        writer: SummaryWriter | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        folder: str | os.PathLike[str] | None = None,
        names: Sequence[str] | None = None,
        tag: str | None = None,
        **arguments: Any,
    ) -> None:
        check_places(writer=writer, log_dir=log_dir, folder=folder)
        if writer is not None and log_dir is not None:
            raise OptionError(
                f"writer and log_dir={brief(log_dir)} are both given: leave log_dir out, since the writer has its "
                "folder."
            )
        self._model = model
        self._epochs = EpochAttributions(
            Question(x, method, arguments), every=every, folder=folder, names=names, tag=tag
        )
        self._epochs.begin(model)
        self._events = None
        if writer is not None:
            self._events = SummaryWriterEvents(writer, is_own=False)
        elif log_dir is not None:
            self._events = SummaryWriterEvents(own_writer(log_dir), is_own=True)

    @at_callers_line
    def __call__(self, epoch: int) -> Any:
        """Explain an epoch, if it is its turn.

        Parameters
        ----------
        epoch : int
            The number of the epoch, from 0.

        Returns
        -------
        Attribution, or several in the structure of x, or None
            What `explain.attribute` returns; None where it was not the epoch's turn, or a `CallbackWarning` was given.

        Raises
        ------
        OptionError
            If `epoch` is no number of an epoch.
        """
        return self._epochs.end(self._model, epoch, self._events)

    def close(self) -> None:
        """Close the writer, if it is the hook's own."""
        if self._events is not None:
            self._events.close()

    def __enter__(self) -> AttributionHook:
        """Give the hook, which closes at the end of the ``with``."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the hook."""
        self.close()


class SummaryWriterEvents:
    """Writes events with a `SummaryWriter`.

    Parameters
    ----------
    writer : torch.utils.tensorboard.SummaryWriter
        The writer, or one with its methods.
    is_own : bool
        Whether to close it at the end.
    """

    def __init__(self, writer: Any, *, is_own: bool) -> None:
        self._writer, self._is_own = writer, is_own

    def image(self, tag: str, pixels: Pixels, epoch: int) -> None:
        """Write a picture of shape (H, W, 3)."""
        self._writer.add_image(tag, pixels, epoch, dataformats="HWC")

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        """Write a number."""
        self._writer.add_scalar(tag, value, epoch)

    def text(self, tag: str, text: str, epoch: int) -> None:
        """Write a text."""
        self._writer.add_text(tag, text, epoch)

    def flush(self) -> None:
        """Put everything on disk."""
        self._writer.flush()

    def close(self) -> None:
        """Close the writer, if it is the callback's own."""
        if self._is_own:
            self._writer.close()


def own_writer(log_dir: str | os.PathLike[str]) -> SummaryWriter:
    """Make a writer into a folder.

    Raises
    ------
    PackageNotInstalledError
        If tensorboard is not installed.
    """
    check_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(os.fspath(log_dir))
