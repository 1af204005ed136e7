"""Explains the same examples at the end of epochs: what the callbacks of all frameworks share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from numbers import Integral
from pathlib import Path
from typing import Any

from explain.callbacks.change import change
from explain.callbacks.drawing import pixels_of
from explain.callbacks.events import EventWriter
from explain.callbacks.question import Question, checked_names
from explain.errors import CallbackWarning, OptionError
from explain.files.atomic_write import replace_file
from explain.files.safe_names import safe_name
from explain.inputs.naming.brief import brief, message_of
from explain.public_calls.callers_line import warn_at_callers_line
from explain.results.attribution import Attribution

Parts = dict[str, Attribution]


class EpochAttributions:
    """Explains the same examples at the end of every so many epochs, and writes what it finds.

    Parameters
    ----------
    question : Question
        What is explained, and how.
    every : int
        Explains the epochs whose number is a multiple of this one, the first included.
    folder : str or os.PathLike, optional
        Where the attributions are saved, a file for each epoch.
    names : sequence of str, optional
        The names of the examples in tags; by default ``display.example_names``, else ``example-0``…
    tag : str, optional
        How every tag begins; by default the name of the method.

    Raises
    ------
    explain.errors.ExplainError
        If an argument is wrong.
    """

    def __init__(
        self,
        question: Question,
        *,
        every: int,
        folder: str | os.PathLike[str] | None,
        names: Sequence[str] | None,
        tag: str | None,
    ) -> None:
        if tag is not None and (not isinstance(tag, str) or not tag.strip("/")):
            raise OptionError(
                f"tag={brief(tag)} is no beginning of a tag: give a text such as 'ig/validation', or None."
            )
        self._question = question
        self._every = whole_number("every", every, 1)
        self._folder = None if folder is None else Path(folder)
        self._names = checked_names(names)
        self._tag = question.method_name if tag is None else tag.strip("/")
        self._first: Parts = {}
        self._last: Parts = {}

    def begin(self, model: Any) -> None:
        """Check the question with the model before training, and forget the maps of an earlier training.

        Raises
        ------
        explain.errors.ExplainError
            If an argument of the explanation is wrong.
        """
        self._question.check(model, self._names)
        self._first, self._last = {}, {}

    def end(self, model: Any, epoch: int, events: EventWriter | None) -> Any:
        """Explain an epoch if it is its turn. A failure is a `CallbackWarning`, and training goes on.

        Parameters
        ----------
        model : object
            The model that is trained; it is as before afterwards.
        epoch : int
            The number of the epoch, from 0.
        events : EventWriter, optional
            Writes for TensorBoard.

        Returns
        -------
        Attribution, or several in the structure of x, or None
            What `explain.attribute` returns; None where it was not the epoch's turn, or it failed.
        """
        epoch = whole_number("epoch", epoch, 0)
        if epoch % self._every:
            return None
        try:
            found = self._question.answer(model)
            self._write(dict(_parts(found)), epoch, events)
        # Whatever fails here, be it the disk: the weights are worth more than their explanation.
        except Exception as error:
            self._report(error, epoch, events)
            return None
        return found

    def _write(self, parts: Parts, epoch: int, events: EventWriter | None) -> None:
        """Save the attributions of an epoch, draw them, and measure how far they moved."""
        for name, one in parts.items():
            if self._folder is not None:
                one.save(self._folder / f"{_stem(epoch, name)}.npz")
        if events is not None:
            for name, one in parts.items():
                tag = f"{self._tag}/{name}" if name else self._tag
                for example, called in enumerate(self._names_of(one)):
                    events.image(f"{tag}/{called}", pixels_of(one, example, epoch), epoch)
                for since, earlier in (("first", self._first), ("previous", self._last)):
                    if name in earlier:
                        for figure, value in change(earlier[name], one).items():
                            events.scalar(f"{tag}/{figure}/since_{since}", value, epoch)
            events.flush()
        self._first = self._first or parts
        self._last = parts

    def _names_of(self, one: Attribution) -> list[str]:
        """Name each example in a tag, no two alike."""
        given = self._names or one.display.example_names
        if len(given) != len(one):
            given = tuple(f"example-{number}" for number in range(len(one)))
        found: list[str] = []
        for name in given:
            again = sum(name == earlier for earlier in given[: len(found)])
            found.append(f"{name}-{again + 1}" if again else name)
        return found

    def _report(self, error: Exception, epoch: int, events: EventWriter | None) -> None:
        """Say what failed: as a warning, and where the attributions would have been."""
        said = message_of(error) or type(error).__name__
        text = f"The explanation of epoch {epoch} failed: {type(error).__name__}: {said}.\n"

        def to_folder() -> None:
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                replace_file(self._folder / f"{_stem(epoch)}-failed.txt", text.encode())

        def to_events() -> None:
            if events is not None:
                events.text(f"{self._tag}/failed", text, epoch)
                events.flush()

        places: tuple[Callable[[], None], ...] = (to_folder, to_events)
        for write in places:
            # The disk may be what failed.
            with suppress(Exception):
                write()
        warning = (
            f"The explanation of epoch {epoch} failed, and training goes on without it. {type(error).__name__}: "
            f"{said}. The next epoch is tried again; to try it alone, call explain.attribute with the same arguments."
        )
        warn_at_callers_line([(warning, CallbackWarning)])


def whole_number(name: str, value: Any, least: int) -> int:
    """Give a whole number, which may be NumPy's, as an int.

    Raises
    ------
    OptionError
        If it is another value, or too small.

    Examples
    --------
    >>> whole_number("every", 2, 1)
    2
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise OptionError(f"{name}={brief(value)} is out of range: give a whole number, at least {least}.")
    return int(value)


def _parts(found: Any) -> Iterator[tuple[str, Attribution]]:
    """Give the attributions of all inputs that have one, by the names of the inputs; that of a single one is empty."""
    if isinstance(found, Attribution):
        yield found.input_name, found
    elif found is not None:
        for one in found.values() if isinstance(found, Mapping) else found:
            yield from _parts(one)


def _stem(epoch: int, name: str = "") -> str:
    """Name the file of an epoch, so that files sort by it."""
    return f"epoch-{epoch:04d}-{safe_name(name)}" if name else f"epoch-{epoch:04d}"
