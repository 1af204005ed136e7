"""Settings as timm, transformers and torchvision have them: in files beside a model, and in objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from explain.errors import InputError, OptionError
from explain.files.json_text import read_json
from explain.preprocessing.geometry import INTERPOLATIONS, Resize, Size
from explain.preprocessing.settings import Preprocessing

_LARGEST_FILE = 2**20
_TIMM_RESIZES: Mapping[str, Resize] = {"center": "shorter", "border": "longer", "squash": "stretch"}
# Pillow's numbers of its filters, which transformers writes.
_BY_NUMBER = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
# Steps of transformers' image processors that are understood, or change no picture of three channels.
_KNOWN_STEPS = {
    "do_resize",
    "do_center_crop",
    "do_rescale",
    "do_normalize",
    "do_convert_rgb",
    "do_flip_channel_order",
    "do_reduce_labels",
}


def beside(path: Path) -> Preprocessing | None:
    """Read the settings from a file in the folder of a model: ``preprocessor_config.json`` or timm's ``config.json``.

    Parameters
    ----------
    path : pathlib.Path
        The file of a model, or its folder.

    Returns
    -------
    Preprocessing, optional
        None if there is no such file, or it says nothing of pictures.

    Raises
    ------
    InputError
        If a file is damaged, or asks for a step that is not known here.
    """
    folder = path if path.is_dir() else path.parent
    for name, read in (("preprocessor_config.json", of_transformers), ("config.json", of_timm_file)):
        file = folder / name
        if file.is_file():
            found = checked(read, _json(file), str(file))
            if found is not None:
                return found
    return None


def of_timm_file(config: Mapping[str, Any], source: str) -> Preprocessing | None:
    """Read the settings from the ``config.json`` of a timm model."""
    inner = config.get("pretrained_cfg")
    # Before it had a name of its own there, timm wrote it at the top.
    return of_timm(inner if isinstance(inner, Mapping) else config, source)


def of_timm(config: Mapping[str, Any], source: str) -> Preprocessing | None:
    """Read the settings from timm's ``pretrained_cfg``.

    Parameters
    ----------
    config : Mapping
        Its ``input_size`` (C, H, W), ``mean``, ``std``, ``crop_pct``, ``crop_mode`` and ``interpolation``.
    source : str
        Where it was found.

    Returns
    -------
    Preprocessing, optional
        None if it has no mean and deviation.

    Examples
    --------
    >>> config = {"input_size": (3, 224, 224), "mean": 0.5, "std": 0.5, "crop_pct": 0.9}
    >>> of_timm(config, "pretrained_cfg").describe()
    'shorter side to 248, middle 224×224 cut out, / 255, − 0.5, / 0.5'
    """
    if not {"input_size", "mean", "std"} <= set(config):
        return None
    channels, high, wide = config["input_size"]
    fraction = config.get("crop_pct") or 0.875
    before = math.floor(high / fraction), math.floor(wide / fraction)
    mode = config.get("crop_mode") or "center"
    mean, std = _numbers(config["mean"]), _numbers(config["std"])
    return Preprocessing(
        size=(high, wide) if high != wide else high,
        resize=_TIMM_RESIZES[mode],
        resize_to=before[0] if high == wide and mode != "squash" else before,
        fill=255 * sum(mean) / len(mean) if mode == "border" else 0,
        interpolation=_interpolation(config.get("interpolation") or "bilinear"),
        divide_by=255,
        mean=mean[0] if channels == 1 else mean,
        std=std[0] if channels == 1 else std,
        color="grey" if channels == 1 else "rgb",
        channels="first",
        source=source,
    )


def of_transformers(config: Mapping[str, Any], source: str) -> Preprocessing | None:
    """Read the settings from the ``preprocessor_config.json`` of a model of transformers.

    Returns
    -------
    Preprocessing, optional
        None if it is of no image processor.

    Raises
    ------
    InputError
        If it asks for a step that is not known here.

    Examples
    --------
    >>> config = {"image_mean": [0.5], "image_std": [0.5], "size": {"height": 224, "width": 224}, "do_normalize": True}
    >>> of_transformers(config, "preprocessor_config.json").describe()
    'stretched to 224, / 255, − 0.5, / 0.5'
    """
    config = config.get("image_processor") or config
    if not ({"image_mean", "do_rescale", "do_resize"} & set(config)):
        return None
    unknown = [
        step for step in config if step.startswith("do_") and config[step] and step not in _KNOWN_STEPS
    ]
    if unknown:
        steps = ", ".join(map(repr, unknown))
        raise InputError(
            f"{source} asks for the steps {steps}, which are not known here. Prepare the pictures with its own image "
            "processor and give its pixel_values to explain.attribute; or say all settings: size=, divide_by=, mean=, "
            "std=."
        )
    crops = _does(config, "do_center_crop", "crop_size")
    aim: dict[str, Any] = {"resize": "none"}
    final = _sides(config.get("crop_size"), square=True) if crops else None
    if config.get("do_resize", "size" in config):
        aim = _resizing(config, crops)
    if crops and final is not None:
        if aim["resize"] != "none":
            aim["resize_to"] = aim["size"]
        aim["size"] = final
    aim.setdefault("crop", "center" if crops else None)
    rescales, normalises = config.get("do_rescale", True), _does(config, "do_normalize", "image_mean")
    factor = float(config.get("rescale_factor") or 1 / 255) if rescales else 1.0
    mean = np.asarray(config.get("image_mean") if normalises else 0.0, np.float64)
    deviation = np.asarray(config.get("image_std") or 1.0, np.float64)
    # EfficientNet's processor divides by the deviation once more, and moves the pixels after their rescaling.
    powers = int(bool(normalises)) + int(bool(config.get("include_top")))
    offset = 1.0 if config.get("rescale_offset") else 0.0
    settings: dict[str, Any] = {
        **aim,
        "interpolation": _interpolation(config.get("resample", 2)),
        "divide_by": _inverse(factor),
        "mean": _single((mean + offset).tolist()),
        "std": _single((deviation**powers).tolist()),
        "color": "bgr" if config.get("do_flip_channel_order") else "rgb",
        "channels": "first",
        "source": source,
    }
    return Preprocessing(**settings)


def _does(config: Mapping[str, Any], step: str, its_setting: str) -> bool:
    """Tell whether a step is done; where it is left out although it has settings, its processor's class would tell."""
    if step not in config and config.get(its_setting) is not None:
        raise KeyError(f"{its_setting} without {step}")
    return bool(config.get(step))


def of_object(given: Any) -> Preprocessing | None:
    """Read the settings from an image processor of transformers, or from the transforms of torchvision's weights.

    Parameters
    ----------
    given : object
        ``AutoImageProcessor.from_pretrained(...)``, or ``ResNet50_Weights.DEFAULT.transforms()``.

    Returns
    -------
    Preprocessing, optional
        None if it is neither.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> transforms = SimpleNamespace(
    ...     crop_size=[224], resize_size=[232], mean=[0.5] * 3, std=[0.5] * 3, interpolation="bilinear"
    ... )
    >>> of_object(transforms).describe()
    'shorter side to 232, middle 224×224 cut out, / 255, − 0.5, / 0.5'
    """
    kind = type(given).__name__
    if callable(getattr(given, "to_dict", None)):
        return checked(of_transformers, given.to_dict(), kind)
    names = ("crop_size", "resize_size", "mean", "std", "interpolation")
    if not all(hasattr(given, name) for name in names):
        return None
    return checked(_of_torchvision, {name: getattr(given, name) for name in names}, kind)


def _of_torchvision(config: Mapping[str, Any], source: str) -> Preprocessing:
    sides = {name: config[name] for name in ("crop_size", "resize_size")}
    crop, resize = (_sides(one[0] if len(one) == 1 else one, square=False) for one in sides.values())
    return Preprocessing(
        size=crop,
        resize="shorter" if isinstance(resize, int) else "stretch",
        resize_to=resize,
        interpolation=_interpolation(getattr(config["interpolation"], "value", config["interpolation"])),
        divide_by=255,
        mean=_single(config["mean"]),
        std=_single(config["std"]),
        channels="first",
        source=source,
    )


def _resizing(config: Mapping[str, Any], crops: bool) -> dict[str, Any]:
    size = config.get("size")
    if isinstance(size, Mapping) and "shortest_edge" in size:
        side = int(size["shortest_edge"])
        fraction = config.get("crop_pct")
        if fraction and side < 384:  # Of ConvNeXT: larger pictures are stretched.
            return {"resize": "shorter", "resize_to": int(side / fraction), "size": side, "crop": "center"}
        if fraction:
            return {"resize": "stretch", "size": side}
        return {"resize": "shorter", "size": side}
    if isinstance(size, Mapping) and not {"height", "width"} <= set(size):
        raise KeyError(f"size={dict(size)}")
    # A plain number was a square, but where a crop follows.
    return {
        "resize": "shorter" if crops and isinstance(size, int) else "stretch",
        "size": _sides(size, square=True),
    }


def _sides(size: Any, *, square: bool) -> int | Size:
    if isinstance(size, Mapping):
        size = (size["height"], size["width"]) if "height" in size else size["shortest_edge"]
    if isinstance(size, (list, tuple)):
        high, wide = map(int, size)
        return high if high == wide and square else (high, wide)
    return int(size)


def _interpolation(given: Any) -> Any:
    name = _BY_NUMBER[given] if isinstance(given, int) else str(given).rpartition(".")[2].lower()
    if name not in INTERPOLATIONS:
        raise KeyError(f"interpolation {given!r}")
    return name


def _inverse(factor: float) -> float:
    """Give what to divide by: the whole number or half that a factor is the inverse of, if it is of one."""
    near = round(2 / factor) / 2
    return near if near and math.isclose(1 / near, factor, rel_tol=1e-6) else 1 / factor


def _numbers(given: Any) -> tuple[float, ...]:
    return tuple(map(float, given)) if isinstance(given, (list, tuple)) else (float(given),)


def _single(given: Any) -> float | tuple[float, ...]:
    numbers = _numbers(given)
    return numbers[0] if len(numbers) == 1 else numbers


def _json(file: Path) -> Mapping[str, Any]:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise ValueError("it is too large")
        content = read_json(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no mapping")
    except ValueError as cause:
        raise InputError(
            f"{file} beside the model is no file of settings ({cause}). Say them yourself: preprocessing='imagenet' or "
            "size=, divide_by=, mean=, std=."
        ) from cause
    return content


def checked(
    read: Callable[[Mapping[str, Any], str], Preprocessing | None], config: Mapping[str, Any], source: str
) -> Preprocessing | None:
    """Read settings, whatever they hold.

    Parameters
    ----------
    read : callable
        `of_timm`, `of_timm_file` or `of_transformers`.
    config : Mapping
        The settings as they were written.
    source : str
        Where they were found.

    Raises
    ------
    InputError
        If they are not understood.
    """
    try:
        return read(config, source)
    except InputError:
        raise
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        ZeroDivisionError,
        OptionError,
    ) as cause:
        raise InputError(
            f"{source} has settings of pictures that are not understood ({cause}). Say them yourself: "
            "preprocessing='imagenet' or size=, divide_by=, mean=, std=."
        ) from cause
