"""The scalar to explain: the model's output on the examples, and its kind of score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from explain.backends.outputs.target_function import mixed_target_error, not_scalars_error
from explain.backends.protocol import Ahead, Backend, UnitsOf
from explain.backends.question import Finding, ScoreKind
from explain.backends.scoring import (
    looks_like_log_probabilities,
    looks_like_probabilities,
    may_be,
    undoable_reason,
)
from explain.errors import ExplainError, ModelCallError, ScoreError, SeveralOutputsError
from explain.explanation.one_input import OneInput
from explain.explanation.request import Request
from explain.explanation.several_inputs import SeveralInputs
from explain.inputs.examples import Array, Examples, Target
from explain.inputs.target import picked
from explain.public_calls.passes import uncounted
from explain.running.execution import Executor
from explain.running.layer_view import expected_call
from explain.running.model_checks.independence import Independence

# Far above the differences of sums in another order.
_SAME_SCORE = 1e-3


def explained_outputs(
    request: Request,
    view: OneInput | SeveralInputs,
    backend: Backend,
    examples: Examples,
    executor: Executor,
    noise: float,
) -> tuple[Backend, Array, Finding]:
    """Call the model on the examples.

    Parameters
    ----------
    request, view : Request, OneInput or SeveralInputs
        The checked request, and the prepared inputs.
    backend : Backend
        The opened model; it ends at a layer if a neuron of that layer is explained.
    examples : Examples
        The examples, with the target as far as it is known before the call.
    executor : Executor
        Splits the work into chunks.
    noise : float
        The noise of the model, see `explain.running.model_checks.determinism`.

    Returns
    -------
    Backend, numpy.ndarray, Finding
        The backend to use from here on, the outputs of shape (N, ...), and the kind of score. If the points of a
        single example depend on each other, its `fixed_batch_size` is 1.

    Raises
    ------
    DependentExamplesError
        If the examples depend on each other.
    ModelCallError
        If an output is NaN or infinite.
    ScoreError
        If the kind of score cannot be computed from this model.
    """
    independence = _independence(request, view, backend, examples, executor, noise)
    outputs, finding = _outputs(backend, examples, executor, asked_first(request, backend, examples))
    if independence is not None and independence.check(outputs):
        backend.fixed_batch_size = 1
    if finding.transformed:
        plain = _plain(request, view, backend)
        held = _held_already(request, plain, finding, examples, executor)
        if held is not None:
            # A softmax of probabilities gives wrong scores that look right: explain the output without it.
            backend = _plain(request, view, backend, request.question.continued)
            outputs, _ = _outputs(backend, examples, executor)
            finding = Finding(held)
    checked = _checked_by_values(finding, outputs)
    if checked is not finding and _is_chance(finding, backend, examples, executor):
        return backend, outputs, finding
    if checked is not finding and finding.score == "logit":
        # The last of two softmaxes in a row reads probabilities: no logit belongs to it, and its output is explained.
        plain = _plain(request, view, backend)
        unchanged, _ = _outputs(plain, examples, executor)
        if unchanged.shape != outputs.shape or not np.allclose(unchanged, outputs):
            found = _checked_by_values(finding, unchanged)
            # A sigmoid of a softmax does not look like probabilities, and is no logit.
            return plain, unchanged, checked if found is finding else found
    return backend, outputs, checked


def is_of_whole_model(request: Request) -> bool:
    """Tell whether a method of our own works on the whole model, from its input to its score."""
    return request.layer is None and request.engine != request.extension.reference_engine


def begins_with(request: Request) -> Ahead | UnitsOf | None:
    """Give what the method will ask first of the whole model, as far as it is known before the model is opened."""
    begins, layer = request.method.begins_with, request.layer
    if begins != "units":
        return begins if is_of_whole_model(request) else None
    is_one = request.given.structure is None and request.neuron is None
    is_own = request.engine != request.extension.reference_engine
    return UnitsOf(layer) if isinstance(layer, str) and is_one and is_own else None


def asked_first(request: Request, backend: Backend, examples: Examples) -> Ahead | None:
    """Give what the method asks first of the backend, if it asks it of the whole model."""
    begins = request.method.begins_with
    if request.engine == request.extension.reference_engine:
        return None
    if begins != "units":
        return begins if is_of_whole_model(request) else None
    # Of several inputs, the layer of each is found for itself.
    is_one = request.given.structure is None and request.neuron is None
    return None if request.layer is None or not is_one else expected_call(backend, request.layer, examples)


def _independence(
    request: Request,
    view: OneInput | SeveralInputs,
    backend: Backend,
    examples: Examples,
    executor: Executor,
    noise: float,
) -> Independence | None:
    """Ask whether the examples depend on each other; None if each of them is run alone."""
    is_alone = len(examples) == 1 and backend.fixed_batch_size is None and not request.method.forms_points
    if is_alone or request.batch_size == 1:
        return None
    question = request.question
    named = (*question.forward_kwargs, *request.companions)
    at = str(request.layer) if request.neuron is not None and not request.method.through_neuron else ""
    settings = (question.output, question.layout, question.wiring, named, at)
    # The traces of a model with such arguments are not kept: without gradients another one would be made.
    traced_again = bool(question.forward_kwargs) and asked_first(request, backend, examples) == "gradients"
    return Independence(
        backend,
        request.model,
        examples,
        executor,
        noise,
        view.layout,
        settings,
        with_gradients=traced_again,
        forms_points=request.method.forms_points,
    )


def _outputs(
    backend: Backend, examples: Examples, executor: Executor, ahead: Ahead | None = None
) -> tuple[Array, Finding]:
    """Call the model on the examples; refuse outputs that are NaN or infinite."""

    def compute(rows: slice) -> tuple[Array, Finding]:
        # The backend caches the pass of one chunk only.
        is_whole = rows == slice(0, len(examples))
        return backend.outputs(examples.rows(rows), ahead=ahead if is_whole else None)

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


def _plain(request: Request, view: OneInput | SeveralInputs, like: Backend, continued: int = 0) -> Backend:
    """Open the model again, with its unchanged output as the score."""
    question = replace(request.question, score="output", continued=continued)
    plain = request.extension.open(request.model, question, request.given.like)
    plain.fixed_batch_size = like.fixed_batch_size
    return view.again(plain)


def _is_chance(finding: Finding, backend: Backend, examples: Examples, executor: Executor) -> bool:
    """Tell whether logits look like probabilities at these examples only: four of one example may sum to one."""
    changed = examples.with_changed(np.ones(len(examples), bool))
    try:
        with uncounted():
            outputs, _ = _outputs(backend, changed, executor)
    except ExplainError:
        return False
    return _checked_by_values(finding, outputs) is finding


def _held_already(
    request: Request, plain: Backend, finding: Finding, examples: Examples, executor: Executor
) -> ScoreKind | None:
    """Give the kind of score that the output, so far taken for logits, already is; None for logits.

    Raises
    ------
    ScoreError
        If it is another kind than the requested one.
    """
    with uncounted():
        outputs, _ = _outputs(plain, examples, executor)
    held: ScoreKind = "probability"
    if finding.mixed is not None and may_be(finding.mixed, outputs):
        held = finding.mixed
    elif not looks_like_probabilities(outputs):
        return None
    if request.question.score != held:
        words = "probabilities" if held == "probability" else "logarithms of probabilities"
        raise ScoreError(
            f"score={request.question.score!r} cannot be computed: the model's outputs already are {words}, but no "
            f"softmax layer computes them. Give score={held!r}, or return logits from the model."
        )
    return held


def _checked_by_values(finding: Finding, outputs: Array) -> Finding:
    """Correct the finding where a logit or an unknown output looks like a probability."""
    if (
        finding.reason
        or finding.score not in ("logit", "output")
        or (finding.score == "output" and not finding.opaque)
    ):
        return finding
    kind: ScoreKind
    mixed = finding.mixed is not None and may_be(finding.mixed, outputs)
    if finding.mixed is not None and mixed:
        kind = finding.mixed
    elif looks_like_probabilities(outputs):
        kind = "probability"
    elif looks_like_log_probabilities(outputs):
        kind = "log_probability"
    else:
        return finding
    made_by = finding.made_by or "softmax"
    return replace(
        finding, score=kind, reason=undoable_reason(kind, made_by, opaque=finding.opaque, mixed=mixed)
    )


def scores_of(backend: Backend, examples: Examples, outputs: Array, executor: Executor) -> Array:
    """Select the scores from the outputs; only a callable target needs other calls of the model."""
    target: Target = examples.target
    if target.indices is not None:
        return picked(outputs, target.indices)
    parts = []
    over = executor.over_rows(len(examples), lambda rows: backend.scores(examples.rows(rows)))
    for rows, scores in over:
        if scores.shape != (rows.stop - rows.start,):
            raise not_scalars_error(scores.shape, outputs[rows])
        parts.append(scores)
    found = np.concatenate(parts)
    if len(examples) > 1:
        # A target that uses a value of each example may fit this batch by chance, and no other number of rows.
        last = len(examples) - 1
        (alone,) = backend.scores(examples.rows(slice(last, last + 1)))
        if not np.isclose(alone, found[last], rtol=_SAME_SCORE, atol=_SAME_SCORE * np.abs(found).max()):
            raise mixed_target_error(float(alone), float(found[last]))
    return found


def may_need_scorer(request: Request) -> bool:
    """Tell whether a callable target may have to take all that the model returns."""
    return callable(request.target) and request.neuron is None and request.question.output is None


def with_scorer(request: Request, backend: Backend) -> Request:
    """Give the request with its callable target as the only output, if no single output of the model is explained.

    Runs the model once, inside the backend's session, for a request that may need it.

    Raises
    ------
    ScoreError
        If a kind of score is wanted that such numbers do not have.
    """
    question = request.question
    examples = request.given.examples(backend.dtype, request.companions)
    # Of a function of arrays, lists of unequal lengths show only together.
    most = 1 if "gradients" in backend.provides or backend.fixed_batch_size else len(examples)
    try:
        backend.outputs(examples.rows(slice(0, most)))
    except SeveralOutputsError:
        pass
    except ExplainError:
        # The next run of the model reports it.
        return request
    else:
        return request
    if question.score in ("probability", "log_probability"):
        raise ScoreError(
            f"score={question.score!r} is not known of the number that target, a callable, makes of all that the model "
            "returns: leave score out, and compute that kind of score in target."
        )
    scorer = request.target
    return replace(request, question=replace(question, scorer=scorer), target=None)
