"""The modules of a PyTorch model, with the properties of their classes; found again only after a change."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain, compress, repeat
from operator import attrgetter, is_, itemgetter
from typing import Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from explain.backends.operations.endings import ActivationKind
from explain.records import changed

# Dictionaries that every module has, whose contents decide what a call of it computes.
_TENSORS = itemgetter("_parameters", "_buffers")
_CHILDREN_AND_HOOKS = itemgetter(
    "_modules", "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"
)
OF_MODULE_ITSELF = frozenset(nn.Module().__dict__)
"""The names of the attributes that every module has."""
OWN = attrgetter("__dict__")
"""Gives the attributes of a module."""
_IS_TRAINING = attrgetter("training")
_ABSENT = repeat(None)
# The number of a module, and the name of an attribute.
_Place = tuple[int, str]
_PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None)})

# A scripted or traced layer has the name of its class only.
_RECURRENT = frozenset(kind.__name__ for kind in (nn.RNN, nn.LSTM, nn.GRU))


@dataclass
class Places:
    """Where in the modules' own attributes a change would show, by the number of the module.

    Parameters
    ----------
    plain : list of callable
        For each module, from its attributes to those that cannot change in place.
    lists, dictionaries, others : list of (int, str)
        The other attributes: lists, tuples and sets, dictionaries, and other objects.
    settings : list of (int, str)
        Those of `others` that have attributes in turn, as a configuration has.
    switches : list of (int, str)
        The buffers that are no numbers in floating point, such as whether an observer is on: they change in place.
    """

    plain: list[Callable[[dict[str, Any]], tuple[Any, ...]]] = field(default_factory=list)
    lists: list[_Place] = field(default_factory=list)
    dictionaries: list[_Place] = field(default_factory=list)
    others: list[_Place] = field(default_factory=list)
    settings: list[_Place] = field(default_factory=list)
    switches: list[_Place] = field(default_factory=list)

    @classmethod
    def of(cls, modules: Iterable[nn.Module]) -> Places:
        """Sort the attributes of modules."""
        found = cls()
        for number, module in enumerate(modules):
            found._add(number, module.__dict__)
        return found

    def _add(self, number: int, own: dict[str, Any]) -> None:
        plain = []
        for name, value in own.items():
            place = number, name
            if name in OF_MODULE_ITSELF:
                continue
            if _is_plain(value):
                plain.append(name)
            elif isinstance(value, dict):
                self.dictionaries.append(place)
            elif isinstance(value, (list, tuple, set)):
                self.lists.append(place)
            else:
                self.others.append(place)
                is_framework = isinstance(value, (nn.Module, torch.Tensor, type))
                if isinstance(getattr(value, "__dict__", None), dict) and not is_framework:
                    self.settings.append(place)
        # Of one name `itemgetter` gives the value itself.
        self.plain.append(itemgetter(*plain, plain[0]) if plain else _nothing)
        for name, buffer in own.get("_buffers", {}).items():
            if isinstance(buffer, torch.Tensor) and not (buffer.is_floating_point() or buffer.is_inference()):
                self.switches.append((number, name))


@dataclass(frozen=True)
class Structure:
    """The modules of a model, each once, with their current settings.

    Parameters
    ----------
    modules : tuple of torch.nn.Module
        All modules, the model itself first; empty if they cannot be accessed.
    training : tuple of torch.nn.Module
        The modules in training mode.
    activations : tuple of (torch.nn.Module, str)
        Softmax, log-softmax and sigmoid layers, with their kind.
    compiled : tuple of torch.nn.Module
        The modules that were compiled in place.
    convolve : bool
        Whether any module convolves pictures.
    recurrent : bool
        Whether any module is a recurrent layer, or one that was scripted or traced.
    lazy : bool
        Whether the shape of any parameter is not known yet.
    stock : bool
        Whether all modules are PyTorch's own, which do not change in inference mode, and have no hooks or replaced
        methods.
    by_batch : bool
        Whether any module quantises its input by the extremes of the whole batch, so that every other example counts.
    places : Places
        Where else a change of the modules would show.
    token : hashable
        The same as long as modules, their attributes, hooks and lists are the same, whatever their mode and the
        numbers in their parameters.
    known : dict
        What else was found that depends on them alone, to read and to add to; nothing in it may hold a module.
    """

    modules: tuple[nn.Module, ...] = ()
    training: tuple[nn.Module, ...] = ()
    activations: tuple[tuple[nn.Module, ActivationKind], ...] = ()
    compiled: tuple[nn.Module, ...] = ()
    convolve: bool = False
    recurrent: bool = False
    lazy: bool = False
    stock: bool = False
    by_batch: bool = False
    places: Places = field(default_factory=Places)
    token: Hashable = None
    known: dict[Hashable, Any] = field(default_factory=dict)


class _Known:
    """A structure as it was found, to tell whether it still is so; it keeps no module alive.

    Parameters
    ----------
    found : Structure
        The structure of a model.

    Raises
    ------
    KeyError
        If a module lacks what every module has.
    """

    def __init__(self, found: Structure) -> None:
        modules, places = found.modules, found.places
        self._modules = [*map(weakref.ref, modules)]
        numbers = {id(module): number for number, module in enumerate(modules)}
        self._activations = [(numbers[id(module)], kind) for module, kind in found.activations]
        self._compiled = [numbers[id(module)] for module in found.compiled]
        self._facts = replace(found, modules=(), training=(), activations=(), compiled=(), token=object())
        own = [*map(OWN, modules)]
        self._plain, self._seen = _plain(own, places), _seen(modules, own, places)
        # An object that is freed would leave its identity to another one.
        parts = chain(
            *(own[number][name] for number, name in places.lists),
            *(own[number][name].values() for number, name in places.dictionaries),
        )
        self._held = [*filter(_is_plain, parts)]
        self._watched = [*_references(own[number][name] for number, name in places.others)]

    def again(self) -> Structure | None:
        """Give the structure with the modules' present modes; None if anything else has changed."""
        modules = [reference() for reference in self._modules]
        if any(map(is_, modules, _ABSENT)):
            return None
        found: Any = tuple(modules)
        own, places = [*map(OWN, found)], self._facts.places
        try:
            plain = _plain(own, places)
            is_same = len(plain) == len(self._plain) and all(map(is_, plain, self._plain))
            is_same = is_same and _seen(found, own, places) == self._seen
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError):
            # An attribute is gone, or of another type; or the keys of a dictionary cannot be compared.
            return None
        if not is_same or (self._watched and any(reference() is None for reference in self._watched)):
            return None
        return self.of(found)

    def of(self, modules: tuple[nn.Module, ...]) -> Structure:
        """Give the structure with its modules."""
        return changed(
            self._facts,
            modules=modules,
            training=tuple(compress(modules, map(_IS_TRAINING, modules))),
            activations=tuple([(modules[number], kind) for number, kind in self._activations]),
            compiled=tuple([modules[number] for number in self._compiled]),
        )


def _plain(own: Sequence[dict[str, Any]], places: Places) -> list[Any]:
    """Give the attributes of modules that cannot change in place."""
    return [*chain.from_iterable([read(part) for read, part in zip(places.plain, own, strict=True)])]


def _seen(modules: Sequence[nn.Module], own: Sequence[dict[str, Any]], places: Places) -> tuple[Any, ...]:
    """Give all else that decides how modules compute, as identities, which keep nothing alive.

    Loops over modules are in C: this is done at each call, and for a small model takes as long as a layer.
    """
    of_tensors = [*filter(None, chain.from_iterable(map(_TENSORS, own)))]
    of_others = [*filter(None, chain.from_iterable(map(_CHILDREN_AND_HOOKS, own)))]
    tensors = [*chain.from_iterable(map(dict.values, of_tensors))]
    kinds: list[Any] = [*map(type, modules)]
    found: tuple[Any, ...] = (
        kinds,
        [kind.forward for kind in dict.fromkeys(kinds)],
        [*map(len, own)],
        [*map(id, of_tensors)],
        [*map(id, of_others)],
        [*chain.from_iterable(of_tensors)],
        # Each hook has a number of its own, which is its key.
        [*chain.from_iterable(of_others)],
        [*map(id, tensors)],
        [*map(id, chain.from_iterable(map(dict.values, of_others)))],
        [None if one is None else one.shape for one in tensors],
    )
    if places.lists:
        lists = [own[number][name] for number, name in places.lists]
        found += ([*map(len, lists)], [*map(id, chain.from_iterable(lists))])
    if places.dictionaries:
        dictionaries = [own[number][name] for number, name in places.dictionaries]
        found += (
            [*map(len, dictionaries)],
            [*chain.from_iterable(dictionaries)],
            [*map(id, chain.from_iterable(map(dict.values, dictionaries)))],
        )
    if places.others:
        found += (
            [id(own[number][name]) for number, name in places.others],
            [_settings(own[number][name]) for number, name in places.settings],
        )
    if places.switches:
        found += ([own[number]["_buffers"][name]._version for number, name in places.switches],)
    return found


def _nothing(own: dict[str, Any]) -> tuple[Any, ...]:
    return ()


def _references(objects: Iterable[Any]) -> Iterator[weakref.ref[Any]]:
    """Give a weak reference to each object that supports one."""
    for one in objects:
        with suppress(TypeError):
            yield weakref.ref(one)


def _is_plain(value: Any) -> bool:
    """Tell whether a value cannot change, and contains no other objects."""
    return type(value) in _PLAIN or (type(value) is tuple and all(map(_is_plain, value)))


def _settings(value: Any) -> list[Any]:
    """Give the names of an object's attributes, and the values of those that are plain, such as of a configuration."""
    return [(name, one) for name, one in value.__dict__.items() if type(one) in _PLAIN]


_known: weakref.WeakKeyDictionary[Any, _Known] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class _Traits:
    stock: bool
    convolves: bool
    activation: ActivationKind | None
    may_be_lazy: bool
    by_batch: bool


def structure_of(model: Any) -> Structure:
    """Give the modules of a model; none for another callable.

    They are looked for once, and again after a change: for a small model, ``model.modules()`` takes longer than a call
    of the model.

    Examples
    --------
    >>> found = structure_of(nn.Sequential(nn.Flatten(), nn.Softmax(1)))
    >>> len(found.modules), found.stock, [kind for _, kind in found.activations]
    (3, True, ['softmax'])
    """
    if not isinstance(model, nn.Module):
        return Structure()
    if isinstance(model, torch.jit.ScriptModule):
        modules = tuple(model.modules())
        training = tuple(module for module in modules if module.training)
        return Structure(modules, training, recurrent=any(_is_recurrent(module) for module in modules))
    try:
        known = _known.get(model)
    except TypeError:
        known = None
    found = None if known is None else known.again()
    return _found_anew(model) if found is None else found


def _found_anew(model: nn.Module) -> Structure:
    structure = _walked(model)
    if structure.lazy:
        # The parameters will get a shape in place.
        return structure
    # What has no weak references, or lacks what every module has, is looked at anew for each call.
    with suppress(TypeError, KeyError, AttributeError):
        known = _known[model] = _Known(structure)
        return known.of(structure.modules)
    return replace(structure, token=object())


def _is_recurrent(module: nn.Module) -> bool:
    """Tell whether a module is a recurrent layer, or one that was scripted or traced."""
    return isinstance(module, nn.RNNBase) or getattr(module, "original_name", None) in _RECURRENT


def _walked(model: nn.Module) -> Structure:
    found: dict[int, nn.Module] = {}
    training: list[nn.Module] = []
    activations: list[tuple[nn.Module, ActivationKind]] = []
    compiled: list[nn.Module] = []
    convolve, recurrent, lazy, stock, by_batch = False, False, False, True, False
    left = [model]
    while left:
        module = left.pop()
        if id(module) in found:
            continue
        found[id(module)] = module
        own = module.__dict__
        kind: Any = type(module)
        traits = _traits_of(kind)
        if traits.convolves:
            convolve = True
        if _is_recurrent(module):
            recurrent = True
        if traits.by_batch:
            by_batch = True
        if traits.may_be_lazy and _is_lazy(module):
            lazy = True
        if traits.activation is not None:
            activations.append((module, traits.activation))
        # What `torch.compile` wraps has the modules as its own, and all else of the module that it wraps.
        if module.training:
            training.append(module)
        # `Module.compile` puts a compiled call beside the module's own.
        if own.get("_compiled_call_impl") is not None:
            compiled.append(module)
        if not traits.stock or own["_forward_hooks"] or own["_forward_pre_hooks"] or "forward" in own:
            stock = False
        below = own["_modules"]
        if below:
            left.extend(one for one in reversed(below.values()) if one is not None)
    modules = tuple(found.values())
    return Structure(
        modules,
        tuple(training),
        tuple(activations),
        tuple(compiled),
        convolve=convolve,
        recurrent=recurrent,
        lazy=lazy,
        stock=stock,
        by_batch=by_batch,
        places=Places.of(modules),
    )


@lru_cache(maxsize=512)
def _traits_of(kind: Any) -> _Traits:
    stock = kind.__module__.startswith("torch.nn.modules.")
    return _Traits(
        stock=stock,
        convolves=issubclass(kind, nn.Conv2d),
        activation=_activation_of(kind),
        may_be_lazy=not stock or issubclass(kind, LazyModuleMixin),
        by_batch=kind.__module__.startswith("torch.ao.nn.quantized.dynamic."),
    )


def _activation_of(kind: type[nn.Module]) -> ActivationKind | None:
    if issubclass(kind, (nn.Softmax, nn.Softmax2d)):
        return "softmax"
    if issubclass(kind, nn.LogSoftmax):
        return "log_softmax"
    return "sigmoid" if issubclass(kind, nn.Sigmoid) else None


def _is_lazy(module: nn.Module) -> bool:
    return any(
        parameter is not None and nn.parameter.is_lazy(parameter) for parameter in module._parameters.values()
    )
