"""Which preprocessing pictures get: what the caller says, and what the model states; never a guess."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from explain.errors import InputError, OptionError, PreprocessingWarning
from explain.inputs.readers.pictures import Doubts
from explain.preprocessing.config_files import of_object
from explain.preprocessing.first_layers import Beginning
from explain.preprocessing.from_model import first_layers, fitted, of_model, picture_input
from explain.preprocessing.presets import PRESETS, preset
from explain.preprocessing.settings import Preprocessing

# Who divides by 256 means the same.
_ROUNDED = 0.02


def chosen(
    given: Preprocessing | Mapping[str, Any] | str | None,
    options: Mapping[str, Any],
    model: Any = None,
    model_path: str | os.PathLike[str] | None = None,
) -> tuple[Preprocessing, Doubts]:
    """Give the preprocessing for pictures, and the warnings to give.

    Parameters
    ----------
    given : Preprocessing, Mapping or str, optional
        Settings, their plain data, or the name of a preset; None for what the model states.
    options : Mapping
        Single settings that replace those.
    model : object, optional
        The model, whose size and order of channels are taken where the caller does not say them.
    model_path : str or path, optional
        The file of the model.

    Raises
    ------
    InputError
        If neither the caller nor the model says how pixels are scaled.

    Examples
    --------
    >>> chosen("imagenet", {"size": 112})[0].resize_to
    128
    """
    options = dict(options)
    if isinstance(model, (str, os.PathLike)):
        raise InputError(
            f"model={os.fspath(model)!r} is a path: give the model itself, explain.load_model(path), and its "
            "path as model_path."
        )
    if options.get("crop") == "none":
        options["crop"] = None
    settings = _base(given, options, model, model_path)
    stated = picture_input(model)
    if stated is not None:
        settings = fitted(settings, stated)
    size = options.pop("size", None)
    if size is not None and "resize_to" not in options:
        settings = settings.with_size(size)
    elif size is not None:
        settings = replace(settings, size=size)
    settings = replace(settings, **options)
    if (
        stated is not None
        and stated.color is not None
        and (settings.color == "grey") != (stated.color == "grey")
    ):
        raise InputError(
            f"The model takes pictures of {'one channel' if stated.color == 'grey' else 'three channels'}, and color="
            f"{settings.color!r} makes {'one' if settings.color == 'grey' else 'three'}. Give color={stated.color!r}, "
            "with mean= and std= of as many channels."
        )
    beginning = None if stated is None else first_layers(model, stated)
    return settings, [] if beginning is None else _doubts_of(settings, beginning)


def _base(
    given: Any, options: Mapping[str, Any], model: Any, model_path: str | os.PathLike[str] | None
) -> Preprocessing:
    if isinstance(given, Preprocessing):
        return given
    if isinstance(given, str):
        return preset(given)
    if isinstance(given, Mapping):
        return Preprocessing.from_json(given)
    if given is not None:
        of_others = of_object(given)
        if of_others is not None:
            return of_others
        raise OptionError(
            f"preprocessing is of type {type(given).__name__}: give a preset ({', '.join(map(repr, PRESETS))}), an "
            "explain.preprocessing.Preprocessing, an image processor of transformers, or the transforms() of "
            "torchvision's weights."
        )
    says_all = "divide_by" in options
    try:
        found = of_model(model, model_path)
    except InputError:
        if not says_all:
            raise
        found = None
    if found is not None:
        return found
    if says_all:
        return Preprocessing()
    if {"mean", "std"} & set(options):
        raise InputError(
            "mean= and std= are given without divide_by=, so their units are unknown: give divide_by=255 if they are "
            "of pixels from 0 to 1, as 0.485 is, and divide_by=1 if they are of pixels from 0 to 255."
        )
    whose = "No model is given that tells" if model is None else "The model does not tell"
    raise InputError(
        f"{whose} how pixels become its input, and a wrong guess would give a wrong explanation. Say what was done in "
        "training: preprocessing='imagenet' (models of torchvision), 'tf', 'torch' or 'caffe' (of Keras), 'none' "
        "(pixels from 0 to 255 as they are), or divide_by=255 with mean= and std= if there are any."
    )


def _doubts_of(settings: Preprocessing, beginning: Beginning) -> Doubts:
    low, high = settings.display().bounds or (0.0, 0.0)
    white = 255 if beginning.divide_by == 1 else 1
    if max(abs(low), abs(high - white)) <= _ROUNDED * white:
        return []
    advice = "preprocessing='none'" if white > 1 else "divide_by=255 and no mean and std"
    layers = ", ".join(beginning.names)
    message = (
        f"The pictures get values from {low:g} to {high:g}, but the model's first layers ({layers}) take pixels from 0 "
        f"to {white} and scale them themselves: scaled twice, or not at all, they are not what the model was trained "
        f"on. Give {advice}, or leave the settings to the model."
    )
    return [(message, PreprocessingWarning)]
