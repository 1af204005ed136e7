"""The padding of a convolution's input, as numbers for each axis instead of a framework's own names."""

from __future__ import annotations

from collections.abc import Sequence

Pairs = tuple[tuple[int, int], ...]


def same_padding(size: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Give the zeros before and after an axis that Keras's ``padding="same"`` adds.

    With a stride above 1 they depend on the size, and an odd number has its last zero after.

    Parameters
    ----------
    size, kernel, stride, dilation : int
        The sizes of input and kernel along the axis, and the kernel's stride and dilation.

    Examples
    --------
    >>> same_padding(32, 3, stride=2), same_padding(33, 3, stride=2), same_padding(32, 5)
    ((0, 1), (1, 1), (2, 2))
    """
    reach = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def resolved_padding(
    padding: str | Pairs,
    sizes: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> str | Pairs:
    """Give a convolution's padding in numbers if it can be known, else unchanged.

    Parameters
    ----------
    padding : str or tuple of (int, int)
        ``"same"``, ``"valid"``, ``"causal"``, or numbers already.
    sizes : sequence of int or None
        The size of the input along each axis of space, None if unknown.
    kernel, strides, dilation : sequence of int
        Of each axis.

    Examples
    --------
    >>> resolved_padding("same", (None, None), (3, 3), (1, 1), (1, 1))
    ((1, 1), (1, 1))
    >>> resolved_padding("same", (None, 32), (3, 3), (2, 2), (1, 1))
    'same'
    >>> resolved_padding("causal", (None,), (3,), (1,), (2,))
    ((4, 0),)
    """
    if padding == "valid":
        return tuple((0, 0) for _ in kernel)
    if padding == "causal":
        return tuple(((side - 1) * apart, 0) for side, apart in zip(kernel, dilation, strict=True))
    if padding != "same":
        return padding
    # With a stride of 1 the padding is the same for every size.
    known = [size if stride > 1 else 1 for size, stride in zip(sizes, strides, strict=True)]
    if None in known:
        return "same"
    return tuple(
        same_padding(int(size or 1), *axis)
        for size, *axis in zip(known, kernel, strides, dilation, strict=True)
    )


def cropping(reach: int, stride: int, length_at_stride: int) -> tuple[int, int]:
    """Give what TensorFlow crops before and after an axis of a transposed convolution with padding "same".

    Parameters
    ----------
    reach : int
        The extent of the kernel.
    stride : int
        The stride of the convolution that it transposes.
    length_at_stride : int
        The length of the output minus ``(size - 1) * stride``.

    Examples
    --------
    >>> cropping(3, 2, 2), cropping(2, 3, 3)
    ((0, 1), (0, -1))
    """
    total = reach - length_at_stride
    before = max(total, 0) // 2
    return before, total - before


def added(pairs: Pairs, more: Pairs) -> Pairs:
    """Add two paddings.

    Examples
    --------
    >>> added(((1, 1),), ((0, 2),))
    ((1, 3),)
    """
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(pairs, more, strict=True))
