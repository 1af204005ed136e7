"""Preparation of a call with a single input: the input for the backend, and its baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from explain.algorithms.method import Method
from explain.backends.embeddings.cast_columns import notes_on_cast_columns
from explain.backends.embeddings.tokens import Tokens, seen_as_tokens
from explain.backends.layered import Layered
from explain.backends.protocol import Backend, LayeredBackend
from explain.backends.stepwise import IF_WHOLE
from explain.errors import InputError, LayoutError, UnsupportedInputError
from explain.explanation.request import Notes, Request
from explain.inputs.arrays import to_host
from explain.inputs.baseline import resolve_baseline, resolve_references
from explain.inputs.examples import Array, Examples
from explain.inputs.joined_calls import TOKEN_VECTORS, token_options
from explain.inputs.layout import Layout
from explain.inputs.masking import resolve_mask
from explain.inputs.packing import Part
from explain.running.problem import Problem


@dataclass(frozen=True)
class Compared:
    """The baselines or references of a call.

    Parameters
    ----------
    baselines, references : tuple of numpy.ndarray, optional
        One baseline per input; or the set of references that all examples are compared with.
    rule : Mapping
        How the baselines or references were made; for several inputs, by input name.
    """

    baselines: tuple[Array, ...] | None = None
    references: tuple[Array, ...] | None = None
    rule: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class OneInput:
    """The input of a request, prepared for the backend.

    Parameters
    ----------
    backend : Backend
        The model; for token ids, the same model with the output of its embedding as the input.
    examples : Examples
        The examples, batch first, in the backend's precision.
    layout : Layout
        The axes of the input that methods change, batch first.
    tokens : Tokens, optional
        The tokens, if the input is token ids.
    notes : list of (message, category)
        The warnings about the input.
    """

    backend: Backend
    examples: Examples
    layout: Layout
    tokens: Tokens | None = None
    notes: Notes = field(default_factory=list)

    @classmethod
    def prepared(cls, request: Request, backend: Backend) -> OneInput:
        """Prepare the input of a request, inside the backend's session."""
        layout = request.question.layout.batch_first
        host = request.question.layout.to_batch_first(request.given.x)
        are_ids = host.dtype.kind == "i"
        first = np.ascontiguousarray(host if are_ids else host.astype(backend.dtype, copy=False))
        mask = resolve_mask(request.lengths, first, layout)
        examples = Examples((first,), companions=request.companions, mask=mask)
        if not are_ids:
            method = request.method
            is_of_layer = request.layer is not None or method.layer == "must"
            is_gradual = not (method.keeps_values or is_of_layer) and "layers" in backend.provides
            is_table = is_gradual and layout.axes == "NC"
            inner = cast(LayeredBackend, backend)
            notes = notes_on_cast_columns(inner, examples, method.name) if is_table else []
            return cls(backend, examples, layout, notes=notes)
        check_ids(request.method, request.question.layout)
        if isinstance(backend, Layered) and backend.inspection.stepwise:
            raise InputError(
                f"x has token ids, and {backend.model_name} takes one step and a state: a method cannot start at its "
                f"embedding. {IF_WHOLE}"
            )
        spelling = request.question.spellings.get(0)
        if spelling is not None and request.method.keeps_values:
            # A string is put in the place of another, whatever the model makes of it.
            return cls(backend, examples, layout)
        seen = seen_as_tokens(backend, examples, may_stay=request.method.keeps_values, spelling=spelling)
        if seen is None:
            return cls(backend, examples, layout)
        tokens, entered, examples = seen
        return cls(entered, examples, TOKEN_VECTORS, tokens, list(tokens.notes))

    @property
    def has_tokens(self) -> bool:
        """Whether the input is token ids."""
        return self.tokens is not None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Give no parts: a single input is not packed."""
        return ()

    def options(self, request: Request) -> Mapping[str, Any]:
        """Give the options of the method."""
        options = request.given.options
        return options if self.tokens is None else token_options(options, self.tokens.ids, self.tokens.call)

    def without_mask(self, problem: Problem) -> Problem:
        """Give the problem before it is posed at a layer, unchanged: the mask of a single input may apply there."""
        return problem

    def separate(self, problem: Problem) -> Problem:
        """Give the problem in the form that a reference engine takes, here unchanged."""
        return problem

    def again(self, backend: Backend) -> Backend:
        """Apply the same preparation to another backend of the same model."""
        return backend if self.tokens is None else cast(LayeredBackend, backend).at(self.tokens.call)

    def compared(self, request: Request, examples: Examples) -> Compared:
        """Resolve the baseline, if the method has one."""
        method = request.method
        if not (method.takes_references or method.uses_baseline):
            return Compared()
        given = laid_out(request, request.baseline, request.given.x, request.question.layout)
        (first,), where = examples.inputs, (request.given.bounds, request.seed)
        if method.takes_references:
            find = resolve_references if self.tokens is None else self.tokens.references
            several, rule = find(given, first)
            return Compared(references=(several,), rule=rule)
        if self.tokens is not None:
            base, rule = self.tokens.baseline(given, first, examples.mask, *where)
        else:
            bounds, seed = where
            base, rule = resolve_baseline(
                given, first, self.layout, bounds=bounds, seed=seed, mask=examples.mask
            )
        return Compared(baselines=(base,), rule=rule)


def laid_out(request: Request, baseline: Any, host: Array, layout: Layout) -> Any:
    """Copy a baseline array to the host, batch first if it has the rank of the input."""
    array = to_host(baseline, request.extension)
    if array is None:
        return baseline
    return layout.to_batch_first(array) if array.ndim == host.ndim else array


def check_ids(method: Method, layout: Layout) -> None:
    """Refuse token ids if the method or the layout does not allow them."""
    if method.drawn == "input":
        raise UnsupportedInputError(
            f"method={method.name!r} cannot be used on token ids, which cannot change gradually: take "
            "another method, such as integrated_gradients."
        )
    if layout.axes not in ("N", "NT", "TN"):
        raise LayoutError(
            f"layout={layout.axes!r}, but token ids have the axes N, examples, and T, time steps: give layout='NT' or "
            "layout='TN', in the order in which the model takes them."
        )
