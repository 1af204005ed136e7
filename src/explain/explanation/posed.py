"""The second step of a call: open the model and pose the problem on its backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from explain.algorithms.catalogue import methods
from explain.backends.discovery import models_inside
from explain.backends.layered import Layered
from explain.backends.protocol import Backend, LayeredBackend
from explain.backends.question import Finding
from explain.errors import ExplainError, ModelCallError, OptionError, UnsupportedModelError
from explain.explanation.each_input import at_own_layers
from explain.explanation.one_input import OneInput
from explain.explanation.request import Request, keep
from explain.explanation.score import (
    begins_with,
    explained_outputs,
    may_need_scorer,
    scores_of,
    with_scorer,
)
from explain.explanation.seen_layout import with_seen_layout
from explain.explanation.several_inputs import SeveralInputs
from explain.explanation.text.fit import check_padding, check_vocabulary
from explain.explanation.text.foretold import check_foretold, in_decoder, without_continuation
from explain.explanation.text.given_text import takes_mask
from explain.explanation.text.target import TextTarget, text_target
from explain.explanation.whole_numbers import with_own_numbers
from explain.inputs.examples import Array, Examples, Target
from explain.inputs.naming.class_names import has_names, numbered
from explain.inputs.target import TargetLabels, expected_target, predicted_classes, resolve_target
from explain.inputs.text.batch import Texts
from explain.records import changed
from explain.running.execution import Executor, executor_for
from explain.running.layer_view import at_layer, named_call, resolve_layer, resolve_neuron, up_to_layer
from explain.running.locks import ONE_CALL_AT_A_TIME
from explain.running.model_checks.accepted_shape import shape_that_runs
from explain.running.model_checks.determinism import UNSTEADY, noise_of
from explain.running.problem import Problem
from explain.running.random_state import preserved_random_state


@dataclass(frozen=True)
class Posed:
    """A request on an opened model: the problem, and the facts found while it was posed.

    Parameters
    ----------
    request : Request
        The checked request of the caller.
    view : OneInput or SeveralInputs
        The prepared inputs.
    problem : Problem
        The problem that the method solves.
    finding : Finding
        The kind of score that is explained.
    targets, neurons : tuple
        The target of each example; the unit of a layer, where `neuron` is given.
    baseline_rule : Mapping
        How the baseline was made; for several inputs, by input name.
    predicted : numpy.ndarray, optional
        The predicted class of each example, shape (N,).
    unsteady : bool
        Whether the model returns different outputs when it is called again on the same inputs.
    text : TextTarget, optional
        The texts, if the input is strings, with the names of what is explained.
    is_of_layer : bool
        Whether the result explains the output of a layer, not the inputs: there is then a single result.
    classes : tuple of str
        The names of the classes, if one of them is explained.
    outputs_without_name : int or None
        How many outputs an example has, if the names that the user gave for the classes are not as many.
    own_layers : Mapping of str to Problem
        For a layer that reads each of several inputs by itself: the problem at its output for each, by its name.
    """

    request: Request
    view: OneInput | SeveralInputs
    problem: Problem
    finding: Finding
    targets: TargetLabels
    neurons: TargetLabels
    baseline_rule: Mapping[str, Any]
    predicted: Array | None
    unsteady: bool
    is_of_layer: bool
    text: TextTarget | None = None
    classes: tuple[str, ...] = ()
    outputs_without_name: int | None = None
    own_layers: Mapping[str, Problem] = field(default_factory=dict)


@contextmanager
def posed(request: Request) -> Iterator[Posed]:
    """Open the model of a request and pose its problem; on exit the model and all random states are restored.

    Only one call runs at a time: a lock is held until the exit.

    Raises
    ------
    explain.errors.ExplainError
        If the model, its outputs or its layers do not fit the request.
    """
    # The backend's session restores the random states that the model uses, but not the ones of a target function.
    target_function = preserved_random_state() if callable(request.target) else nullcontext()
    with ONE_CALL_AT_A_TIME, target_function:
        request, backend = _opened(request)
        _check_primitives(request, backend)
        if may_need_scorer(request):
            with backend.session():
                scored = with_scorer(request, backend)
            if scored is not request:
                request = scored
                backend = request.extension.open(request.model, request.question, request.given.like)
        failure = None
        with backend.session():
            try:
                found = _posed(request, backend)
            except ModelCallError as error:
                failure = error
            else:
                yield found
        if failure is not None:
            raise _with_shape_that_runs(request, failure) from failure.__cause__


def _opened(request: Request) -> tuple[Request, Backend]:
    """Open the model; check a request again that was kept from another structure of the model."""
    kept = request.kept
    if kept is not None:
        with suppress(ExplainError):
            backend = request.extension.open(request.model, request.question, request.given.like)
            if kept.is_of(backend):
                return request, backend
        request = kept.anew()
    return request, request.extension.open(request.model, request.question, request.given.like)


def _with_shape_that_runs(request: Request, failure: ModelCallError) -> ModelCallError:
    """Say which shape the model takes, if another one is found."""
    # Python itself refuses arguments that a model does not have, whatever their shape.
    if isinstance(failure.__cause__, TypeError):
        return failure
    given = request.given
    if (
        given.structure is not None
        or request.companions
        or request.texts is not None
        or not given.as_one.is_moved
    ):
        return failure
    shape = shape_that_runs(
        lambda: request.extension.open(request.model, request.question, given.like),
        given.as_one.batch_first.shape,
        given.layout.batch_first,
        failure,
    )
    if shape is None:
        return failure
    return ModelCallError(
        f"{failure} The model does run on x of shape (N, {', '.join(map(str, shape[1:]))})."
    )


def _posed(request: Request, opened: Backend) -> Posed:
    request = with_seen_layout(request, opened)
    keep(request, opened)
    if isinstance(opened, Layered) and not callable(request.target):
        opened.begins_with = begins_with(request)
    method = request.method
    if request.texts is not None:
        _check_fit(request, request.texts, opened)
    view = (OneInput if request.given.structure is None else SeveralInputs).prepared(request, opened)
    if request.reduce is not None and not view.has_tokens:
        raise OptionError(
            f"reduce={request.reduce!r} makes one number of the values at each token's embedding vector, but x has no "
            "token ids (whole numbers that an embedding of the model reads): leave it out."
        )
    backend = view.backend
    examples = with_own_numbers(request, backend, view.examples)
    if request.texts is not None and request.question.continued and request.neuron is None:
        check_foretold(request, request.texts, view, examples)
    executor = executor_for(
        backend,
        request.model,
        examples,
        batch_size=request.batch_size,
        memory_budget=request.memory_budget,
    )
    examples = _with_computed_masks(backend, examples, executor)
    examples = examples.with_target(_expected(request, len(examples)))
    # Checked on the whole model, before a problem at a layer cuts it: the answer is cached with the model.
    noise = noise_of(backend, request.model, examples, executor)
    through = request.neuron is not None and method.through_neuron
    explains_neuron = request.neuron is not None and not through
    call = None
    if explains_neuron:
        # The score is a unit of a layer instead of a class: the model ends at that layer.
        backend, call = up_to_layer(backend, executor, request.layer, examples)
        request = replace(request, target=request.neuron, layer=None)
        examples = examples.with_target(expected_target(request.target, len(examples)))
    backend, outputs, finding = explained_outputs(request, view, backend, examples, executor, noise)
    if backend.fixed_batch_size == 1:
        executor = executor_for(backend, request.model, examples)
    predicted, text = predicted_classes(outputs), None
    if request.texts is not None:
        text = TextTarget(request.target, request.texts)
        if not explains_neuron:
            text = text_target(request, request.texts, view, examples, outputs)
        request = replace(request, target=text.target)
        predicted = None if text.labels else predicted if text.predicted is None else text.predicted
    elif not explains_neuron:
        wanted = _numbered(request, outputs.shape[1:])
        request = request if wanted is request.target else replace(request, target=wanted)
    target, targets = resolve_target(request.target, outputs, "neuron" if explains_neuron else "target")
    if request.question.scorer is not None and not explains_neuron:
        _, targets = resolve_target(request.question.scorer, outputs)
    if text is not None and text.labels:
        targets = text.labels
    examples = examples.with_target(target)
    compared = view.compared(request, examples)
    problem = Problem(
        method=method.name,
        backend=backend,
        examples=examples,
        scores=scores_of(backend, examples, outputs, executor),
        layout=view.layout,
        options=view.options(request),
        executor=executor,
        seed=request.seed,
        baselines=compared.baselines,
        references=compared.references,
        bounds=request.given.bounds,
        call=call,
        parts=view.parts,
    )
    neurons: TargetLabels = targets if explains_neuron else ()
    is_of_layer, own_layers = False, {}
    if through:
        call = named_call(problem, request.layer)
        neuron, neurons = resolve_neuron(problem, call, request.neuron)
        problem = replace(problem, call=call, neuron=neuron)
    elif method.layer == "must" or (request.layer is not None and method.layer != "map"):
        own_layers = at_own_layers(request, view, problem) if isinstance(view, SeveralInputs) else {}
        is_of_layer = not own_layers
        if is_of_layer:
            problem = view.without_mask(problem)
            stated = request.layer_layout
            problem = at_layer(problem, resolve_layer(problem, request.layer, mapped=False, stated=stated))
    elif method.layer == "map" and isinstance(view, OneInput):
        stated = request.layer_layout
        problem = changed(problem, call=resolve_layer(problem, request.layer, mapped=True, stated=stated))
    return Posed(
        request=request,
        view=view,
        problem=problem,
        finding=finding,
        targets=targets,
        neurons=neurons,
        baseline_rule=compared.rule or {},
        predicted=predicted,
        unsteady=noise > UNSTEADY,
        is_of_layer=is_of_layer,
        text=text,
        classes=() if explains_neuron else _class_names(request, outputs, text),
        own_layers=own_layers,
        outputs_without_name=None if explains_neuron else _outputs_without_name(request, outputs, text),
    )


def _check_fit(request: Request, texts: Texts, opened: Backend) -> None:
    """Refuse a tokenizer that does not fit the model, before the model reads its ids."""
    check_vocabulary(request.model, opened, texts)
    if not texts.are_padded or takes_mask(request.model, texts):
        return
    if not request.question.continued:
        check_padding(cast(LayeredBackend, opened), texts, request.companions)
    elif in_decoder(request):
        # Any other model that foretells tokens does not read what is behind a text.
        check_padding(cast(LayeredBackend, without_continuation(request)), texts, request.companions)


def _expected(request: Request, count: int) -> Target:
    """Give the target as far as it is known before the outputs; of a text, its names are not."""
    if request.texts is not None and not callable(request.target):
        return Target()
    return expected_target(_numbered(request), count)


def _numbered(request: Request, shape: Sequence[int] | None = None) -> Any:
    """Give the target with the numbers of classes in the place of their names."""
    target = request.target
    return numbered(target, request.class_names, shape) if has_names(target) else target


def _class_names(request: Request, outputs: Array, text: TextTarget | None) -> tuple[str, ...]:
    """Give the names of the classes, if the outputs are of these classes: some models state names for another head."""
    if text is not None and (text.labels or text.predicted is not None):
        return ()
    names = request.class_names
    return names if outputs.ndim == 2 and outputs.shape[1] == len(names) else ()


def _outputs_without_name(request: Request, outputs: Array, text: TextTarget | None) -> int | None:
    """Count the outputs of an example, if the user's names cannot be theirs: each name could stand at another class."""
    names = request.given.display.classes
    if not names or text is not None or outputs.ndim != 2:
        return None
    count = int(outputs.shape[1])
    # Two names may say what the ends of one probability mean.
    return None if count in (1, len(names)) else count


def _with_computed_masks(backend: Backend, examples: Examples, executor: Executor) -> Examples:
    """Add the masks that the model computes from the input's values, one chunk of examples at a time."""
    if isinstance(backend, Layered) and not backend.computes_masks:
        return examples
    over = executor.over_rows(len(examples), lambda rows: backend.hold(examples.rows(rows)).held)
    parts = [held for _, held in over]
    if not parts[0]:
        return examples
    return replace(examples, held=tuple(np.concatenate(part) for part in zip(*parts, strict=True)))


def _check_primitives(request: Request, backend: Backend) -> None:
    method = request.method
    needed = method.needs if request.layer is None else method.needs | {"layers"}
    missing = sorted(needed - backend.provides)
    if missing:
        usable = [repr(row.name) for row in methods() if row.needs <= backend.provides]
        remedy = f"Give method={' or '.join(usable)}." if usable else "No method works with these alone."
        inside = models_inside(request.model, request.extension)
        if inside:
            remedy += f" Or explain the model inside it, which provides more: {' or '.join(inside)}."
        raise UnsupportedModelError(
            f"method={method.name!r} needs {', '.join(missing)}, which the {backend.name} backend does not provide for "
            f"a model of type {backend.model_name}. It provides: {', '.join(sorted(backend.provides))}. {remedy}"
        )
