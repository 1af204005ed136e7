"""From attentions to the input: which token the score reads, what it has of each other token, where that token is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, cast

import numpy as np

from explain.algorithms.class_activation_map.layer_maps import spread
from explain.algorithms.example_warnings import examples_named
from explain.algorithms.method import Option
from explain.backends.operations.attention_rows import Attentions
from explain.backends.protocol import LayeredBackend
from explain.errors import GradientError, OptionError, UnsupportedInputError
from explain.inputs.examples import Array, Examples
from explain.inputs.layer_calls import TokenGrid, extent_of
from explain.running.maps.token_grid import grid_of_tokens
from explain.running.problem import Problem


def _is_token(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral)


def _is_token_option(value: Any) -> bool:
    if value is None or _is_token(value):
        return True
    if isinstance(value, str):
        return value == "mean"
    listed = value.tolist() if hasattr(value, "tolist") else value
    return isinstance(listed, (list, tuple)) and bool(listed) and all(map(_is_token, listed))


def _plain_token(value: Any) -> Any:
    listed = value.tolist() if hasattr(value, "tolist") else value
    return [int(one) for one in listed] if isinstance(listed, (list, tuple)) else listed


TOKEN = Option(
    "token",
    None,
    "None, 'mean', or the number of a token, from 0 or, as -1, from the end; or a list of one number per example",
    _is_token_option,
    "The token whose row is shown. None: the mean of those that the score reads, such as the class token. The result "
    "records it.",
    plain=_plain_token,
)
"""The option for the token that is read after the last attention."""


def of_each_example(
    problem: Problem, solve: Callable[[Attentions, Array | None], Array]
) -> tuple[Array, Mapping[str, Any], Array]:
    """Give what the score has of each token, shape (N, T), the token that it reads, and the examples without gradients.

    Parameters
    ----------
    problem : Problem
        With the option `token`.
    solve : callable
        From the attentions of some examples, and the weight of each token that is read, shape (N, 1, T), None if the
        last attention has a query of its own, to what is read of each token, shape (N, 1, T).
    """
    examples, token = problem.examples, problem.options["token"]
    shares: list[Array] = []
    reads: list[Array] = []
    dead: list[Array] = []

    def compute(rows: slice) -> tuple[Array, Array, Array]:
        found = problem.backend.attentions(examples.rows(rows))
        has_slope = np.logical_or.reduce([one.reshape(len(one), -1).any(axis=1) for one in found.gradients])
        if token is None and found.weights[-1].shape[-2] == 1 < found.n_tokens:
            return solve(found, None)[:, 0], np.zeros((rows.stop - rows.start, 0)), ~has_slope
        read = _read(found, token if not isinstance(token, list) else _one_each(token, examples)[rows])
        unread = np.flatnonzero(~read.any(axis=1))
        if unread.size:
            raise GradientError(
                f"Which token the score reads cannot be seen for {examples_named(unread + rows.start)}: it has no "
                "gradient to the weights of the last attention. Name the token, for example token=0 for the first, "
                "which classifiers often read, or token=-1 for the last, as decoders do."
            )
        weight = (read / read.sum(axis=1, keepdims=True))[:, np.newaxis]
        return solve(found, weight)[:, 0], read, ~has_slope

    for _, (share, read, is_dead) in problem.executor.over_rows(len(examples), compute):
        shares.append(share)
        reads.append(read)
        dead.append(is_dead)
    return np.concatenate(shares), {"token": _recorded(token, np.concatenate(reads))}, np.concatenate(dead)


def _one_each(token: Sequence[int], examples: Examples) -> Array:
    if len(token) != len(examples):
        raise OptionError(
            f"token={list(token)!r} has {len(token)} numbers, but there are {len(examples)} examples: give one number "
            "per example, or a single one for all."
        )
    return np.array(token)


def _read(found: Attentions, token: Any) -> Array:
    """Give the tokens that are read after the last attention of tokens, zero for the others, shape (N, T)."""
    square = [one for one in found.gradients if one.shape[-2] == found.n_tokens]
    rows, count = len(square[-1]), found.n_tokens
    if token is None:
        # A token that nothing reads has a gradient of exactly zero in its row.
        is_read: Array = np.abs(square[-1]).max(axis=(1, 3)) > 0
        return is_read
    if isinstance(token, str):
        return np.ones((rows, count))
    numbers = np.broadcast_to(token, rows)
    if not ((numbers >= -count) & (numbers < count)).all():
        given = token if np.ndim(token) == 0 else numbers.tolist()
        raise OptionError(
            f"token={given!r} is out of range: the attentions of the model are over {count} tokens, so give numbers "
            f"from {-count} to {count - 1}."
        )
    chosen: Array = np.eye(count)[numbers]
    return chosen


def _recorded(token: Any, read: Array) -> Any:
    """Give the token that was read as the result records it."""
    if token is not None:
        return token
    if not read.shape[1]:
        return "query of the last attention"
    counts = (read > 0).sum(axis=1)
    if (counts == 1).all():
        numbers = read.argmax(axis=1)
        return int(numbers[0]) if (numbers == numbers[0]).all() else numbers.tolist()
    return f"mean of {counts[0]}" if (counts == counts[0]).all() else [f"mean of {count}" for count in counts]


def over_input(problem: Problem, shares: Array) -> Array:
    """Give each place of the input the value of its token, shape of the input; channels of a place get equal shares.

    Tokens that are at no place, such as a class token, are left out.
    """
    count, shape = shares.shape[1], problem.examples.inputs[0].shape
    grid = _grid(problem, count)
    is_table = not extent_of(problem.layout)
    if grid is None or (is_table and grid.sizes != shape[1:]):
        raise UnsupportedInputError(
            f"The {count} tokens of the attentions are at no places of this input, of shape {shape} batch first: a "
            "change at its ends does not change the tokens at theirs most. Use method='integrated_gradients', "
            "method='input_x_gradient' or method='occlusion', which take an input as it is."
        )
    maps = grid.laid_out(shares[..., np.newaxis])[..., 0]
    return maps if is_table else spread(maps, problem)


def _grid(problem: Problem, count: int) -> TokenGrid | None:
    """Find where the tokens are, once for a model and a shape of its input."""

    def values_of(examples: Examples) -> Array:
        over = problem.executor.over_rows(
            len(examples), lambda rows: problem.backend.attentions(examples.rows(rows)).values
        )
        return np.concatenate([values for _, values in over])

    if problem.examples.unmoved or "layers" not in problem.backend.provides:
        return grid_of_tokens(problem, count, values_of)
    known = cast(LayeredBackend, problem.backend).observed
    key = ("tokens of attentions", problem.layout, problem.examples.inputs[0].shape[1:], count)
    if key not in known:
        known[key] = grid_of_tokens(problem, count, values_of)
    found: TokenGrid | None = known[key]
    return found
