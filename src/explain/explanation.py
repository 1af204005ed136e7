"""From a checked request to a result: open the model, pose the problem, run it, wrap it up."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast

import numpy as np

from explain.attribution import Attribution
from explain.backend import Backend, Finding, LayeredBackend, ScoreKind
from explain.baseline import resolve_baseline, resolve_references
from explain.catalogue import methods
from explain.errors import (
    LayoutError,
    ModelCallError,
    OpaqueModelWarning,
    OutOfMemoryWarning,
    ProbabilityScoreWarning,
    ScoreError,
    TargetError,
    UnsupportedInputError,
    UnsupportedModelError,
)
from explain.examples import Array, Examples, Target
from explain.execution import Executor, executor_for
from explain.inputs import to_host
from explain.layer_view import at_layer, resolve_layer, resolve_neuron, up_to_layer
from explain.layout import Layout
from explain.locks import ONE_CALL_AT_A_TIME
from explain.masking import resolve_mask
from explain.method import Method
from explain.problem import Problem
from explain.random_state import preserved_random_state
from explain.request import Request
from explain.scoring import looks_like_log_probabilities, looks_like_probabilities, undoable_reason
from explain.steadiness import UNSTEADY_NOTE, is_unsteady
from explain.target import TargetLabels, expected_target, picked, predicted_classes, resolve_target
from explain.tokens import Tokens, seen_as_tokens
from explain.wrap_up import Notes, wrap_up


def run(request: Request) -> tuple[Attribution, Notes]:
    """Run a request; give the result and what the caller must be warned of."""
    method, extension = request.method, request.extension
    # The model's own code is looked after by the backend's session.
    foreign = preserved_random_state() if callable(request.target) else nullcontext()
    with ONE_CALL_AT_A_TIME, foreign:
        request.question.layout.check(request.x)
        _check_kind(method, request.question.layout)
        backend = extension.open(request.model, request.question, request.like)
        _check_primitives(request, backend)
        layout = request.question.layout.batch_first
        host = request.question.layout.to_batch_first(request.x)
        are_ids = host.dtype.kind == "i"
        first = np.ascontiguousarray(host if are_ids else host.astype(backend.dtype, copy=False))
        mask = resolve_mask(request.lengths, first, layout)
        examples = Examples((first,), companions=request.companions, mask=mask)
        with backend.session():
            tokens = None
            if are_ids:
                _check_ids(method, request.question.layout)
                tokens, examples = seen_as_tokens(backend, examples, layout)
                backend, layout, first = tokens.entered, tokens.layout, examples.inputs[0]
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
                request, plain := _plain(request, tokens), examples, executor
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
            baselines: tuple[Array, ...] | None = None
            references: tuple[Array, ...] | None = None
            rule: Mapping[str, Any] = {}
            if method.takes_references:
                several, rule = resolve_references(_laid_out(request), first)
                references = (several,)
            elif tokens is not None and method.uses_baseline:
                base, rule = tokens.baseline(_laid_out(request), examples, request.bounds, request.seed)
                baselines = (base,)
            elif method.uses_baseline:
                base, rule = resolve_baseline(
                    _laid_out(request), first, layout, bounds=request.bounds, seed=request.seed, mask=mask
                )
                baselines = (base,)
            problem = Problem(
                method=method.name,
                backend=backend,
                examples=examples,
                scores=_scores(backend, examples, outputs, executor),
                layout=layout,
                options=request.options,
                executor=executor,
                seed=request.seed,
                baselines=baselines,
                references=references,
                bounds=request.bounds,
                call=call,
            )
            if request.layer is not None or method.layer in ("must", "map"):
                mapped = method.layer == "map"
                call = resolve_layer(problem, request.layer, mapped=mapped)
                if request.neuron is not None:
                    neuron, neurons = resolve_neuron(problem, call, request.neuron)
                    problem = replace(problem, call=call, neuron=neuron)
                else:
                    problem = replace(problem, call=call) if mapped else at_layer(problem, call)
            if request.engine == extension.reference_engine:
                found = extension.run_reference_engine(problem)
            else:
                found = method.function()(problem)
    notes = [*_score_notes(finding), *found.warnings, *([UNSTEADY_NOTE] if unsteady else [])]
    notes += _memory_notes(executor)
    predicted = predicted_classes(outputs)
    return wrap_up(request, problem, found, finding, labels, rule, predicted, notes, tokens, neurons), notes


def _executor(request: Request, backend: Backend, examples: Examples) -> Executor:
    return executor_for(
        backend,
        request.model,
        examples,
        batch_size=request.batch_size,
        memory_budget=request.memory_budget,
    )


def _laid_out(request: Request) -> Any:
    """Bring a baseline that is an array of the input's rank to the host, batch first, as the input was."""
    host = to_host(request.baseline, request.extension)
    if host is None:
        return request.baseline
    return request.question.layout.to_batch_first(host) if host.ndim == request.x.ndim else host


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


def _plain(request: Request, tokens: Tokens | None) -> Backend:
    """Open the model again, to be asked for its output as it is."""
    plain = request.extension.open(request.model, replace(request.question, score="output"), request.like)
    return plain if tokens is None else cast(LayeredBackend, plain).at(tokens.call)


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


def _check_kind(method: Method, layout: Layout) -> None:
    if layout.kind not in method.kinds:
        *others, last = (f"{kind}s" for kind in method.kinds)
        applies = f"{', '.join(others)} and {last}" if others else last
        raise UnsupportedInputError(
            f"method={method.name!r} is for {applies}, but by layout={layout.axes!r} an example is a {layout.kind}: "
            "take another method; or, if x is one of these all the same, say which axis is which with layout=, for "
            'example layout="NHW" for pictures without channels.'
        )


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


def _check_ids(method: Method, layout: Layout) -> None:
    if method.drawn == "input" or method.takes_references:
        raise UnsupportedInputError(
            f"method={method.name!r} cannot be used on token ids, which are no numbers to be moved: take another "
            "method, such as integrated_gradients."
        )
    if layout.axes != "NT":
        raise LayoutError(f"layout={layout.axes!r}, but token ids are of shape (N, T): give them so.")
