"""The model and the inputs that a command line names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explain.command_line.arguments.class_names import read_class_names
from explain.command_line.arguments.reading_options import ReadingOptions
from explain.command_line.command import say
from explain.command_line.start_logs import without_start_logs
from explain.errors import InputError, OptionError

if TYPE_CHECKING:
    from explain.inputs.display import Display
    from explain.models.opening import OpenedModel
    from explain.zoo import Samples

_NUMBER = re.compile(r"-?[\d.]+")


@dataclass(frozen=True)
class GivenInputs:
    """What a command explains: the inputs, how to draw them, and what is known of their axes."""

    x: Any
    display: Display
    lengths: Any = None
    layout: str | None = None

    @property
    def count(self) -> int:
        """The number of inputs of the model."""
        return len(self.x) if isinstance(self.x, dict | tuple) else 1

    def in_layout(self, axes: str | None) -> GivenInputs:
        """Give the inputs with their axes as a model has them, where it is known how they were read.

        Parameters
        ----------
        axes : str, optional
            Of `--layout`. The same letters in another order move the axes, and a C that lacks is an axis of one
            channel; other letters only name the axes that there are.
        """
        if axes is None or self.layout is None:
            return self if axes is None else replace(self, layout=axes)
        x, read = self.x, self.layout
        if sorted(axes) == sorted(f"{read}C") and "C" not in read:
            x, read = x[..., None], f"{read}C"
        if sorted(axes) == sorted(read):
            x = np.ascontiguousarray(x.transpose([read.index(letter) for letter in axes]))
        return replace(self, x=x, layout=axes)


def named_or_old(
    model: str | None,
    sources: list[str],
    old_model: str | None = None,
    framework: str | None = None,
    old_input: Path | None = None,
) -> tuple[str, list[str]]:
    """Give the name of the model and the inputs, also from the options that arguments have replaced.

    Raises
    ------
    OptionError
        If there is no model.
    """
    from explain.zoo import names

    if old_model is not None and model is not None:
        # The first of the inputs was read as MODEL.
        sources, model = [model, *sources], None
    if old_input is not None:
        sources = [*sources, str(old_input)]
    name = model if old_model is None else old_model
    if name is None:
        raise OptionError(
            "MODEL is missing: give a file, a function that builds the model (package.module:function), or a seed "
            "model (zoo:cifar_net@torch), and then the inputs."
        )
    plain = name.removeprefix("zoo:")
    is_old = old_model is not None or (framework is not None and plain in names())
    if is_old:
        name = f"zoo:{plain}@{framework or 'torch'}"
    if is_old or old_input is not None:
        say(f"--model, --framework and --input are replaced by arguments: explain attribute {name} INPUT...")
    return name, sources


def given_model(name: str, factory: str | None, device: str | None) -> OpenedModel:
    """Load or build the model."""
    from explain.models.opening import opened_model

    with without_start_logs():
        return opened_model(name, factory=factory, device=device)


def known_display(opened: OpenedModel) -> Display:
    """Give how the inputs of a seed model are drawn, without the names of its samples' steps; else nothing."""
    from explain.inputs.display import Display

    if not opened.seed_model:
        return Display()
    known = _samples_of(opened).display
    return Display(known.mean, known.scale, known.bounds, known.classes)


def given_inputs(
    opened: OpenedModel,
    sources: Sequence[str],
    reading: ReadingOptions,
    *,
    classes: Path | None = None,
    count: int | None = None,
) -> GivenInputs:
    """Read the inputs, or take the samples of a seed model.

    Parameters
    ----------
    opened : OpenedModel
        The model, which may state how its input is made, as may the files beside its own.
    sources : sequence of str
        Files, folders, patterns or ``-``; empty for the samples of a seed model.
    reading : ReadingOptions
        How to read them.
    classes : pathlib.Path, optional
        The file of the classes' names.
    count : int, optional
        How many samples of a seed model.

    Raises
    ------
    InputError
        If there are no inputs, or they cannot be read.
    """
    found = _read(opened, sources, reading) if sources else _samples(opened, count)
    if classes is not None:
        found = replace(found, display=replace(found.display, classes=read_class_names(classes)))
    return found


def _samples(opened: OpenedModel, count: int | None) -> GivenInputs:
    if not opened.seed_model:
        raise InputError(
            "INPUT is missing: give files after the model, for example pictures (cat.png, photos/*.jpg), x.npy, "
            "table.csv, or - for standard input."
        )
    samples = _samples_of(opened)
    chosen = slice(count)
    display = replace(samples.display, step_names=samples.display.step_names[chosen])
    lengths = None if samples.lengths is None else samples.lengths[chosen]
    return GivenInputs(samples.x[chosen], display, lengths)


def _samples_of(opened: OpenedModel) -> Samples:
    from explain.zoo import samples

    return samples(opened.seed_model, opened.framework)


def _read(opened: OpenedModel, sources: Sequence[str], reading: ReadingOptions) -> GivenInputs:
    from explain.preprocessing import read

    for one in sources:
        if _NUMBER.fullmatch(one) and not Path(one).exists():
            raise OptionError(
                f"There is no file {one!r}. If it is one of several numbers of an option, put commas between them: "
                "--size 224,192."
            )
    inputs = read(
        list(sources),
        model=opened.model,
        model_path=opened.path,
        preprocessing=reading.preset,
        **reading.settings(),
    )
    display = inputs.display
    if opened.seed_model:
        known = known_display(opened)
        display = replace(display, classes=known.classes, bounds=known.bounds)
        if not display.preprocessing:
            display = replace(display, mean=known.mean, scale=known.scale)
    return GivenInputs(inputs.x, display, inputs.lengths, inputs.layout)
