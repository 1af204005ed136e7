"""Several inputs of a model, as a tuple, a list or a dict, and options given for each of them or for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from explain.errors import ExplainError, InputError, OptionError
from explain.inputs.examples import Array


@dataclass(frozen=True)
class Structure:
    """The container of several inputs.

    Parameters
    ----------
    kind : str
        ``"tuple"``, ``"list"`` or ``"dict"``; ``"single"`` for a single input.
    names : tuple of str
        The keys of a dict, in its order; else positions.
    """

    kind: Literal["single", "tuple", "list", "dict"]
    names: tuple[str, ...]

    def rebuilt(self, values: Sequence[Any]) -> Any:
        """Give values, one per input, in the same structure.

        Examples
        --------
        >>> Structure("dict", ("a", "b")).rebuilt([1, None])
        {'a': 1, 'b': None}
        """
        if self.kind == "single":
            return values[0]
        if self.kind == "dict":
            return dict(zip(self.names, values, strict=True))
        return tuple(values) if self.kind == "tuple" else list(values)

    def spread(
        self,
        value: Any,
        parameter: str,
        is_for_all: Callable[[Any], bool] = lambda value: False,
        error: type[ExplainError] = OptionError,
    ) -> list[Any]:
        """Give the value for each input: its own from a value of the same structure, or the same for all.

        Parameters
        ----------
        value : object
            A tuple, list or mapping has one entry per input; any other value is for all. A key that a mapping
            lacks is None.
        parameter : str
            The name of the argument in messages.
        is_for_all : callable
            Recognises a tuple, list or mapping that is one value for all inputs.
        error : type
            The error if the structures differ.

        Examples
        --------
        >>> Structure("tuple", ("0", "1")).spread(("mean", None), "baseline")
        ['mean', None]
        >>> Structure("dict", ("a", "b")).spread(0.5, "baseline")
        [0.5, 0.5]
        """
        if self.kind == "single":
            return [value]
        if not isinstance(value, (tuple, list, Mapping)) or is_for_all(value):
            return [value] * len(self.names)
        if isinstance(value, Mapping) != (self.kind == "dict"):
            raise error(
                f"{parameter} is a {type(value).__name__}, but x is a {self.kind}: give {parameter} of the same "
                f"structure as x, with one entry per input ({', '.join(self.names)}), or one for all."
            )
        if isinstance(value, Mapping):
            unknown = [key for key in value if key not in self.names]
            if unknown:
                raise error(
                    f"{parameter} has {', '.join(map(repr, unknown))}, which is not an input of x: its inputs are "
                    f"{', '.join(map(repr, self.names))}."
                )
            return [value.get(name) for name in self.names]
        if len(value) != len(self.names):
            raise error(
                f"{parameter} has {len(value)} entries, but x has {len(self.names)} inputs: give one per input (None "
                "for the default), or one for all."
            )
        return list(value)


SINGLE = Structure("single", ("",))
"""The structure of a single input."""


def structure_of(x: Any, is_array: Callable[[Any], bool]) -> tuple[Structure, list[Any]] | None:
    """Give the structure of several inputs, and the inputs; None for a single input.

    Parameters
    ----------
    x : object
        The input as the caller gave it.
    is_array : callable
        Recognises an array or tensor: a list of other values is not a list of inputs.

    Raises
    ------
    InputError
        If there are none, all are None, or a key of a dict is not a string.

    Examples
    --------
    >>> structure_of({"a": 1.0}, lambda one: isinstance(one, float))
    (Structure(kind='dict', names=('a',)), [1.0])
    """
    if type(x).__name__ == "PackedSequence":
        # A PackedSequence is a tuple, of the parts of one input.
        return None
    if isinstance(x, Mapping):
        odd = [key for key in x if not isinstance(key, str)]
        if odd:
            raise InputError(
                f"x has the key {odd[0]!r}: a dict of inputs goes to the model by name, so give strings."
            )
        structure, values = Structure("dict", tuple(x)), list(x.values())
    elif isinstance(x, tuple) or (isinstance(x, list) and all(one is None or is_array(one) for one in x)):
        names = tuple(map(str, range(len(x))))
        structure, values = Structure("tuple" if isinstance(x, tuple) else "list", names), list(x)
    else:
        return None
    if all(value is None for value in values):
        raise InputError(f"x is a {structure.kind} without an array in it: give at least one input.")
    return structure, values


def check_counts(arrays: Mapping[str, Array], batch_axes: Mapping[str, int]) -> None:
    """Refuse inputs that differ in their numbers of examples.

    Parameters
    ----------
    arrays : Mapping of str to numpy.ndarray
        The inputs by name.
    batch_axes : Mapping of str to int
        The axis of the examples of each.

    Raises
    ------
    InputError
        If they differ; the message says what to do.
    """
    counts = {name: array.shape[batch_axes[name]] for name, array in arrays.items()}
    if len(set(counts.values())) < 2:
        return
    bags = _bags_in(arrays)
    if bags is not None:
        ids, starts = bags
        raise InputError(
            f"{starts!r} looks like the places in {ids!r} at which {len(arrays[starts])} sequences begin, as "
            "nn.EmbeddingBag takes them, so that x has no axis of examples. Give sequences of one length as x of shape "
            "(N, T), a call for each length, and a module whose forward(ids) returns model(ids.reshape(-1), "
            "torch.arange(len(ids)) * ids.shape[1]); method='feature_ablation', 'occlusion' and 'kernel_shap' then "
            "explain each id."
        )
    counted = ", ".join(f"{name!r} has {count}" for name, count in counts.items())
    raise InputError(
        f"The inputs of x differ in their numbers of examples: {counted}. Each should have one row per example; "
        "put arguments that are the same for all examples into forward_kwargs. If the batch axis of an input is "
        "not its first axis, give layout=."
    )


def _bags_in(arrays: Mapping[str, Array]) -> tuple[str, str] | None:
    """Give the names of the ids of several sequences in one row, and of the places at which they begin; else None."""
    rows = {
        name: one for name, one in arrays.items() if one.ndim == 1 and one.dtype.kind in "iu" and one.size
    }
    for ids, row in rows.items():
        for starts, places in rows.items():
            rises = places[0] == 0 and bool((np.diff(places) >= 0).all())
            if len(places) < len(row) and rises and places[-1] <= len(row):
                return ids, starts
    return None
