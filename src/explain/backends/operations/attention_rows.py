"""The attentions of a model for a batch of examples, with an axis of examples, of heads, of queries and of keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from explain.backends.operations.attentions import unreadable
from explain.errors import UnsupportedModelError
from explain.inputs.examples import Array, Arrays, Examples


@dataclass(frozen=True)
class Attentions:
    """The attentions on the way to the scores, in the order in which they follow one another.

    Parameters
    ----------
    weights : tuple of numpy.ndarray
        For each attention how much each query takes from each key, shape (N, heads, T, T). Each row sums to one, or is
        zero where everything is masked. The last one may have a single query that is no token, (N, heads, 1, T), as
        where attention pools the tokens.
    gradients : tuple of numpy.ndarray
        The gradients of the scores to the weights, of the same shapes; zeros where there is none.
    values : numpy.ndarray
        What the first attention mixes, token by token, shape (N, T, D): it shows which part of the input a token is.
    """

    weights: Arrays
    gradients: Arrays
    values: Array

    @property
    def n_tokens(self) -> int:
        """The number of tokens, T."""
        return int(self.weights[0].shape[-1])

    def rows(self, rows: slice) -> Attentions:
        """Give the attentions of some examples."""
        return Attentions(
            tuple(one[rows] for one in self.weights),
            tuple(one[rows] for one in self.gradients),
            self.values[rows],
        )


@dataclass(frozen=True)
class RawAttentions:
    """The attentions of one run as the model computes them: heads may be folded into the axis of the examples.

    Parameters
    ----------
    weights, gradients : sequence of numpy.ndarray
        One for each attention, keys last.
    values : numpy.ndarray
        The values of the first attention, its keys on axis 1, shape (N, T, ...) or (N · heads, T, D).
    """

    weights: Sequence[Array]
    gradients: Sequence[Array]
    values: Array


def attentions_of(
    run: Callable[[Examples], RawAttentions], examples: Examples, *, only_size: bool = False
) -> Attentions:
    """Give the attentions of examples, with the rows that belong to each.

    One example alone tells how many rows an example has. Heads that are folded into the axis of the examples may be
    the first or the second part of it: such examples run one by one.

    Parameters
    ----------
    run : callable
        Runs examples.
    examples : Examples
        The examples.
    only_size : bool
        Whether the model takes only as many examples as there are, so that no example runs alone.

    Raises
    ------
    UnsupportedModelError
        If the rows are not those of the examples, or if the attentions are over different tokens.
    """
    count = len(examples)
    first = run(examples if only_size else examples.rows(slice(0, 1)))
    alone = count if only_size else 1
    heads = _checked(first, alone)
    if only_size or count == 1:
        if count > 1 and any(own > 1 for own in heads):
            raise _not_by_example()
        return _unfolded(first, count)
    if any(own > 1 for own in heads):
        each = [_unfolded(first, 1)]
        each += [_unfolded(run(examples.rows(slice(row, row + 1))), 1) for row in range(1, count)]
        return Attentions(
            tuple(np.concatenate(parts) for parts in zip(*(one.weights for one in each), strict=True)),
            tuple(np.concatenate(parts) for parts in zip(*(one.gradients for one in each), strict=True)),
            np.concatenate([one.values for one in each]),
        )
    together = run(examples)
    if _checked(together, count) != heads:
        raise _not_by_example()
    return _unfolded(together, count)


def _checked(found: RawAttentions, count: int) -> list[int]:
    """Give how many heads of each attention are folded into the axis of the examples; 1 for none."""
    sizes = [one.shape[-2:] for one in found.weights]
    tokens = sizes[0][1]
    square = sizes if sizes[-1] != (1, tokens) else sizes[:-1]
    if any(size != (tokens, tokens) for size in square) or not square:
        shapes = ", ".join(dict.fromkeys(f"{queries} x {keys}" for queries, keys in sizes))
        raise unreadable(
            f"they are not all over the same tokens: queries and keys are {shapes}, as where one sequence attends to "
            "another, or where windows or tokens are merged."
        )
    heads = []
    for one in found.weights:
        if one.ndim not in (3, 4) or len(one) % count or (one.ndim == 4 and len(one) != count):
            raise _not_by_example()
        heads.append(len(one) // count)
    return heads


def _not_by_example() -> UnsupportedModelError:
    return unreadable(
        "their rows are not the examples, as where it attends within windows of a picture, so that those of one are "
        "not known."
    )


def _unfolded(found: RawAttentions, count: int) -> Attentions:
    def shaped(one: Array) -> Array:
        return one if one.ndim == 4 else one.reshape(count, -1, *one.shape[-2:])

    values = found.values.reshape(count, -1, *found.values.shape[1:])
    return Attentions(
        tuple(map(shaped, found.weights)),
        tuple(map(shaped, found.gradients)),
        np.moveaxis(values, 2, 1).reshape(count, values.shape[2], -1),
    )


class ReadsAttentions(ABC):
    """The `attentions` of a backend."""

    fixed_batch_size: int | None

    @abstractmethod
    def padded(self, examples: Examples) -> Examples:
        """Repeat the last example up to the fixed batch size, if there is one."""

    @abstractmethod
    def attentions_in_one_run(self, examples: Examples) -> RawAttentions:
        """Give the attentions on the way to the scores, and the gradients to them, from one run of the model."""

    def attentions(self, examples: Examples) -> Attentions:
        """Give the weights of every attention on the way to the scores, and the gradients of the scores to them."""
        is_fixed = self.fixed_batch_size is not None
        found = attentions_of(self.attentions_in_one_run, self.padded(examples), only_size=is_fixed)
        return found.rows(slice(0, len(examples)))
