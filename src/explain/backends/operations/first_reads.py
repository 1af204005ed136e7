"""The layout of an input, seen from the operations of the model that read it first.

A convolution reads channels and extents, a recurrent layer time steps and features. Which axis of the input is which
follows from what changes there when the input changes at one index of an axis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explain.inputs.examples import Array
from explain.inputs.layout import Layout

Role = Literal["N", "C", "T", "S", "F", "*"]
"""What an operation does with an axis of its input: rows, channels, time steps, an extent that it slides along, values
that one weight each multiplies (F), or other places."""


def repeated(role: Role, count: int) -> tuple[Role, ...]:
    """Give a role for several axes.

    Examples
    --------
    >>> repeated("S", 2)
    ('S', 'S')
    """
    return (role,) * count


MOST_READS = 12
"""The first operations decide; the number bounds the memory for their inputs."""


@dataclass(frozen=True, eq=False)
class Read:
    """The input of an operation in one run of a model.

    Parameters
    ----------
    roles : tuple of str
        The role of each of its axes.
    shape : tuple of int
        Its shape; None for a size that is not known.
    array : numpy.ndarray, optional
        Its values; None inside a loop that is traced.
    weights : hashable, optional
        Tells operations with other weights apart; None for one without weights.
    """

    roles: tuple[Role, ...]
    shape: tuple[int | None, ...]
    array: Array | None
    weights: Hashable = None


# The usual layout of a series is the second for a model with a one-dimensional convolution somewhere. Behind operations
# that mix all places and channels, what the convolution reads tells neither.
_UNTOLD = ("NTC", "NCT")


class EnoughRead(BaseException):
    """Ends a run of the model; not an `Exception`, so that no handler in the model catches it."""


Run = Callable[[Array, int], Sequence[Read]]
"""From one example, batch first, to the first reads of the model, at most as many."""


def layouts_read(example: Array, default: Layout, run: Run) -> tuple[Layout, ...]:
    """Give the layouts in which a model reads an example: none if nothing tells, several if all of them fit.

    Parameters
    ----------
    example : numpy.ndarray
        One example, batch first.
    default : Layout
        The usual layout; it remains if any operation reads the example so.
    run : callable
        Runs the model.

    Examples
    --------
    >>> grey = lambda x, most: [Read(("N", "C", "S", "S"), (1, 1, *x.shape[1:]), x[:, np.newaxis])]
    >>> [one.axes for one in layouts_read(np.zeros((1, 4, 5)), Layout("NTC"), grey)]
    ['NHW']
    """
    found: list[tuple[str, ...]] = []
    for most in (1, MOST_READS):
        reads = run(example, most)
        if not reads:
            return ()
        found = _readings(example, reads, run, most)
        if any(_agree(default.axes, one) for one in found):
            return (default,)
    certain = list(dict.fromkeys(one[0] for one in found if len(one) == 1))
    doubtful = next((one for one in found if len(one) > 1), ())
    untold = _UNTOLD if default.axes == _UNTOLD[1] else ()
    return tuple(Layout(axes) for axes in (certain or doubtful or untold))


def series_read(example: Array, run: Run) -> bool:
    """Tell whether a model slides along the only axis of an example, such as a waveform, before it does anything else.

    Examples
    --------
    >>> wave = lambda x, most: [Read(("N", "C", "S"), (1, 1, x.shape[1]), x[:, np.newaxis])]
    >>> series_read(np.zeros((1, 40)), wave)
    True
    """
    reads = run(example, 1)
    if not reads or reads[0].roles.count("S") != 1 or reads[0].array is None:
        return False
    others = run(_changed(example, 1, 1), 1)
    if not others or others[0].array is None or others[0].array.shape != reads[0].array.shape:
        return False
    # One number of the example is read at one place of the extent, and nowhere else.
    changed = _indices(others[0].array != reads[0].array)
    return all(
        index.sum() == 1 and (role == "S" or len(index) == 1)
        for index, role in zip(changed, reads[0].roles, strict=True)
    )


def _agree(default: str, found: tuple[str, ...]) -> bool:
    """Tell whether a reading has the channels and the time where the default has them: the others are extents."""
    return len(found) == 1 and all(default.find(letter) == found[0].find(letter) for letter in "CT")


def _readings(example: Array, reads: Sequence[Read], run: Run, most: int) -> list[tuple[str, ...]]:
    """Give the layouts that fit each read of the example; reads of all its axes count before others."""
    if any(one.array is not None and np.array_equal(one.array, example) for one in reads[:1]):
        # The first operation takes the example as it is; a linear layer over the last axis leaves the others open.
        of_first = _layouts(reads[0].roles[1:], reads[0].roles)
        if of_first or len(reads) == 1:
            return [of_first] if of_first else []
    # Behind a ReLU only one of two directions may be seen; nothing but scaling is before most first operations.
    signs = (1,) if most == 1 else (1, -1)
    changed = [
        [run(_changed(example, axis, sign), most) for sign in signs] for axis in range(1, example.ndim)
    ]
    whole: list[tuple[str, ...]] = []
    part: list[tuple[str, ...]] = []
    weights = Counter(read.weights for read in reads if read.weights is not None)
    for place, read in enumerate(reads):
        others = [[one[place].array if place < len(one) else None for one in runs] for runs in changed]
        is_step = weights[read.weights] > 1
        roles = (
            _roles_by_shape(example, read) if read.array is None else _roles(example, read, others, is_step)
        )
        if roles is not None:
            (part if None in roles else whole).append(_layouts(roles, read.roles))
    return [one for one in whole if one] or [one for one in part if one]


def _changed(example: Array, axis: int, sign: int) -> Array:
    """Give the example with other values at one index of an axis, in one of two directions."""
    other = np.moveaxis(example.copy(), axis, 0)
    place = other[len(other) // 2]
    noise = np.random.default_rng(axis).normal(size=place.shape)
    # Every value moves by more than the values differ, so that most units of a ReLU do in one direction.
    step = sign * np.where(noise < 0, noise - 1, noise + 1) * (1 + np.ptp(example))
    other[len(other) // 2] = place + step.astype(example.dtype)
    return np.ascontiguousarray(np.moveaxis(other, 0, axis))


def _roles(
    example: Array, read: Read, others: Sequence[Sequence[Array | None]], is_step: bool
) -> list[Role | None] | None:
    """Give the role of each axis of the example after the first; None for an axis that cannot be told.

    Gives None for an operation that reads what another one made of the example: more than the values of that index
    differ. `is_step` tells whether an operation with the same weights reads something else, as in a loop over frames;
    an operation that alone reads some channels is no loop.
    """
    assert read.array is not None
    if any(other is None or other.shape != read.array.shape for runs in others for other in runs):
        return None
    differing = [np.logical_or.reduce([other != read.array for other in runs]) for runs in others]
    # Where any change is seen: what is outside was padded.
    seen = _indices(np.logical_or.reduce(differing))
    found: list[Role | None] = []
    for size, differs in zip(example.shape[1:], differing, strict=True):
        indices = _indices(differs)
        along = [place for place, some in enumerate(indices) if not np.array_equal(some, seen[place])]
        if not differs.any():
            # The operation reads another index of this axis: a step of a loop, or some of the channels.
            if not is_step:
                return None
            found.append("N")
        elif along and differs.sum() * min(size, seen[along[0]].sum()) > differs.size:
            return None
        else:
            found.append(read.roles[along[0]] if len(along) == 1 else None)
    return found if any(role not in (None, "N") for role in found) else None


def _indices(differs: Array) -> list[Array]:
    """Give, for each axis, the indices at which anything differs."""
    axes = range(differs.ndim)
    return [np.asarray(differs.any(axis=tuple(one for one in axes if one != axis))) for axis in axes]


def _roles_by_shape(example: Array, read: Read) -> list[Role | None] | None:
    """Give the roles by the sizes of the axes, in order, where only one choice of axes fits; others are rows."""
    wanted = [(size, role) for size, role in zip(read.shape, read.roles, strict=True) if role != "N"]
    sizes = list(example.shape[1:])
    fitting = [
        start
        for start in range(len(sizes) - len(wanted) + 1)
        if sizes[start : start + len(wanted)] == [size for size, _ in wanted]
    ]
    if len(fitting) != 1:
        return None
    found: list[Role | None] = ["N"] * len(sizes)
    found[fitting[0] : fitting[0] + len(wanted)] = [role for _, role in wanted]
    return found


def _layouts(roles: Sequence[Role | None], of_read: Sequence[Role]) -> tuple[str, ...]:
    """Give the layouts that fit the roles of an example's axes; none if too little is known."""
    known = list(roles)
    if known.count(None) == 1:
        # An axis of size 1, or one that was mixed: the channels, unless another axis has them.
        known[known.index(None)] = "C" if "C" in of_read and "C" not in known else "N"
    if None in known or "*" in known or "F" in known:
        return _OF_FLATTENED.get(len(known), ()) if known.count("F") == len(known) else ()
    letters = _letters(known)
    if letters is None:
        return ()
    if letters.count("C") < 2:
        return ("N" + "".join(letters),)
    return _with_shared_channels(letters)


# All values are read at once, each with a weight of its own.
_OF_FLATTENED: dict[int, tuple[str, ...]] = {2: ("NTC", "NHW"), 4: ("NCDHW", "NTCHW")}


def _letters(roles: Sequence[Role | None]) -> list[str] | None:
    """Name the axes: extents by their number, rows that are joined with the examples as time beside them."""
    extents, rows, steps = (
        [place for place, role in enumerate(roles) if role == name] for name in ("S", "N", "T")
    )
    letters = ["C"] * len(roles)
    moved = rows + steps
    if len(moved) > 1 or len(extents) > 3:
        moved, extents = [], sorted(extents + moved)
        if len(extents) > 3:
            return None
    if moved and len(extents) == 1:
        moved, extents = [], sorted(extents + moved)
    if len(extents) == 1 and not moved:
        moved, extents = extents, []
    for place in moved:
        letters[place] = "T"
    for place, letter in zip(extents, "DHW"[3 - len(extents) :], strict=True):
        letters[place] = letter
    return letters


def _with_shared_channels(letters: Sequence[str]) -> tuple[str, ...]:
    """Give the layouts for two axes that an operation reads as one axis of channels: each may be the channels."""
    shared = [place for place, letter in enumerate(letters) if letter == "C"]
    if len(shared) > 2:
        return ()
    # Frames as channels of pictures; or values of each step, which may be a picture or places with features.
    names = ("CT", "TC") if "T" not in letters else ("HW", "HC")
    found = []
    for name in names:
        axes = list(letters)
        for place, letter in zip(shared, name, strict=True):
            axes[place] = letter
        if len(set(axes)) == len(axes):
            found.append("N" + "".join(axes))
    return tuple(found)
