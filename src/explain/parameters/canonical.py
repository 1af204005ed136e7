"""The layers of a model that have parameters, in canonical axes, which belong to neither framework.

Both extensions read a model's layers into this form and write them back from it, so that comparing, pairing and porting
are the same for every pair of frameworks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LayerKind = Literal[
    "dense",
    "convolution",
    "transposed_convolution",
    "batch_normalization",
    "layer_normalization",
    "group_normalization",
    "embedding",
    "simple_rnn",
    "lstm",
    "gru",
    "attention",
    "weights",
]


@dataclass(frozen=True, eq=False)
class ParameterLayer:
    """One layer with parameters, or one part of a layer with several sets of them.

    Parameters
    ----------
    name : str
        The layer's name in its model, as `explain.attribute` takes it with ``layer=``.
    kind : str
        The kind of the layer; ``"weights"`` if only the tensors of the layer are known.
    tensors : Mapping of str to numpy.ndarray
        Its parameters and statistics in canonical axes, channels or features last:

        - dense: ``kernel`` (in, out), ``bias`` (out)
        - convolution: ``kernel`` (*space, in / groups, out), ``bias`` (out); a depthwise one has as many groups as
          channels before it
        - transposed_convolution: ``kernel`` (*space, in, out / groups), ``bias``
        - batch_normalization: ``gamma``, ``beta``, ``moving_mean``, ``moving_variance``, each (channels)
        - layer_normalization, group_normalization: ``gamma``, ``beta``
        - embedding: ``embeddings`` (count, width)
        - simple_rnn, lstm, gru: ``kernel`` (in, gates · hidden), ``recurrent_kernel`` (hidden, gates · hidden),
          ``bias`` (gates · hidden), of a gru (2, 3 · hidden): of the input and of the state. Gates in the order
          i, f, g, o of an lstm and z, r, n of a gru
        - attention: ``query_kernel``, ``key_kernel``, ``value_kernel`` (in, heads, width), ``output_kernel`` (heads,
          width, out) and their biases

        A tensor that the layer does not have is left out.
    settings : Mapping of str to plain values
        Its other settings: ``strides``, ``padding``, ``dilation``, ``groups``, ``epsilon``, ``activation``…
        And its place in the model: ``after``, the names of the layers with parameters that its inputs come from;
        ``flattened``, the maps that were flattened to its input (`explain.parameters.flattened.Row`), None if there
        was none. Unknown settings are left out, or None.
    part : str
        The part, for a layer with several: ``"l1"``, ``"l0_reverse"``, ``"forward"``, ``"pointwise"``.
    channels_last : bool
        Whether the layer has channels last in its own framework, which also decides how its output is flattened.
    buffers : tuple of str
        Of a layer of kind ``"weights"``: the tensors that training does not change.
    """

    name: str
    kind: LayerKind
    tensors: Mapping[str, Array]
    settings: Mapping[str, Any] = field(default_factory=dict)
    part: str = ""
    channels_last: bool = True
    buffers: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The layer for messages, with its part if it has several.

        Examples
        --------
        >>> ParameterLayer("lstm", "lstm", {}, part="l1").label
        'lstm (l1)'
        """
        # The model itself may be the layer.
        name = self.name or "(model)"
        return f"{name} ({self.part})" if self.part else name

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, by its name.

        Examples
        --------
        >>> ParameterLayer("fc", "dense", {"kernel": np.zeros((3, 2))}).shapes
        {'kernel': (3, 2)}
        """
        return {name: tuple(np.shape(tensor)) for name, tensor in self.tensors.items()}

    @property
    def trained(self) -> dict[str, Array]:
        """The tensors that training changes, by name: all but running statistics and buffers.

        Examples
        --------
        >>> sorted(ParameterLayer("n", "weights", {"w": np.ones(2), "mean": np.ones(2)}, buffers=("mean",)).trained)
        ['w']
        """
        left_out = {"moving_mean", "moving_variance", *self.buffers}
        return {name: tensor for name, tensor in self.tensors.items() if name not in left_out}


def swapped_gates(tensor: Array) -> Array:
    """Give a GRU's tensor (..., 3 · hidden) with its gates r, z, n in the order z, r, n, or the reverse.

    Examples
    --------
    >>> swapped_gates(np.array([1, 2, 3])).tolist()
    [2, 1, 3]
    """
    first, second, third = np.split(tensor, 3, axis=-1)
    return np.concatenate([second, first, third], axis=-1)
