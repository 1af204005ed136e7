"""The textured grounds of the pictures: two muted colours, mixed by one of four patterns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SIDE = 32

Weights = npt.NDArray[np.float64]


def ground(generator: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw a textured ground, shape (32, 32, 3), with every channel between 29 and 163.

    Examples
    --------
    >>> picture = ground(np.random.default_rng(0))
    >>> picture.shape, bool(picture.min() >= 29), bool(picture.max() <= 163)
    ((32, 32, 3), True, True)
    """
    dark = generator.integers(35, 86, size=3)
    light = dark + generator.integers(35, 61) + generator.integers(-12, 13, size=3)
    pattern = _PATTERNS[int(generator.integers(len(_PATTERNS)))](generator)[:, :, None]
    grain = generator.integers(-6, 7, size=(SIDE, SIDE, 1))
    mixed = np.rint(dark * (1 - pattern) + light * pattern) + grain
    return mixed.astype(np.uint8)


def turned(tangent: float) -> tuple[float, float]:
    """Give cosine and sine of twice the angle with this tangent: no operation whose rounding a machine chooses.

    Examples
    --------
    >>> turned(1.0)
    (0.0, 1.0)
    """
    squared = tangent * tangent
    return (1 - squared) / (1 + squared), 2 * tangent / (1 + squared)


def _axes(generator: np.random.Generator) -> tuple[Weights, Weights]:
    """Draw a direction, and give each pixel's place along it and across it, from a random origin."""
    cosine, sine = turned(2 * generator.random() - 1)
    down = np.arange(SIDE)[:, None] + SIDE * generator.random()
    right = np.arange(SIDE)[None, :] + SIDE * generator.random()
    return right * cosine + down * sine, down * cosine - right * sine


def _stripes(generator: np.random.Generator) -> Weights:
    along, _ = _axes(generator)
    turns = along / (3.5 + 4 * generator.random())
    # Soft edges, as a picture of cloth has them.
    return np.clip(2 * np.abs(2 * (turns - np.floor(turns)) - 1) - 0.5, 0, 1)


def _checks(generator: np.random.Generator) -> Weights:
    along, across = _axes(generator)
    cell = 2.5 + 2 * generator.random()
    return (np.floor(along / cell) + np.floor(across / cell)) % 2


def _blotches(generator: np.random.Generator) -> Weights:
    """Interpolate random values on a coarse grid between its points."""
    points = int(generator.integers(6, 11))
    values = generator.random((points, points))
    place = np.arange(SIDE) * (points - 1) / SIDE
    first = np.floor(place).astype(np.int64)
    part = place - first
    rows = values[first] * (1 - part)[:, None] + values[first + 1] * part[:, None]
    mixed = rows[:, first] * (1 - part) + rows[:, first + 1] * part
    return np.clip(2 * mixed - 0.5, 0, 1)


def _speckles(generator: np.random.Generator) -> Weights:
    values = generator.random((SIDE + 1, SIDE + 1))
    # The mean of two neighbours in either direction: grains of a pixel or two.
    return (values[:-1, :-1] + values[1:, :-1] + values[:-1, 1:] + values[1:, 1:]) / 4


_PATTERNS = (_stripes, _checks, _blotches, _speckles)
