"""From a checked request to a result: open the model, pose the problem, run it, wrap it up."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from explain.algorithms.catalogue import methods
from explain.backends.protocol import Backend, Finding, ScoreKind
from explain.backends.scoring import looks_like_log_probabilities, looks_like_probabilities, undoable_reason
from explain.errors import (
    ModelCallError,
    OpaqueModelWarning,
    OutOfMemoryWarning,
    ProbabilityScoreWarning,
    ScoreError,
    TargetError,
    UnsupportedModelError,
)
from explain.explanation.each_input import each_input, refuse_kinds, results_of
from explain.explanation.one_input import OneInput
from explain.explanation.request import Request
from explain.explanation.several_inputs import SeveralInputs
from explain.explanation.wrap_up import Asked, Notes, wrap_up
from explain.inputs.examples import Array, Examples, Target
from explain.inputs.target import TargetLabels, expected_target, picked, predicted_classes, resolve_target
from explain.running.execution import Executor, executor_for
from explain.running.layer_view import at_layer, resolve_layer, resolve_neuron, up_to_layer
from explain.running.locks import ONE_CALL_AT_A_TIME
from explain.running.problem import Found, Problem
from explain.running.random_state import preserved_random_state
from explain.running.steadiness import UNSTEADY_NOTE, is_unsteady


def run(request: Request) -> tuple[Any, Notes]:
    """Run a request; give the result, of several inputs one for each, and what the caller must be warned of."""
    method, extension = request.method, request.extension
    # The model's own code is looked after by the backend's session.
    foreign = preserved_random_state() if callable(request.target) else nullcontext()
    with ONE_CALL_AT_A_TIME, foreign:
        if request.given.structure is None:
            request.question.layout.check(request.given.x)
            refuse_kinds(method, [request.question.layout])
        backend: Backend = extension.open(request.model, request.question, request.given.like)
        _check_primitives(request, backend)
        with backend.session():
            view = (OneInput if request.given.structure is None else SeveralInputs).seen(request, backend)
            backend, examples = view.backend, view.examples
            executor = _executor(request, backend, examples)
            examples = _held(backend, examples, executor)
            examples = examples.with_target(expected_target(request.target, len(examples)))
            # Asked of the whole model, before it is left at a layer: the answer is kept with the model.
            unsteady = is_unsteady(backend, request.model, examples, executor)
            call = None
            neurons: TargetLabels = ()
            if request.neuron is not None and not method.through_neuron:
                backend, call = up_to_layer(backend, request.layer, examples)
                request = replace(request, target=request.neuron, layer=None)
                examples = examples.with_target(expected_target(request.target, len(examples)))
            outputs, finding = _outputs(backend, examples, executor, method.begins_with_gradients)
            if finding.transformed and _is_probability_already(
                request, plain := _plain(request, view), examples, executor
            ):
                # A softmax of probabilities would be wrong without a sign: take the output for what it is.
                backend = plain
                outputs, _ = _outputs(backend, examples, executor)
                finding = Finding("probability")
            finding = _seen_in_values(finding, outputs)
            name = "target" if call is None else "neuron"
            target, labels = resolve_target(request.target, outputs, name)
            examples = examples.with_target(target)
            if call is not None:
                neurons = labels
            compared = view.compared(request, examples)
            problem = Problem(
                method=method.name,
                backend=backend,
                examples=examples,
                scores=_scores(backend, examples, outputs, executor),
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

            def solve(problem: Problem) -> Found:
                if request.engine == extension.reference_engine:
                    return extension.run_reference_engine(view.separate(problem))
                return method.function()(problem)

            through = request.neuron is not None and method.through_neuron
            asked_of_layer = method.layer == "must" or (request.layer is not None and method.layer != "map")
            about_a_layer = asked_of_layer and not through
            if through:
                call = resolve_layer(problem, request.layer, mapped=False)
                neuron, neurons = resolve_neuron(problem, call, request.neuron)
                problem = replace(problem, call=call, neuron=neuron)
            elif about_a_layer:
                problem = view.without_mask(problem)
                problem = at_layer(problem, resolve_layer(problem, request.layer, mapped=False))
            elif method.layer == "map" and isinstance(view, OneInput):
                problem = replace(problem, call=resolve_layer(problem, request.layer, mapped=True))
            if about_a_layer or isinstance(view, OneInput):
                each, found = None, solve(problem)
            else:
                each = each_input(request, view, problem, solve)
    asked = Asked(
        request,
        finding,
        labels,
        compared.rule or {},
        predicted_classes(outputs),
        before=_score_notes(finding),
        after=[*([UNSTEADY_NOTE] if unsteady else []), *_memory_notes(executor)],
        neurons=neurons,
    )
    if each is not None:
        return results_of(asked, each)
    notes = asked.notes(found.warnings)
    return wrap_up(asked, problem, found, notes, view.tokens), notes


def _executor(request: Request, backend: Backend, examples: Examples) -> Executor:
    return executor_for(
        backend,
        request.model,
        examples,
        batch_size=request.batch_size,
        memory_budget=request.memory_budget,
    )


def warn(notes: Notes, stacklevel: int) -> None:
    """Give the warnings where the caller's own line is shown."""
    for message, category in notes:
        warnings.warn(message, category, stacklevel=stacklevel + 1)


def _held(backend: Backend, examples: Examples, executor: Executor) -> Examples:
    """Hold what must be held, a chunk of examples at a time."""
    over = executor.over_rows(len(examples), lambda rows: backend.hold(examples.rows(rows)).held)
    parts = [held for _, held in over]
    if not parts[0]:
        return examples
    return replace(examples, held=tuple(np.concatenate(part) for part in zip(*parts, strict=True)))


def _outputs(
    backend: Backend, examples: Examples, executor: Executor, with_gradients: bool = False
) -> tuple[Array, Finding]:
    """Call the model on the examples; refuse an output that says nothing."""

    def compute(rows: slice) -> tuple[Array, Finding]:
        # Of several chunks only the last one's gradients could be kept until they are asked for.
        shared = with_gradients and rows == slice(0, len(examples))
        return backend.outputs(examples.rows(rows), with_gradients=shared)

    parts = [found for _, found in executor.over_rows(len(examples), compute)]
    outputs, finding = parts[0]
    if len(parts) > 1:
        outputs = np.concatenate([part for part, _ in parts])
    if not np.isfinite(outputs).all():
        bad = np.flatnonzero(~np.isfinite(outputs.reshape(len(outputs), -1)).all(axis=1))
        raise ModelCallError(
            f"The model's output is NaN or infinite for example{'s' if bad.size > 1 else ''} {bad.tolist()}: there is "
            "nothing to explain. Check its weights and that x is scaled as in training."
        )
    return outputs, finding


def _plain(request: Request, view: OneInput | SeveralInputs) -> Backend:
    """Open the model again, to be asked for its output as it is."""
    question = replace(request.question, score="output")
    return view.again(request.extension.open(request.model, question, request.given.like))


def _is_probability_already(request: Request, plain: Backend, examples: Examples, executor: Executor) -> bool:
    """Tell whether the output that was taken for logits looks like probabilities."""
    outputs, _ = _outputs(plain, examples, executor)
    if not looks_like_probabilities(outputs):
        return False
    if request.question.score == "log_probability":
        raise ScoreError(
            "score='log_probability' cannot be had: the model's outputs already are probabilities, made by no softmax "
            "layer. Say score='probability', or return logits from the model."
        )
    return True


def _seen_in_values(finding: Finding, outputs: Array) -> Finding:
    """Mend the finding where a logit or an unknown output turns out to look like a probability."""
    if (
        finding.reason
        or finding.score not in ("logit", "output")
        or (finding.score == "output" and not finding.opaque)
    ):
        return finding
    held: ScoreKind
    if looks_like_probabilities(outputs):
        held = "probability"
    elif looks_like_log_probabilities(outputs):
        held = "log_probability"
    else:
        return finding
    return replace(finding, score=held, reason=undoable_reason(held, "softmax", opaque=finding.opaque))


def _scores(backend: Backend, examples: Examples, outputs: Array, executor: Executor) -> Array:
    """Pick the scores out of the outputs; only a callable needs the model again."""
    target: Target = examples.target
    if target.indices is not None:
        return picked(outputs, target.indices)
    parts = []
    over = executor.over_rows(len(examples), lambda rows: backend.scores(examples.rows(rows)))
    for rows, scores in over:
        if scores.shape != (rows.stop - rows.start,):
            raise TargetError(
                f"target, a callable, gave {scores.size} scalars for a batch of {rows.stop - rows.start}: "
                "it should give one scalar an example, a tensor of shape (N,)."
            )
        parts.append(scores)
    return np.concatenate(parts)


def _check_primitives(request: Request, backend: Backend) -> None:
    method = request.method
    needed = method.needs if request.layer is None else method.needs | {"layers"}
    missing = sorted(needed - backend.provides)
    if missing:
        usable = [repr(row.name) for row in methods() if row.needs <= backend.provides]
        remedy = f"Give method={' or '.join(usable)}." if usable else "No method needs so little."
        raise UnsupportedModelError(
            f"method={method.name!r} needs {', '.join(missing)}, which the {backend.name} backend does not provide for "
            f"a model of type {backend.model_name}. It provides: {', '.join(sorted(backend.provides))}. {remedy}"
        )


def _score_notes(finding: Finding) -> Notes:
    """Say where the score is not what was asked for, or could not be looked into."""
    notes: Notes = []
    if finding.opaque and not finding.reason:
        notes.append(
            (
                "The model's inside cannot be reached, so a terminal softmax or sigmoid could not be looked for: its "
                "output is explained as it is. Say score='output' if that is meant; to explain logits, give the "
                "original module, or a function that returns them.",
                OpaqueModelWarning,
            )
        )
    if finding.reason:
        notes.append((finding.reason, ProbabilityScoreWarning))
    return notes


def _memory_notes(executor: Executor) -> Notes:
    """Say where memory ran out on the way."""
    most = executor.halved_to
    if most is None:
        return []
    text = (
        f"Memory ran out on the way: the call went on in chunks of at most {most} "
        f"point{'s' if most > 1 else ''}, and its result is the same. Give batch_size={most}, or a memory_budget, to "
        "spare the attempts that failed."
    )
    return [(text, OutOfMemoryWarning)]
