"""A model whose weights are randomised, layer by layer, for a while."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.backends.discovery import extension_for, without_partial
from explain.backends.protocol import Extension
from explain.errors import EvaluationError, ExplainError, PortError
from explain.metrics.same_model import gives_the_same
from explain.metrics.subject import Subject
from explain.parameters.canonical import Array, ParameterLayer
from explain.parameters.flattened_rows import rows_channels_last
from explain.results.attribution import Attribution
from explain.running.locks import ONE_CALL_AT_A_TIME

KEY = 0x57E16475
"""The first key of the generators of `permuted`, before the position of the layer and of the tensor."""

_Name = tuple[str, str]


@contextmanager
def random_weights(subject: Subject) -> Iterator[RandomWeights]:
    """Give the model of a subject with weights that can be randomised; they are the original ones at first.

    They are those of a copy of the model; where none can be made that is sure to compute the same, those of the model
    itself, under the lock of all calls, and are put back bit for bit on any exit.

    Each tensor gets a permutation of its own numbers, drawn in NumPy with the seed and the position of its layer, in
    canonical axes: twins in two frameworks get the same random network. A permutation keeps the scale and the
    distribution of every tensor, so that a random network neither dies nor overflows where the initialisation of the
    layers is unknown. Running statistics and other buffers stay. A tensor of equal numbers, such as a bias of zeros,
    stays too: re-initialised it would be the same. Adebayo et al. draw the initialisation again; Quantus 0.6 calls
    ``reset_parameters`` of PyTorch's layers, and in TensorFlow permutes each tensor along its first axis.

    Yields
    ------
    RandomWeights
        The model and its layers.

    Raises
    ------
    EvaluationError
        If no weights can be accessed, or none can be permuted.
    """
    called = subject.model
    owner, _ = without_partial(called)
    extension = _extension(subject, owner)
    copy = extension.copied(owner) if owner is called else None
    if copy is not None and gives_the_same(subject, copy):
        yield _read(subject, extension, copy, copy)
        return
    with ONE_CALL_AT_A_TIME, extension.preserved_weights(owner):
        yield _read(subject, extension, owner, called)


class RandomWeights:
    """A model with its layers that have weights, in the order in which they are first used.

    Parameters
    ----------
    subject : Subject
        Draws the permutations.
    called : object
        The model as it is called.
    store : _Store
        Its weights.
    layers : sequence of _Permutable
        The layers with what is permuted of them.

    Attributes
    ----------
    model : object
        The model as it is called, with the present weights.
    labels : tuple of str
        The names of the layers, from the input to the output.
    """

    def __init__(self, subject: Subject, called: Any, store: _Store, layers: Sequence[_Permutable]) -> None:
        self.model = called
        self.labels = tuple(one.layer.label for one in layers)
        self._subject, self._store, self._layers = subject, store, layers
        self._has_changed = False

    def preserved(self) -> AbstractContextManager[None]:
        """Put the present weights back on exit."""
        return self._store.extension.preserved_weights(self._store.model)

    def randomize(self, position: int) -> None:
        """Permute the tensors of a layer.

        Parameters
        ----------
        position : int
            The index of the layer among `labels`.
        """
        one = self._layers[position]
        tensors = dict(one.layer.tensors)
        if one.is_tied:
            # A tensor that it shares with an earlier layer may have other numbers by now.
            tensors |= self._store.tensors()[one.layer.name, one.layer.part]
        for place, name in enumerate(one.names):
            generator = self._subject.generator(KEY, position, place)
            tensors[name] = permuted(one.layer, name, generator, one.rows)
        self._store.write(one.layer, tensors)

    def explained(self, what: str) -> Attribution:
        """Explain the examples by the same call, with the present weights.

        Parameters
        ----------
        what : str
            What is randomised, for the error if the model fails.

        Raises
        ------
        EvaluationError
            If the model or the explanation fails with these weights.
        """
        subject = self._subject
        try:
            found = subject.explained_again(np.arange(len(subject)), model=self.model)
        except ExplainError as cause:
            raise EvaluationError(
                f"With {what} randomised the model cannot be explained: {cause} Leave the metric out, or take another "
                "seed."
            ) from cause
        own = subject.attribution
        same = np.array_equal(found.values, own.values) and np.array_equal(found.scores, own.scores)
        self._has_changed |= not same
        return found

    def check_changed(self) -> None:
        """Refuse a model on which weights have no effect.

        Raises
        ------
        EvaluationError
            If no explanation so far differs from the attribution in a value or a score.
        """
        if not self._has_changed:
            raise EvaluationError(
                f"The weights of the {type(self.model).__name__} were randomised, and neither a score nor a value of "
                "the map changed: the model computes with other numbers than its weights, such as constants of a "
                "graph. Give the model that it was made from, or leave the metric out."
            )

    def randomize_all(self) -> None:
        """Permute the tensors of all layers."""
        for position in range(len(self.labels)):
            self.randomize(position)


def permuted(
    layer: ParameterLayer, name: str, generator: np.random.Generator, rows: Array | None = None
) -> Array:
    """Give a tensor of a layer with its numbers permuted.

    Parameters
    ----------
    layer : ParameterLayer
        The layer, in canonical axes.
    name : str
        The name of the tensor.
    generator : numpy.random.Generator
        Draws the permutation.
    rows : numpy.ndarray of int, optional
        The rows of a dense kernel as they would be if the map before it were flattened with channels last.

    Returns
    -------
    numpy.ndarray
        Of the same shape and the same numbers.

    Examples
    --------
    >>> layer = ParameterLayer("fc", "dense", {"kernel": np.array([[1.0, 2.0], [3.0, 4.0]])})
    >>> np.sort(permuted(layer, "kernel", np.random.default_rng(0)).ravel()).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    tensor = layer.tensors[name]
    if layer.kind == "gru" and name == "bias":
        # Of the input and of the state: a layer may lack the second, which is then zeros.
        return np.stack([generator.permutation(own) for own in tensor])
    if rows is None or name != "kernel":
        return generator.permutation(tensor.ravel()).reshape(tensor.shape)
    found = np.empty_like(tensor)
    found[rows] = generator.permutation(tensor[rows].ravel()).reshape(tensor.shape)
    return found


@dataclass(frozen=True, eq=False)
class _Permutable:
    """A layer with the names of the tensors that are permuted, sorted."""

    layer: ParameterLayer
    names: tuple[str, ...]
    rows: Array | None
    is_tied: bool = False


@dataclass(frozen=True, eq=False)
class _Store:
    """The weights of a model, in canonical axes or as its framework stores them."""

    extension: Extension
    model: Any
    is_raw: bool

    def read(self, x: Any = None) -> tuple[ParameterLayer, ...]:
        """Give the layers with their present tensors."""
        if self.is_raw:
            return self.extension.raw_parameters(self.model)
        return self.extension.parameters(self.model, x)

    def tensors(self) -> dict[_Name, Mapping[str, Array]]:
        """Give the present tensors by layer."""
        return {(one.name, one.part): one.tensors for one in self.read()}

    def write(self, layer: ParameterLayer, tensors: Mapping[str, Array]) -> None:
        """Give a layer other tensors."""
        changed = ParameterLayer(layer.name, layer.kind, tensors, part=layer.part)
        if self.is_raw:
            self.extension.write_raw_parameters(self.model, [changed])
        else:
            self.extension.write_parameters(self.model, [changed])


def _extension(subject: Subject, owner: Any) -> Extension:
    try:
        extension = extension_for(owner)
    except ExplainError as cause:
        raise _no_weights(owner) from cause
    if not hasattr(extension, "preserved_weights"):
        raise EvaluationError(
            f"The extension for {extension.name!r} does not change the weights of its models: it needs the methods "
            "copied, preserved_weights, raw_parameters and write_raw_parameters of explain.backends.protocol.Extension."
        )
    return extension


def _no_weights(model: Any) -> EvaluationError:
    name = getattr(model, "__name__", type(model).__name__)
    return EvaluationError(
        f"The metric randomises the weights of the model, and those of {name!r} cannot be accessed: leave it out, give "
        "the torch.nn.Module or keras.Model that was explained, or take 'random_logit', which changes the target."
    )


def _read(subject: Subject, extension: Extension, model: Any, called: Any) -> RandomWeights:
    store = _Store(extension, model, is_raw=False)
    layers = _canonical(store, subject)
    if layers is None:
        store = _Store(extension, model, is_raw=True)
        try:
            layers = store.read()
        except PortError as cause:
            raise _no_weights(model) from cause
    before: list[ParameterLayer | None] = [None, *layers[:-1]]
    found = [_permutable(one, last) for one, last in zip(layers, before, strict=True)]
    found = _without_tied(store, [one for one in found if one.names])
    if not found:
        raise EvaluationError(
            f"The metric permutes the weights of the model, and no tensor of the {type(model).__name__} has two "
            "different numbers: a permutation changes nothing. Leave it out."
        )
    return RandomWeights(subject, called, store, found)


def _canonical(store: _Store, subject: Subject) -> tuple[ParameterLayer, ...] | None:
    """Give the layers in canonical axes, in the order of their use; None if they cannot be read or not be written."""
    try:
        layers = store.read()
        if not layers:
            return None
        with store.extension.preserved_weights(store.model):
            # Of a layer whose weight is computed from others, the tensors can only be read.
            store.extension.write_parameters(store.model, layers)
    except PortError:
        return None
    if subject.attribution.texts:
        return layers
    try:
        return store.read(subject.given_inputs([0]))
    except ExplainError:
        # It takes other batches, or further arguments: the order is then that of the definitions, or of the graph.
        return layers


def _permutable(layer: ParameterLayer, before: ParameterLayer | None) -> _Permutable:
    names = tuple(sorted(name for name, tensor in layer.trained.items() if _has_two_numbers(tensor)))
    is_dense = layer.kind == "dense" and "kernel" in layer.tensors
    return _Permutable(layer, names, rows_channels_last(layer, before) if is_dense else None)


def _has_two_numbers(tensor: Array) -> bool:
    return tensor.dtype.kind == "f" and tensor.size > 1 and bool((tensor != tensor.flat[0]).any())


def _without_tied(store: _Store, layers: list[_Permutable]) -> list[_Permutable]:
    """Leave a tensor that several layers share to the first of them.

    Only a change shows that two equal tensors are one: copies of a layer have equal tensors too.
    """
    left_out = {position: set[str]() for position in range(len(layers))}
    for group in _equal_tensors(layers):
        while len(group) > 1:
            (position, name), *rest = group
            with store.extension.preserved_weights(store.model):
                one = layers[position].layer
                # Unlike a permutation, this changes every tensor that is not zero.
                store.write(one, {**one.tensors, name: -one.tensors[name]})
                now = store.tensors()
            shared = [
                (place, other) for place, other in rest if _has_changed(layers[place].layer, other, now)
            ]
            for place, other in shared:
                left_out[place].add(other)
            group = [one for one in rest if one not in shared]
    found = [
        _Permutable(
            one.layer,
            tuple(name for name in one.names if name not in left_out[position]),
            one.rows,
            is_tied=bool(left_out[position]),
        )
        for position, one in enumerate(layers)
    ]
    return [one for one in found if one.names]


def _equal_tensors(layers: Sequence[_Permutable]) -> list[list[tuple[int, str]]]:
    """Group tensors that have the same numbers, in whichever order."""
    groups: dict[bytes, list[tuple[int, str]]] = {}
    for position, one in enumerate(layers):
        for name in one.names:
            numbers = np.sort(one.layer.tensors[name].ravel())
            groups.setdefault(hashlib.sha256(numbers.tobytes()).digest(), []).append((position, name))
    return [group for group in groups.values() if len(group) > 1]


def _has_changed(layer: ParameterLayer, name: str, now: Mapping[_Name, Mapping[str, Array]]) -> bool:
    return not np.array_equal(now[layer.name, layer.part][name], layer.tensors[name])
