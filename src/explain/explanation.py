"""From a checked request to a result: open the model, pose the problem, run it, wrap it up."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from explain.attribution import Attribution
from explain.backend import Backend, Extension, Finding, Question, ScoreKind
from explain.baseline import resolve_baseline
from explain.catalogue import methods
from explain.display import Display
from explain.errors import (
    ExplainWarning,
    GradientError,
    ModelCallError,
    OpaqueModelWarning,
    ProbabilityScoreWarning,
    ScoreError,
    TargetError,
    UnsupportedModelError,
)
from explain.examples import Array, Examples, Target
from explain.execution import Executor, executor_for
from explain.inputs import to_host
from explain.locks import ONE_CALL_AT_A_TIME
from explain.masking import Mask, resolve_mask, spread_mask
from explain.method import Method
from explain.problem import Found, Problem
from explain.random_state import preserved_random_state
from explain.scoring import looks_like_log_probabilities, looks_like_probabilities, undoable_reason
from explain.steadiness import UNSTEADY_NOTE, is_unsteady
from explain.target import TargetLabels, expected_target, picked, predicted_classes, resolve_target

Notes = list[tuple[str, type[ExplainWarning]]]


@dataclass(frozen=True)
class Request:
    """What a caller asked for, each part checked by itself.

    Parameters
    ----------
    model, x : object, numpy.ndarray
        The model as given; the input on the host, in the model's layout.
    like : object
        The input as it was given, whose dtype and device a model without parameters follows.
    method, options : Method, Mapping
        The row of the catalogue; its options, defaults filled in.
    extension, engine : Extension, str
        Whose model it is; who computes.
    question : Question
        What is asked of the model.
    companions : Mapping
        Keyword arguments of the model with one row an example.
    target, baseline, lengths : object
        As given; what they mean depends on the model's output and layout.
    batch_size, memory_budget, bounds, seed, display
        As in `explain.attribute`.
    """

    model: Any
    x: Array
    like: Any
    method: Method
    options: Mapping[str, Any]
    extension: Extension
    engine: str
    question: Question
    companions: Mapping[str, Array]
    target: Any
    baseline: Any
    lengths: Any
    batch_size: int | None
    memory_budget: int | None
    bounds: tuple[float, float] | None
    seed: int
    display: Display


def run(request: Request) -> tuple[Attribution, Notes]:
    """Run a request; give the result and what the caller must be warned of."""
    method, extension = request.method, request.extension
    # The model's own code is looked after by the backend's session.
    foreign = preserved_random_state() if callable(request.target) else nullcontext()
    with ONE_CALL_AT_A_TIME, foreign:
        request.question.layout.check(request.x)
        backend = extension.open(request.model, request.question, request.like)
        _check_primitives(method, backend)
        layout = request.question.layout.batch_first
        host = request.question.layout.to_batch_first(request.x)
        first = np.ascontiguousarray(host.astype(backend.dtype, copy=False))
        mask = resolve_mask(request.lengths, first, layout)
        examples = Examples((first,), companions=request.companions, mask=mask)
        with backend.session():
            executor = _executor(request, backend, examples)
            examples = _held(backend, examples, executor)
            examples = examples.with_target(expected_target(request.target, len(examples)))
            unsteady = is_unsteady(backend, request.model, examples, executor)
            outputs, finding = _outputs(backend, examples, executor, method.begins_with_gradients)
            if finding.transformed and _is_probability_already(request, examples, executor):
                # A softmax of probabilities would be wrong without a sign: take the output for what it is.
                backend = extension.open(
                    request.model, replace(request.question, score="output"), request.like
                )
                outputs, _ = _outputs(backend, examples, executor)
                finding = Finding("probability")
            finding = _seen_in_values(finding, outputs)
            target, labels = resolve_target(request.target, outputs)
            examples = examples.with_target(target)
            baselines: tuple[Array, ...] | None = None
            rule: Mapping[str, Any] = {}
            if method.uses_baseline:
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
                bounds=request.bounds,
            )
            if request.engine == extension.reference_engine:
                found = extension.run_reference_engine(problem)
            else:
                found = method.function()(problem)
    notes = [*_score_notes(finding), *found.warnings, *([UNSTEADY_NOTE] if unsteady else [])]
    return _wrap_up(request, problem, found, finding, labels, rule, predicted_classes(outputs), notes), notes


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
    parts = [backend.hold(examples.rows(rows)).held for rows in executor.rows(len(examples))]
    if not parts[0]:
        return examples
    return replace(examples, held=tuple(np.concatenate(part) for part in zip(*parts, strict=True)))


def _outputs(
    backend: Backend, examples: Examples, executor: Executor, with_gradients: bool = False
) -> tuple[Array, Finding]:
    """Call the model on the examples; refuse an output that says nothing."""
    chunks = list(executor.rows(len(examples)))
    # Of several chunks only the last one's gradients could be kept until they are asked for.
    shared = with_gradients and len(chunks) == 1
    parts = [backend.outputs(examples.rows(rows), with_gradients=shared) for rows in chunks]
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


def _is_probability_already(request: Request, examples: Examples, executor: Executor) -> bool:
    """Tell whether the output that was taken for logits looks like probabilities."""
    plain = request.extension.open(request.model, replace(request.question, score="output"), request.like)
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
    for rows in executor.rows(len(examples)):
        scores = backend.scores(examples.rows(rows))
        if scores.shape != (rows.stop - rows.start,):
            raise TargetError(
                f"target, a callable, gave {scores.size} scalars for a batch of {rows.stop - rows.start}: "
                "it should give one scalar an example, a tensor of shape (N,)."
            )
        parts.append(scores)
    return np.concatenate(parts)


def _check_primitives(method: Method, backend: Backend) -> None:
    missing = sorted(method.needs - backend.provides)
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


def _wrap_up(
    request: Request,
    problem: Problem,
    found: Found,
    finding: Finding,
    labels: TargetLabels,
    baseline_rule: Mapping[str, Any],
    predicted: Array | None,
    notes: Notes,
) -> Attribution:
    layout, mask = request.question.layout, problem.examples.mask
    values = found.values[0]
    if not np.isfinite(values).all():
        bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        raise GradientError(
            f"The attribution is NaN or infinite for example{'s' if bad.size > 1 else ''} {bad.tolist()}: a gradient "
            "overflowed, or an operation has none at that point (a square root or a norm at zero). Explain in "
            "float64, or give a baseline away from that point."
        )
    if mask is not None and request.method.drawn != "input":
        values = np.where(spread_mask(mask, problem.layout), values, 0)

    def result(array: Array) -> Array:
        return np.ascontiguousarray(layout.from_batch_first(array), np.float32)

    return Attribution(
        values=result(values),
        inputs=result(problem.examples.inputs[0]),
        layout=layout.axes,
        method=request.method.name,
        engine=request.engine,
        framework=problem.backend.name,
        model=problem.backend.model_name,
        target=labels,
        score=finding.score,
        scores=problem.scores if found.scores is None else found.scores,
        # The prediction was made where the climb started.
        predicted=None if request.method.drawn == "input" else predicted,
        baseline=None if problem.baselines is None else result(problem.baselines[0]),
        baseline_rule=baseline_rule,
        delta=found.delta,
        relative_delta=found.relative_delta,
        steps=found.steps,
        rule=found.rule,
        map_error=found.map_error,
        batch_size=problem.executor.used,
        mask=_shown_mask(problem),
        history=found.history,
        options=request.method.recorded_options(request.options),
        seed=request.seed,
        versions={
            "explain": _own_version(),
            request.extension.name: request.extension.version(),
            "numpy": np.__version__,
        },
        notes=tuple(message for message, _ in notes),
        display=request.display,
    )


@cache
def _own_version() -> str:
    return version("explain-toolkit")


def _shown_mask(problem: Problem) -> Mask | None:
    """Give the mask to draw: the one that was given or found, else the one that the model works out."""
    if problem.examples.mask is not None:
        return problem.examples.mask
    axis = problem.layout.time_axis
    if axis is None:
        return None
    shape = (len(problem.examples), problem.examples.inputs[0].shape[axis])
    held: list[Mask] = [mask for mask in problem.examples.held if mask.shape == shape and not mask.all()]
    return held[0] if held else None
