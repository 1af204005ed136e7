"""How a picture becomes the input of a model: the settings, and doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from explain.errors import InputError, OptionError
from explain.inputs.display import Display
from explain.inputs.layout import ChannelOrder
from explain.inputs.readers.limits import check_bytes
from explain.inputs.readers.pictures import Doubts
from explain.preprocessing.arithmetic import standardised
from explain.preprocessing.checked_settings import both_sides, check_one_of, checked_number, checked_size
from explain.preprocessing.geometry import (
    INTERPOLATIONS,
    RESIZES,
    Interpolation,
    Resize,
    Size,
    centred,
    resized,
)
from explain.preprocessing.given_pictures import pictures_of
from explain.public_calls.callers_line import at_callers_line, warn_at_callers_line
from explain.public_calls.progress import counted_each

Color = Literal["rgb", "bgr", "grey"]
_WHITE = 255.0
_CHANNELS = {"rgb": 3, "bgr": 3, "grey": 1}

Numbers = float | tuple[float, ...]


@dataclass(frozen=True)
class Preprocessing:
    """The settings that turn pictures into a batch for a model; calling it does so.

    A picture is resized (to `resize_to`, else to `size`), cropped or padded to `size`, and its pixels, from 0 to 255,
    become ``(pixel / divide_by - mean) / std``.

    Parameters
    ----------
    size : int or (height, width), optional
        The size that the model takes; one number is a square. None keeps the size of the pictures.
    resize : {"shorter", "longer", "stretch", "none"}
        Whether the shorter side reaches the size (the rest is cropped), the longer side (the rest is filled),
        or both sides (which distorts); or no resizing.
    resize_to : int or (height, width), optional
        The size to resize to before the crop, if it is not `size`: ImageNet's 256 before a crop of 224.
    crop : {"center", None}
        Whether the middle of `size` is cut out.
    interpolation : {"bilinear", "bicubic", "lanczos", "nearest", "box", "hamming"}
        Pillow's filter, antialiased.
    fill : float
        The grey, from 0 to 255, around a picture that was made smaller than `size`, as ``resize="longer"`` does.
    divide_by : float
        What the pixels are divided by.
    mean, std : float or tuple of float
        What is subtracted then, and what that is divided by: one number, or one per channel in the order of `color`.
    color : {"rgb", "bgr", "grey"}
        The channels: red, green, blue; the reverse; or one of grey.
    channels : {"first", "last"}
        Whether a batch is (N, C, H, W) or (N, H, W, C).
    source : str
        Where the settings were read, in words.

    Raises
    ------
    OptionError
        If a setting is not one of these.

    Examples
    --------
    >>> import numpy as np
    >>> halved = Preprocessing(size=2, divide_by=127.5, mean=1.0, channels="first")
    >>> x = halved(np.full((1, 4, 4, 3), 255, np.uint8))
    >>> x.shape, float(x.max())
    ((1, 3, 2, 2), 1.0)
    """

    size: int | Size | None = None
    resize: Resize = "shorter"
    resize_to: int | Size | None = None
    crop: Literal["center"] | None = "center"
    interpolation: Interpolation = "bilinear"
    fill: float = 0.0
    divide_by: float = 1.0
    mean: Numbers = 0.0
    std: Numbers = 1.0
    color: Color = "rgb"
    channels: ChannelOrder = "last"
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Check every setting, and make lists tuples."""
        for name in ("size", "resize_to"):
            object.__setattr__(self, name, checked_size(name, getattr(self, name)))
        check_one_of("resize", self.resize, RESIZES)
        check_one_of("interpolation", self.interpolation, INTERPOLATIONS)
        check_one_of("color", self.color, get_args(Color))
        check_one_of("channels", self.channels, get_args(ChannelOrder))
        check_one_of("crop", self.crop, ("center", None))
        object.__setattr__(self, "divide_by", checked_number("divide_by", self.divide_by, nonzero=True))
        object.__setattr__(self, "fill", checked_number("fill", self.fill))
        if not 0 <= self.fill <= _WHITE:
            raise OptionError(f"fill={self.fill} is not a grey: give a number from 0 (black) to 255 (white).")
        for name in ("mean", "std"):
            object.__setattr__(self, name, self._per_channel(name))

    @at_callers_line
    def __call__(self, pictures: Any) -> npt.NDArray[np.float32]:
        """Make a batch from pictures.

        Parameters
        ----------
        pictures : PIL.Image.Image, numpy.ndarray of uint8, str, pathlib.Path, or a sequence of them
            Pictures of Pillow; arrays (H, W, 3), (H, W) or a batch (N, H, W, 3); or the files of pictures.

        Returns
        -------
        numpy.ndarray of float32
            (N, C, H, W) or (N, H, W, C), see `channels`.

        Raises
        ------
        InputError
            If something is not a picture, or the pictures get different sizes because `size` is None.

        Warns
        -----
        PreprocessingWarning
            If a file of 16 bits seems to use fewer.

        Examples
        --------
        >>> from PIL import Image
        >>> Preprocessing(size=8)([Image.new("L", (20, 10)), Image.new("RGB", (9, 9))]).shape
        (2, 8, 8, 3)
        """
        doubts: Doubts = []
        x = self.batch(pictures_of(pictures, doubts))
        for message, category in doubts:
            warn_at_callers_line([(message, category)])
        return x

    def batch(self, named: Sequence[tuple[str, Image.Image]]) -> npt.NDArray[np.float32]:
        """Make a batch from upright pictures with the names that messages call them.

        Parameters
        ----------
        named : sequence of (str, PIL.Image.Image)
            What `explain.inputs.readers.pictures.read_picture` gives, and its name.

        Returns
        -------
        numpy.ndarray of float32
            (N, C, H, W) or (N, H, W, C).
        """
        made: list[npt.NDArray[Any]] = []
        for name, picture in counted_each(named, "pictures prepared"):
            made.append(self._pixels(picture, name))
            if made[-1].shape != made[0].shape:
                (first, *_), (high, wide, _), (other, across, _) = named[0], made[0].shape, made[-1].shape
                raise InputError(
                    f"{first} becomes {wide}×{high} pixels and {name} {across}×{other}, and a batch has one size: give "
                    "size=, the size that the model takes, such as size=224, with crop='center' or resize='stretch'."
                )
            if len(made) == 1:
                shape = (len(named), *made[0].shape)
                check_bytes(4 * int(np.prod(shape)), name, f"with the others, a batch of shape {shape}")
        x = standardised(np.stack(made), self.divide_by, self.mean, self.std)
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if self.channels == "first" else x

    def display(self, **details: Any) -> Display:
        """Give the data to draw a batch as the pictures were.

        Parameters
        ----------
        **details
            Further arguments of `explain.Display`, such as ``classes``.

        Returns
        -------
        explain.Display
            ``x * scale + mean`` is in [0, 1].

        Examples
        --------
        >>> Preprocessing(divide_by=255, mean=0.5, std=0.5).display().bounds
        (-1.0, 1.0)
        """
        mean, std = np.asarray(self.mean, np.float64), np.asarray(self.std, np.float64)
        ends = np.stack(np.broadcast_arrays((0 - mean) / std, (_WHITE / self.divide_by - mean) / std))
        settings: dict[str, Any] = {
            "mean": _plain(mean * self.divide_by / _WHITE),
            "scale": _plain(std * self.divide_by / _WHITE),
            "bounds": (float(ends.min()), float(ends.max())),
            "color": "bgr" if self.color == "bgr" else "rgb",
            "preprocessing": self.to_json(),
        }
        return Display(**{**settings, **details})

    @property
    def layout(self) -> str:
        """One letter per axis of a batch."""
        return "NCHW" if self.channels == "first" else "NHWC"

    def with_size(self, size: int | Size) -> Preprocessing:
        """Give the same settings for another size; what is cropped stays the same part of the picture.

        Examples
        --------
        >>> from explain.preprocessing.presets import preset
        >>> preset("imagenet").with_size(448).resize_to
        512
        """
        if self.resize_to is None or self.size is None:
            return replace(self, size=size)
        old, new = both_sides(self.size), both_sides(cast("int | Size", checked_size("size", size)))
        factors = [one / other for one, other in zip(new, old, strict=True)]
        if isinstance(self.resize_to, int) and new[0] == new[1]:
            return replace(self, size=size, resize_to=round(self.resize_to * max(factors)))
        high, wide = (
            round(one * factor) for one, factor in zip(both_sides(self.resize_to), factors, strict=True)
        )
        return replace(self, size=size, resize_to=(high, wide))

    def to_json(self) -> dict[str, Any]:
        """Give the settings as plain data for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Preprocessing:
        """Rebuild from the result of `to_json`.

        Examples
        --------
        >>> from explain.preprocessing.presets import preset
        >>> Preprocessing.from_json(preset("tf").to_json()) == preset("tf")
        True
        """
        known = [one.name for one in fields(cls)]
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise OptionError(
                f"preprocessing={dict(settings)!r} has the unknown settings {', '.join(map(repr, unknown))}: known are "
                f"{', '.join(known)}."
            )
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
        }
        return cls(**values)

    def describe(self) -> str:
        """Say the settings in one line.

        Examples
        --------
        >>> from explain.preprocessing.presets import preset
        >>> preset("imagenet").describe()
        'shorter side to 256, middle 224×224 cut out, / 255, − (0.485, 0.456, 0.406), / (0.229, 0.224, 0.225)'
        """
        size = None if self.size is None else "{1}×{0}".format(*both_sides(self.size))
        to = self.size if self.resize_to is None else self.resize_to
        parts = []
        if to is not None and self.resize != "none":
            aim = f"{to}" if isinstance(to, int) else f"{to[1]}×{to[0]}"
            parts.append(
                f"stretched to {aim}" if self.resize == "stretch" else f"{self.resize} side to {aim}"
            )
        if size is not None and self.resize == "longer":
            parts.append(f"filled up to {size}")
        elif size is not None and self.crop is not None:
            parts.append(f"middle {size} cut out")
        parts += [{"rgb": "", "bgr": "channels blue, green, red", "grey": "grey"}[self.color]]
        parts += [f"/ {self.divide_by:g}" if self.divide_by != 1 else ""]
        parts += [f"− {_short(self.mean)}" if np.any(self.mean) else ""]
        parts += [f"/ {_short(self.std)}" if np.any(np.asarray(self.std) != 1) else ""]
        return ", ".join(filter(None, parts)) or "pixels as they are, 0 to 255"

    def _pixels(self, picture: Image.Image, name: str) -> npt.NDArray[Any]:
        """Give the pixels of one picture, (H, W, C) in the order of `color`, from 0 to 255."""
        if self.color == "grey" and picture.mode == "RGB":
            picture = picture.convert("L")
        to = self.size if self.resize_to is None else self.resize_to
        picture = resized(picture, to, self.resize, self.interpolation, name)
        if self.size is not None and (self.resize == "longer" or self.crop is not None):
            high, wide = both_sides(self.size)
            if self.resize == "none" and (picture.width < wide or picture.height < high):
                raise InputError(
                    f"{name} is {picture.width}×{picture.height} pixels, smaller than the crop of {wide}×{high}, and "
                    "resize='none'. Resize it first: resize='shorter'."
                )
            picture = centred(picture, (high, wide), self.fill)
        pixels = np.asarray(picture)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., np.newaxis], _CHANNELS[self.color], axis=2)
        if self.interpolation in ("bicubic", "lanczos") and pixels.dtype != np.uint8:
            pixels = pixels.clip(0, _WHITE)  # As Pillow clips pixels of 8 bits where these filters overshoot.
        return pixels[..., ::-1] if self.color == "bgr" else pixels

    def _per_channel(self, name: str) -> Numbers:
        given, channels = getattr(self, name), _CHANNELS[self.color]
        numbers = np.atleast_1d(np.asarray(given, object))
        if numbers.ndim != 1 or len(numbers) not in (1, channels):
            raise OptionError(
                f"{name}={given!r} does not fit color={self.color!r}: give one number, or {channels}, one per channel."
            )
        checked = tuple(checked_number(name, one, nonzero=name == "std") for one in numbers)
        return checked[0] if len(set(checked)) == 1 else checked


def _plain(numbers: npt.NDArray[np.float64]) -> Numbers:
    return float(numbers) if numbers.ndim == 0 else tuple(map(float, numbers))


def _short(numbers: Numbers) -> str:
    if isinstance(numbers, float):
        return f"{numbers:g}"
    return f"({', '.join(f'{one:g}' for one in numbers)})"
