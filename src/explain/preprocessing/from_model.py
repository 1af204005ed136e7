"""The preprocessing that a model states: in its attributes, its first layers, and the files beside its file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from explain.backends.discovery import extension_for
from explain.errors import LayoutError, UnsupportedModelError
from explain.inputs.layout import ChannelOrder
from explain.preprocessing.config_files import beside, checked, of_object, of_timm
from explain.preprocessing.first_layers import Beginning, beginning_of
from explain.preprocessing.first_modules import channels_of
from explain.preprocessing.geometry import Size
from explain.preprocessing.settings import Color, Preprocessing
from explain.public_calls.callers_line import at_callers_line

_COLORS: Mapping[int, Color] = {1: "grey", 3: "rgb"}


@dataclass(frozen=True)
class PictureInput:
    """What a model states of the pictures that it takes.

    Attributes
    ----------
    channels : {"first", "last"}
    size : (height, width), optional
        None if it takes any.
    color : {"rgb", "grey"}, optional
        None if the number of channels is not stated.
    shape : tuple of int or None, optional
        Of one picture.
    """

    channels: ChannelOrder
    size: Size | None = None
    color: Color | None = None
    shape: tuple[int | None, ...] | None = None


@at_callers_line
def of_model(model: Any, path: str | os.PathLike[str] | None = None) -> Preprocessing | None:
    """Read the preprocessing of pictures from where a model states it.

    These places are read, in this order: an attribute ``preprocessing`` of the model that is a `Preprocessing`, which
    seed models have and you may set; the image processor of a pipeline of transformers; ``pretrained_cfg``, which
    timm's models have; ``preprocessor_config.json`` or
    timm's ``config.json`` beside the file of the model, or in the folder from which transformers loaded it; and the
    what comes before the weights of a Keras or PyTorch model, such as `Rescaling` and `Normalization`, which says what
    range of pixels it takes.

    Parameters
    ----------
    model : object
        A model of any framework.
    path : str or path, optional
        The file or the folder that it was read from.

    Returns
    -------
    Preprocessing, optional
        With `source`, which says where it was read; None if the model does not tell. Never a guess.

    Raises
    ------
    InputError
        If the files beside the model ask for steps that are not known.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> config = {"input_size": (3, 64, 64), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "crop_pct": 1.0}
    >>> found = of_model(SimpleNamespace(pretrained_cfg=config))
    >>> found.size, found.source
    (64, "the model's pretrained_cfg")
    """
    stated = picture_input(model)
    found = _of_attributes(model)
    for folder in (path, getattr(model, "name_or_path", None)):
        if found is None and isinstance(folder, (str, os.PathLike)) and folder and Path(folder).exists():
            found = beside(Path(folder))
    if found is not None:
        return found if stated is None else fitted(found, stated)
    return None if stated is None else _of_first_layers(model, stated)


def picture_input(model: Any) -> PictureInput | None:
    """Give what a model states of its pictures; None if it takes none, or no extension knows it.

    Examples
    --------
    >>> picture_input("not a model") is None
    True
    """
    if model is None:
        return None
    try:
        extension = extension_for(model)
        axes = extension.default_layout(model, 4).axes
        shape = extension.stated_input_shape(model)
    except (UnsupportedModelError, LayoutError):
        return None
    channels: ChannelOrder = "first" if axes == "NCHW" else "last"
    if shape is None and channels == "first" and channels_of(model) in _COLORS:
        shape = (channels_of(model), None, None)
    if shape is None:
        return PictureInput(channels)
    if len(shape) != 3:
        return None
    if shape[0] in _COLORS and shape[2] not in _COLORS:
        channels = "first"
    elif shape[2] in _COLORS and shape[0] not in _COLORS:
        channels = "last"
    count, high, wide = shape if channels == "first" else (shape[2], *shape[:2])
    if count is not None and count not in _COLORS:
        return None
    size = None if high is None or wide is None else (high, wide)
    return PictureInput(channels, size, None if count is None else _COLORS[count], shape)


def fitted(settings: Preprocessing, stated: PictureInput) -> Preprocessing:
    """Give the settings in the order of channels, and of the size, that a model states.

    Examples
    --------
    >>> fitted(Preprocessing(divide_by=255), PictureInput("first", (8, 8))).size
    (8, 8)
    """
    settings = replace(settings, channels=stated.channels)
    if stated.size is not None and stated.size != settings.size and (settings.size,) * 2 != stated.size:
        settings = settings.with_size(stated.size)
    if stated.color == "grey" and isinstance(settings.mean, float) and isinstance(settings.std, float):
        settings = replace(settings, color="grey")
    return settings


def first_layers(model: Any, stated: PictureInput) -> Beginning | None:
    """Give what a model does to pixels before its first weights, see `beginning_of`."""
    if stated.shape is None or stated.color is None:
        return None
    return beginning_of(model, stated.shape, 1 if stated.channels == "first" else 3)


def _of_attributes(model: Any) -> Preprocessing | None:
    own = getattr(model, "preprocessing", None)
    if isinstance(own, Preprocessing):
        return own
    processor = getattr(model, "image_processor", None)
    if callable(getattr(processor, "to_dict", None)):  # A pipeline of transformers has one.
        return of_object(processor)
    for name in ("pretrained_cfg", "default_cfg"):
        config: Any = getattr(model, name, None)
        config = config.to_dict() if hasattr(config, "to_dict") else config
        if isinstance(config, Mapping) and config:
            found = checked(of_timm, config, f"the model's {name}")
            if found is not None:
                return found
    return None


def _of_first_layers(model: Any, stated: PictureInput) -> Preprocessing | None:
    beginning = first_layers(model, stated)
    if beginning is None or stated.color is None:
        return None
    takes = "0 to 255" if beginning.divide_by == 1 else "0 to 1"
    return Preprocessing(
        size=stated.size,
        # Where the size is stated, as Keras's own functions that load pictures do, unless told otherwise.
        resize="shorter" if stated.size is None else "stretch",
        crop="center" if stated.size is None else None,
        divide_by=beginning.divide_by,
        color=stated.color,
        channels=stated.channels,
        source=f"the model's first layers ({', '.join(beginning.names)}), which take pixels from {takes}",
    )
