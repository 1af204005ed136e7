"""Which operations of a run are attentions: a softmax whose result multiplies values. The same in every framework."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from explain.errors import UnsupportedModelError


@dataclass(frozen=True)
class AttentionKinds:
    """The properties of the operations of a framework that tell attentions.

    Parameters
    ----------
    operands_of : callable
        Maps an operation to the operations whose results are its operands, by position; None for a constant.
    is_softmax : callable
        Tells whether an operation is a softmax.
    is_fused : callable
        Tells whether an operation is a whole attention, whose softmax cannot be seen.
    axis_of : callable
        Maps a softmax to the axis of its result whose values sum to one.
    carried : callable
        From an operation and the axis of its first operand to that axis of its result, if it changes the shape or the
        precision of the operand only; else None.
    masks : callable
        Tells whether an operation sets some values of its operand at a position, the result of a softmax as it is, to
        zero.
    sums_over : callable
        Tells whether an operation is a batched matrix product that sums over an axis of the operand at a position.
    shape_of : callable
        Gives the shape of the result of a softmax.
    """

    operands_of: Callable[[Any], Sequence[Any | None]]
    is_softmax: Callable[[Any], bool]
    is_fused: Callable[[Any], bool]
    axis_of: Callable[[Any], int]
    carried: Callable[[Any, int], int | None]
    masks: Callable[[Any, int], bool]
    sums_over: Callable[[Any, int, int], bool]
    shape_of: Callable[[Any], tuple[int | None, ...]]


@dataclass(frozen=True)
class SeenAttention:
    """An attention in the graph of a run.

    Parameters
    ----------
    softmax : operation
        Its result are the weights.
    product : operation
        It multiplies the weights with the values.
    position : int
        The position of the weights among the operands of the product: 0 or 1.
    masks : tuple of operation
        What sets some of the weights to zero before, in order.
    """

    softmax: Any
    product: Any
    position: int
    masks: tuple[Any, ...] = ()


def attentions_among(
    operations: Iterable[Any], sources: Collection[Any], kinds: AttentionKinds
) -> list[SeenAttention]:
    """Find the attentions among the operations that a score depends on, in the order in which they follow one another.

    Each takes queries, keys and values from the one before it, the first one from the inputs: only then does a product
    of their weights say what reaches the score from each token.

    Parameters
    ----------
    operations : iterable
        The operations that the score depends on, each after its operands.
    sources : collection
        The operations that give the inputs.
    kinds : AttentionKinds
        Their properties.

    Raises
    ------
    UnsupportedModelError
        If there is none, if one cannot be seen, or if they do not follow one another.

    Examples
    --------
    >>> operands = {"x": [], "scores": ["x", "x"], "softmax": ["scores"], "mixed": ["softmax", "x"]}
    >>> kinds = AttentionKinds(
    ...     operands_of=operands.get,
    ...     is_softmax=lambda one: one == "softmax",
    ...     is_fused=lambda one: False,
    ...     axis_of=lambda one: 2,
    ...     carried=lambda one, axis: None,
    ...     masks=lambda one, position: False,
    ...     sums_over=lambda one, position, axis: one == "mixed",
    ...     shape_of=lambda one: (1, 4, 4),
    ... )
    >>> attentions_among(operands, ["x"], kinds)
    [SeenAttention(softmax='softmax', product='mixed', position=0, masks=())]
    """
    found: list[SeenAttention] = []
    # Of every operation: the softmax whose result it passes on, on which axis its values sum to one, and its masks.
    carried: dict[Any, tuple[Any, int, tuple[Any, ...]]] = {}
    # Of every operation: the sources and the softmaxes that it depends on, a bit each.
    depends: dict[Any, int] = {}
    bits: dict[Any, int] = {}
    for operation in operations:
        operands = kinds.operands_of(operation)
        depends[operation] = int(operation in sources)
        for operand in operands:
            depends[operation] |= depends.get(operand, 0)
        if kinds.is_fused(operation):
            raise unreadable(
                "one of its attentions is a fused operation that the model itself asks for, so that its weights cannot "
                "be seen. Have the model take the plain implementation, or leave the choice of it to PyTorch."
            )
        if kinds.is_softmax(operation):
            bits[operation] = 1 << len(bits) + 1
            depends[operation] |= bits[operation]
            carried[operation] = operation, kinds.axis_of(operation), ()
            continue
        for position, operand in enumerate(operands):
            if operand not in carried:
                continue
            softmax, axis, masks = carried[operand]
            if len(operands) == 2 and kinds.sums_over(operation, position, axis):
                found.append(SeenAttention(softmax, operation, position, masks))
            elif kinds.masks(operation, position):
                carried[operation] = softmax, axis, (*masks, operation)
            elif position == 0 and (moved := kinds.carried(operation, axis)) is not None:
                carried[operation] = softmax, moved, masks
    _check_all_are_seen(found, bits, kinds)
    _check_chain(found, depends, bits, kinds)
    return found


def _check_all_are_seen(
    found: Sequence[SeenAttention], softmaxes: Collection[Any], kinds: AttentionKinds
) -> None:
    """Refuse a model without attentions, or with one whose weights are changed before they multiply values."""
    if not found:
        raise unreadable(
            "no softmax on the way to its score multiplies values by a matrix product, which is what an attention does "
            "(a linear attention has no softmax; some models change the weights before the product)."
        )
    seen = {one.softmax for one in found}
    shapes = {kinds.shape_of(softmax) for softmax in seen}
    if any(kinds.shape_of(other) in shapes for other in softmaxes if other not in seen):
        raise unreadable("the weights of one of its attentions are changed before they multiply values.")


def _check_chain(
    found: Sequence[SeenAttention], depends: dict[Any, int], bits: dict[Any, int], kinds: AttentionKinds
) -> None:
    """Refuse attentions that do not follow one another."""
    before = 1
    for one in found:
        values = kinds.operands_of(one.product)[1 - one.position]
        if not (depends[one.softmax] & before and depends.get(values, 0) & before):
            raise unreadable(
                "its attentions do not follow one another, each over what the one before it gives: they are of several "
                "streams, as in an encoder with a decoder, or attend to something else than the tokens of this input."
            )
        before = bits[one.softmax]


def unreadable(why: str) -> UnsupportedModelError:
    """Give the error for attentions that do not say what a token contributes, for a reason."""
    return UnsupportedModelError(
        f"The attentions of the model do not tell what a token contributes: {why} Use method='integrated_gradients', "
        "method='input_x_gradient' or method='occlusion', which do not read attentions."
    )
