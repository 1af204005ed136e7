"""Several calls of layers as one: of the embeddings that read the same token ids, of a layer for each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.errors import OptionError
from explain.inputs.examples import Array
from explain.inputs.layer_calls import LayerCall
from explain.inputs.layout import Layout

TOKEN_VECTORS = Layout("NTC")
"""The axes of the vectors of tokens."""


@dataclass(frozen=True)
class TokenCalls(LayerCall):
    """Several calls as one, whose output has the vectors of all of them for each token: shape (N, T, C).

    The output for one id an example is a sequence of one token, so that methods treat the id as a whole.

    Parameters
    ----------
    calls : tuple of LayerCall
        The calls, each with an output of shape (N, T, Cᵢ), or (N, Cᵢ) for one id an example.
    """

    calls: tuple[LayerCall, ...] = ()

    @classmethod
    def of(cls, calls: Sequence[LayerCall]) -> TokenCalls:
        """Join calls whose outputs differ at most in the number of channels.

        Examples
        --------
        >>> words = LayerCall("words", 0, (5, 8), channels_last=True)
        >>> biases = LayerCall("biases", 0, (5, 1), channels_last=True)
        >>> joined = TokenCalls.of([words, biases])
        >>> joined.label, joined.shape, [part.stop for part in joined.columns]
        ('words + biases', (5, 9), [8, 9])
        """
        width = sum(call.shape[-1] for call in calls)
        tokens = calls[0].shape[:-1] or (1,)
        label = " + ".join(call.label for call in calls)
        return cls(label, 0, (*tokens, width), channels_last=True, calls=tuple(calls))

    @property
    def columns(self) -> tuple[slice, ...]:
        """The channels of each call."""
        stops = np.cumsum([call.shape[-1] for call in self.calls]).tolist()
        return tuple(slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False))

    def joined(self, outputs: Sequence[Array]) -> Array:
        """Put the outputs of the calls side by side."""
        found = np.concatenate(outputs, axis=-1)
        return found.reshape(len(found), *self.shape)

    def layout(self, of_input: Layout) -> Layout:
        """Give the axes of the output, batch first: those of the tokens are known, whatever their sizes."""
        return TOKEN_VECTORS


@dataclass(frozen=True)
class StepCalls(LayerCall):
    """Calls of one layer as one: each reads one step of the input, such as a frame, and the outputs are its steps.

    Together they are what a layer over all steps would be, as a recurrent layer is that gives its whole sequence.

    Parameters
    ----------
    calls : tuple of LayerCall
        The calls, in the order of the steps.
    letter : str
        The axis of the input over which they go.
    """

    calls: tuple[LayerCall, ...] = ()
    letter: str = "T"

    @classmethod
    def of(cls, calls: Sequence[LayerCall], letter: str) -> StepCalls:
        """Join calls whose outputs have the same shape.

        Examples
        --------
        >>> calls = [LayerCall("cell", call, (4, 5, 5), False, is_only_call=False) for call in range(9)]
        >>> joined = StepCalls.of(calls, "T")
        >>> joined.label, joined.shape, joined.layout(Layout("NTCHW")).axes
        ('cell', (9, 4, 5, 5), 'NTCHW')
        """
        one = calls[0]
        shape = (len(calls), *one.shape)
        return cls(
            one.name,
            one.call,
            shape,
            one.channels_last,
            is_leaf=one.is_leaf,
            calls=tuple(calls),
            letter=letter,
        )

    @property
    def has_steps(self) -> bool:
        """Whether the first axis of `shape` is that of the steps: it is."""
        return True

    @property
    def _letter_of_steps(self) -> str:
        return self.letter

    def joined(self, outputs: Sequence[Array]) -> Array:
        """Put the outputs of the calls, shape (N, ...), behind each other: shape (N, steps, ...)."""
        return np.stack(outputs, axis=1)


def single_calls(call: LayerCall) -> tuple[LayerCall, ...]:
    """Give the calls that a call stands for: itself, or one a step."""
    return call.calls if isinstance(call, StepCalls) else (call,)


def token_options(options: Mapping[str, Any], ids: Array, call: TokenCalls) -> Mapping[str, Any]:
    """Give options of a method, which refer to the axes of the ids, for the vectors: a token's numbers stay together.

    Parameters
    ----------
    options : Mapping
        The options of a method.
    ids : numpy.ndarray of int
        Shape (N, T), or (N,).
    call : TokenCalls
        The calls that give their vectors.

    Raises
    ------
    OptionError
        If an array does not fit the ids.

    Examples
    --------
    >>> call = TokenCalls.of([LayerCall("words", 0, (5, 8), channels_last=True)])
    >>> token_options({"sliding_window_shapes": (2,), "strides": 1}, np.zeros((1, 5), int), call)
    {'sliding_window_shapes': (2, 8), 'strides': 1}
    """
    found = dict(options)
    if "feature_mask" in options:
        found["feature_mask"] = _token_features(options["feature_mask"], ids)
    for name in ("sliding_window_shapes", "strides"):
        given = options.get(name)
        if isinstance(given, tuple) and len(given) == ids.ndim - 1:
            found[name] = (*given, call.shape[-1])
    return found


def _token_features(feature_mask: Any, ids: Array) -> Any:
    """Give the feature of each token, which all numbers of its vector share, or a rule for sequences of vectors."""
    if feature_mask is None or isinstance(feature_mask, str):
        return "positions" if feature_mask in (None, "elements") else feature_mask
    numbers = np.asarray(feature_mask)
    try:
        return np.broadcast_to(numbers, ids.shape).reshape(len(ids), -1, 1)
    except ValueError as cause:
        raise OptionError(
            f"feature_mask has shape {numbers.shape}, which does not broadcast to the token ids' {ids.shape}, batch "
            "first: give one number per token, for one example or for each."
        ) from cause
