"""The checked request of a caller, kept for calls that are alike; and the type of a warning about it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from explain.algorithms.method import Method
from explain.backends.layered import Layered
from explain.backends.protocol import Backend, Extension
from explain.backends.question import Question
from explain.errors import ExplainWarning
from explain.explanation.given_inputs import Given
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.naming.class_names import class_names_of
from explain.inputs.reduction import Reduction
from explain.inputs.text.batch import Texts
from explain.records import changed

Note = tuple[str, type[ExplainWarning]]
"""A warning: its message and its class."""

Notes = list[Note]

# Values that cannot change in place. Of a container each entry would have to be one.
_PLAIN = frozenset({bool, int, float, str, type(None)})
_TARGETS = frozenset({int, str})

# What is read of a model besides its layers. What its class states is not part of the structure of the model.
_STATED = ("tokenizer", "input_bounds", "input_shape", "feature_names_in_")

# So many requests are kept for a model: a loop over many settings keeps the last ones.
_MOST = 32


@dataclass(frozen=True)
class Request:
    """The request of a caller, each argument checked by itself.

    Parameters
    ----------
    model, given : object, Given
        The model as the caller passed it; the input or inputs, with the arguments of each.
    method : Method
        The method's row of the catalogue.
    extension, engine : Extension, str
        The extension of the model's framework; the engine that computes the result.
    question : Question
        The part of the request that is needed to open the backend.
    companions : Mapping
        Keyword arguments of the model with one row per example.
    reduce : str, optional
        How the values at a token's embedding vector become one number; None leaves it to the method.
    target, baseline, layer, neuron, lengths : object
        As the caller passed them: checked against the model's outputs and layers when the problem is posed.
    layer_layout : Layout, optional
        The axes of the layer's output, if the caller states them.
    texts : Texts, optional
        The texts, if the caller gave strings.
    batch_size, memory_budget, seed
        As in `explain.attribute`.
    key : hashable
        The kinds of the arguments, under which the request may be kept; None if it may not.
    kept : KeptFrom, optional
        For a request that was made from a kept one: what must still be so.
    """

    model: Any
    given: Given
    method: Method
    extension: Extension
    engine: str
    question: Question
    companions: Mapping[str, Array]
    reduce: Reduction | None
    target: Any
    baseline: Any
    layer: Any
    layer_layout: Layout | None
    neuron: Any
    lengths: Any
    batch_size: int | None
    memory_budget: int | None
    seed: int
    texts: Texts | None = None
    key: Hashable = None
    kept: KeptFrom | None = None

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the outputs: of `display`, else those that the model states."""
        return self.given.display.classes or class_names_of(self.model)


@dataclass(frozen=True)
class KeptFrom:
    """Where a request comes from that was not checked anew.

    Parameters
    ----------
    structure : hashable
        The token of the model's structure at which the kept request was checked.
    anew : callable
        Checks the arguments of this call, if the structure is another one now.
    """

    structure: Hashable
    anew: Callable[[], Request]

    def is_of(self, backend: Backend) -> bool:
        """Tell whether an opened model still has the structure."""
        return isinstance(backend, Layered) and backend.structure_token == self.structure


@dataclass(frozen=True)
class _Kept:
    """A request without its model, input and target."""

    request: Request
    structure: Hashable
    stated: tuple[Any, ...]


_kept: weakref.WeakKeyDictionary[Any, dict[Hashable, _Kept]] = weakref.WeakKeyDictionary()


def key_of(
    x: Any, method: Any, target: Any, arguments: Mapping[str, Any], options: Mapping[str, Any]
) -> Hashable:
    """Give what the check of arguments depends on, besides model and values of x and target; None if on more.

    Parameters
    ----------
    x, method, target : object
        As for `explain.attribute`.
    arguments, options : Mapping
        The other arguments, in the order of the signature, and the options of the method.
    """
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if shape is None or type(method) is not str or not _is_plain_target(target):
        return None
    values = (*arguments.values(), *options.values())
    kinds = tuple(map(type, values))
    if not _PLAIN.issuperset(kinds):
        return None
    # Numbers of different types may be equal.
    return type(x), tuple(shape), dtype, method, target is None, values, kinds, tuple(options)


def kept_request(
    model: Any, x: Any, target: Any, key: Hashable, anew: Callable[[], Request]
) -> Request | None:
    """Give the request of an earlier call that was alike, with other values; None if there was none.

    That the model's structure is the same is to be asked when it is open: see `Request.kept`.
    """
    try:
        kept = _kept.get(model, {}).get(key)
    except TypeError:
        return None
    if kept is None or _stated(model) != kept.stated:
        return None
    request, given = kept.request, kept.request.given
    # Of other containers, such as a masked array, more than values decides.
    if type(x) is not np.ndarray and not request.extension.is_tensor(x):
        return None
    host = x if type(x) is np.ndarray else request.extension.to_numpy(x)
    if not np.isfinite(host).all():
        return None
    alone = None if given.alone is None else changed(given.alone, host=host)
    return changed(
        request,
        model=model,
        target=target,
        given=changed(given, x=host, like=x, alone=alone),
        kept=KeptFrom(kept.structure, anew),
    )


def keep(request: Request, backend: Backend) -> None:
    """Keep a request for the next call that is alike, if nothing but the structure of the model decided on it."""
    if request.key is None or request.kept is not None:
        return
    given, stated = request.given, _stated(request.model)
    is_one = (
        given.structure is None and given.whole is None and given.alone is not None and given.alone.is_moved
    )
    if not is_one or request.texts is not None or given.spellings:
        return
    is_seen = isinstance(backend, Layered) and backend.sees_every_change and backend.model is request.model
    if not is_seen or not _PLAIN.issuperset(map(type, stated)):
        return
    assert isinstance(backend, Layered)
    assert given.alone is not None
    nothing = np.zeros(0, np.float32)
    empty = changed(given, x=nothing, like=None, alone=changed(given.alone, host=nothing), states_layout=True)
    found = _kept.setdefault(request.model, {})
    if len(found) >= _MOST:
        found.pop(next(iter(found)))
    found[request.key] = _Kept(
        changed(request, model=None, target=None, given=empty), backend.structure_token, stated
    )


def _is_plain_target(target: Any) -> bool:
    kind = type(target)
    return target is None or kind in _TARGETS or (kind is list and _TARGETS.issuperset(map(type, target)))


def _stated(model: Any) -> tuple[Any, ...]:
    kind = type(model)
    return tuple(getattr(kind, name, None) for name in _STATED)
