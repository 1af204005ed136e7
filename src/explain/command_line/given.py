"""The model and the inputs that a command line names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explain.command_line.class_names import read_class_names
from explain.command_line.command import say
from explain.command_line.values import numbers_of, shape_of
from explain.errors import InputError, OptionError

if TYPE_CHECKING:
    from explain.inputs.display import Display
    from explain.models.opening import OpenedModel
    from explain.preprocessing import Preprocessing
    from explain.zoo import Samples


@dataclass(frozen=True)
class PreprocessingFlags:
    """The options that say how an input is made from files, as the command line has them; None where left out."""

    preset: str | None = None
    size: str | None = None
    resize: str | None = None
    crop: str | None = None
    divide_by: float | None = None
    mean: str | None = None
    std: str | None = None
    channels_first: bool | None = None

    def changes(self) -> dict[str, Any]:
        """Give the fields of a `Preprocessing` that are stated, except those of the preset."""
        found: dict[str, Any] = {}
        if (size := shape_of("--size", self.size)) is not None:
            if len(size) > 2:
                raise OptionError(f"--size {self.size} has {len(size)} numbers: give 224, or height,width.")
            found["size"] = size[0] if len(size) == 1 else size
        if self.resize is not None:
            found["resize"] = self.resize
        if self.crop is not None:
            found["crop"] = None if self.crop == "none" else self.crop
        if self.divide_by is not None:
            found["divide_by"] = self.divide_by
        for flag, text in (("mean", self.mean), ("std", self.std)):
            if text is not None:
                numbers = numbers_of(f"--{flag}", text, "0.5")
                found[flag] = numbers[0] if len(numbers) == 1 else numbers
        if self.channels_first is not None:
            found["channels"] = "first" if self.channels_first else "last"
        return found


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
        If there is no model, or `--framework` is given for one that is not a seed model.
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
    if old_model is not None or framework is not None:
        plain = name.removeprefix("zoo:")
        if old_model is None and plain not in names():
            raise OptionError(f"--framework {framework} is for seed models only: leave it out.")
        name = f"zoo:{plain}@{framework or 'torch'}"
    if old_model is not None or framework is not None or old_input is not None:
        say(f"--model, --framework and --input are replaced by arguments: explain attribute {name} INPUT...")
    return name, sources


def given_model(name: str, factory: str | None, device: str | None) -> OpenedModel:
    """Load or build the model."""
    from explain.models.opening import opened_model

    return opened_model(name, factory=factory, device=device)


def known_display(named: OpenedModel) -> Display:
    """Give how the inputs of a seed model are drawn, without the names of its samples' steps; else nothing."""
    from explain.inputs.display import Display

    if not named.seed_model:
        return Display()
    known = _samples_of(named).display
    return Display(known.mean, known.scale, known.bounds, known.classes)


def given_inputs(
    named: OpenedModel,
    model: str,
    sources: Sequence[str],
    flags: PreprocessingFlags,
    *,
    classes: Path | None = None,
    count: int | None = None,
) -> GivenInputs:
    """Read the inputs, or take the samples of a seed model.

    Parameters
    ----------
    named : OpenedModel
        The model.
    model : str
        Its name, beside whose file preprocessing may be stated.
    sources : sequence of str
        Files, folders, patterns or ``-``; empty for the samples of a seed model.
    flags : PreprocessingFlags
        How to make the input.
    classes : pathlib.Path, optional
        The file of the classes' names.
    count : int, optional
        How many samples of a seed model.

    Raises
    ------
    InputError
        If there are no inputs, or they cannot be read.
    """
    found = _samples(named, count) if not sources else _read(named, model, sources, flags)
    if classes is not None:
        found = replace(found, display=replace(found.display, classes=read_class_names(classes)))
    return found


def _samples(named: OpenedModel, count: int | None) -> GivenInputs:
    if not named.seed_model:
        raise InputError(
            "INPUT is missing: give files after the model, for example pictures (cat.png, photos/*.jpg), x.npy, "
            "table.csv, or - for standard input."
        )
    samples = _samples_of(named)
    chosen = slice(count)
    display = replace(samples.display, step_names=samples.display.step_names[chosen])
    lengths = None if samples.lengths is None else samples.lengths[chosen]
    return GivenInputs(samples.x[chosen], display, lengths)


def _samples_of(named: OpenedModel) -> Samples:
    from explain.zoo import samples

    return samples(named.seed_model, named.framework)


def _read(named: OpenedModel, model: str, sources: Sequence[str], flags: PreprocessingFlags) -> GivenInputs:
    from explain.preprocessing import read

    inputs = read(list(sources), preprocessing=_preprocessing(named, model, flags), model=named.model)
    display = inputs.display
    if named.seed_model:
        known = known_display(named)
        display = replace(display, classes=known.classes, bounds=known.bounds)
        if not display.preprocessing:
            display = replace(display, mean=known.mean, scale=known.scale)
    return GivenInputs(inputs.x, display, inputs.lengths, inputs.layout)


def _preprocessing(named: OpenedModel, model: str, flags: PreprocessingFlags) -> Preprocessing | None:
    from explain.preprocessing import Preprocessing, of_model, preset

    changes = flags.changes()
    if flags.preset is not None:
        base = preset(flags.preset)
    elif named.seed_model:
        base = _of_seed_model(named)
    else:
        base = of_model(named.model, model)
    return replace(base or Preprocessing(), **changes) if changes else base


def _of_seed_model(named: OpenedModel) -> Preprocessing | None:
    """Give how pictures were made into the samples of a seed model; None if it takes no pictures."""
    from explain.preprocessing import Preprocessing

    samples = _samples_of(named)
    if samples.layout not in ("NCHW", "NHWC"):
        return None
    first = samples.layout == "NCHW"
    return Preprocessing(
        size=samples.x.shape[2],
        resize="shorter",
        crop="center",
        divide_by=255,
        mean=samples.display.mean,
        std=samples.display.scale,
        channels="first" if first else "last",
    )
