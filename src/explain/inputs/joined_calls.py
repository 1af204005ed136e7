"""Several calls of layers as one: of the embeddings that read the same token ids, of a layer for each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import OptionError
from explain.inputs.examples import Array
from explain.inputs.layer_calls import LayerCall
from explain.inputs.layout import Layout

TOKEN_VECTORS = Layout("NTC")
"""The axes of the vectors of tokens."""


Span = tuple[int, int]
"""The first of the tokens that a call reads, and the first after them."""


@dataclass(frozen=True)
class TokenCalls(LayerCall):
    """Several calls as one, whose output has the vectors of all of them for each token: shape (N, T, C).

    The output for one id an example is a sequence of one token, so that methods treat the id as a whole. Where calls
    read other tokens, such as one column of a table each, their vectors may differ in size: C is the largest, and
    numbers that no call reads are equal to the first of their token, so that they change neither its mean nor a range.

    Parameters
    ----------
    calls : tuple of LayerCall
        The calls, each with an output of shape (N, T, Cᵢ), or (N, Cᵢ) for one id an example.
    spans : tuple of (int, int)
        The tokens that each call reads.
    """

    calls: tuple[LayerCall, ...] = ()
    spans: tuple[Span, ...] = ()

    @classmethod
    def of(
        cls, calls: Sequence[LayerCall], spans: Sequence[Span] | None = None, count: int | None = None
    ) -> TokenCalls:
        """Join calls whose outputs differ at most in the number of channels, or in the tokens that they read.

        Parameters
        ----------
        calls : sequence of LayerCall
            The calls.
        spans : sequence of (int, int), optional
            The tokens that each call reads; all of them by default.
        count : int, optional
            The number of tokens; by default that of the first call.

        Examples
        --------
        >>> words = LayerCall("words", 0, (5, 8), channels_last=True)
        >>> biases = LayerCall("biases", 0, (5, 1), channels_last=True)
        >>> joined = TokenCalls.of([words, biases])
        >>> joined.label, joined.shape, [part.stop for part in joined.columns]
        ('words + biases', (5, 9), [8, 9])
        >>> month = LayerCall("month", 0, (3,), channels_last=True)
        >>> shop = LayerCall("shop", 0, (2,), channels_last=True)
        >>> TokenCalls.of([month, shop], [(0, 1), (1, 2)], 2).real.astype(int).tolist()
        [[1, 1, 1], [1, 1, 0]]
        """
        tokens = count if count is not None else (calls[0].shape[:-1] or (1,))[0]
        read = tuple(spans) if spans is not None else ((0, tokens),) * len(calls)
        label = " + ".join(call.label for call in calls)
        found = cls(label, 0, (), channels_last=True, calls=tuple(calls), spans=read)
        width = max(columns.stop for columns in found.columns)
        return replace(found, shape=(tokens, width))

    @property
    def columns(self) -> tuple[slice, ...]:
        """The channels of each call: the first that no call before it has for the same tokens."""
        filled = np.zeros(max(stop for _, stop in self.spans), int)
        found = []
        for call, (first, stop) in zip(self.calls, self.spans, strict=True):
            start = int(filled[first:stop].max())
            filled[first:stop] = start + call.shape[-1]
            found.append(slice(start, start + call.shape[-1]))
        return tuple(found)

    @property
    def real(self) -> npt.NDArray[np.bool_]:
        """Which numbers of each token a call reads, shape (T, C)."""
        found = np.zeros(self.shape, bool)
        for (first, stop), columns in zip(self.spans, self.columns, strict=True):
            found[first:stop, columns] = True
        return found

    @property
    def reads_all(self) -> bool:
        """Whether each call reads all tokens."""
        return all(stop - first == self.shape[0] for first, stop in self.spans)

    def places_of(self, number: int) -> tuple[slice, slice]:
        """Give the tokens and the channels of a call, for an array of shape (T, C)."""
        first, stop = self.spans[number]
        is_all = stop - first == self.shape[0]
        return slice(None) if is_all else slice(first, stop), self.columns[number]

    def of_call(self, vectors: Any, number: int) -> Any:
        """Give what a call gives of vectors of shape (N, T, C), an array or a tensor."""
        tokens, columns = self.places_of(number)
        own = vectors
        # A slice of everything would be one more operation for backward rules to follow.
        if tokens != slice(None):
            own = vectors[:, tokens, columns]
        elif columns != slice(0, self.shape[-1]):
            own = vectors[..., columns]
        return own if len(self.calls[number].shape) > 1 else own[:, 0]

    def joined(self, outputs: Sequence[Array]) -> Array:
        """Put the outputs of the calls side by side."""
        found = np.zeros((len(outputs[0]), *self.shape), np.result_type(*outputs))
        for number, output in enumerate(outputs):
            tokens, columns = self.places_of(number)
            own = found[:, tokens, columns]
            own[:] = output.reshape(own.shape)
        real = self.real
        return found if real.all() else np.where(real, found, found[..., :1])

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

    def places_of(self, number: int) -> tuple[int]:
        """Give where the numbers of a call are in one example: at its step."""
        return (number,)

    def of_call(self, steps: Any, number: int) -> Any:
        """Give what a call gives of steps of shape (N, steps, ...), an array or a tensor."""
        return steps[:, number]

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
