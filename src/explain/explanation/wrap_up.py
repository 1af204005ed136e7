"""The last step of a call: check the solution, convert it to the input's layout and record how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from explain.algorithms.example_warnings import examples_named
from explain.algorithms.perturbation.rounded_scores import rounding_warnings
from explain.backends.embeddings.tokens import Tokens
from explain.backends.question import Finding
from explain.errors import (
    CancellationWarning,
    ClassNamesWarning,
    GradientError,
    OpaqueModelWarning,
    OutOfMemoryWarning,
    ProbabilityScoreWarning,
)
from explain.explanation.each_input import Explained
from explain.explanation.given_inputs import GivenInput
from explain.explanation.posed import Posed
from explain.explanation.request import Notes, Request
from explain.explanation.text.target import TextTarget
from explain.inputs.display import Display
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.masking import Mask, spread_mask
from explain.inputs.reduction import UNSIGNED, Reduction, cancelled, reduced
from explain.results.attribution import Attribution
from explain.results.shown import shown_together
from explain.running.execution import Executor
from explain.running.model_checks.determinism import UNSTEADY_NOTE
from explain.running.problem import Problem
from explain.version import VERSION


def wrap_up(posed: Posed, explained: Sequence[Explained]) -> tuple[Any, Notes]:
    """Give the result of a call and its warnings, without duplicates.

    Parameters
    ----------
    posed : Posed
        The request and its problem.
    explained : sequence of Explained
        The solutions: one entry for each of several inputs, else one.

    Returns
    -------
    Attribution, or several in the structure of the inputs
        None in place of an input without a map.
    list of (message, category)
        The warnings, in the order in which they are given.

    Raises
    ------
    GradientError
        If a value is NaN or infinite.
    """
    before = [*posed.view.notes, *_score_notes(posed.finding), *_name_notes(posed)]
    after = [*([UNSTEADY_NOTE] if posed.unsteady else []), *_memory_notes(posed.problem.executor)]
    structure = None if posed.is_of_layer else posed.request.given.structure
    results: list[Attribution | None] = []
    given: Notes = []
    for one in explained:
        own = [*one.notes, *_cancellation_notes(posed, one), *_rounding_notes(posed, one)]
        notes = [*before, *own, *after]
        given += [note for note in notes if note not in given]
        results.append(_result(posed, one, notes, is_only=structure is None))
    if posed.text is not None and structure is not None:
        # Beside the tokens, a model of texts may take masks and segments, which the caller has not given.
        return results[structure.names.index(posed.text.texts.input_name)], given
    return (results[0] if structure is None else shown_together(structure.rebuilt(results))), given


def _result(posed: Posed, explained: Explained, notes: Notes, *, is_only: bool) -> Attribution | None:
    """Give the result of one input, the only one or one of several; None if it has no map."""
    request, problem, found, tokens = posed.request, explained.problem, explained.found, explained.tokens
    if problem is None or found is None:
        return None
    given = explained.given
    at_input = problem.outer is None
    layout = given.layout if at_input and tokens is None else problem.layout
    values = found.values[0]
    if not np.isfinite(values).all():
        bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        raise GradientError(
            f"The attribution is NaN or infinite for example{'s' if bad.size > 1 else ''} {bad.tolist()}: a gradient "
            "overflowed, or an operation has no gradient at that point (a square root or a norm at zero). Explain in "
            "float64, or give a baseline away from that point."
        )
    mask = problem.examples.mask
    if mask is not None and request.method.drawn != "input":
        values = np.where(spread_mask(mask, problem.layout), values, 0)

    def result(array: Array) -> Array:
        return np.ascontiguousarray(layout.from_batch_first(array), np.float32)

    rules = posed.baseline_rule
    attribution = Attribution(
        values=result(values),
        inputs=result(problem.examples.inputs[0]),
        layout=layout.axes,
        layer="" if problem.call is None else problem.call.label,
        neuron=posed.neurons,
        method=request.method.name,
        engine=request.engine,
        framework=problem.backend.name,
        model=problem.backend.model_name,
        target=posed.targets,
        score=posed.finding.score,
        scores=problem.scores if found.scores is None else found.scores,
        # For a maximization, the prediction belongs to the initial noise, not to the input that was found.
        predicted=None if request.method.drawn == "input" else posed.predicted,
        baseline=None if problem.baselines is None else result(problem.baselines[0]),
        baseline_rule=rules if is_only else rules.get(given.name, {}),
        delta=found.delta,
        relative_delta=found.relative_delta,
        steps=found.steps,
        rule=found.rule,
        map_error=found.map_error,
        nodes=found.nodes,
        batch_size=problem.executor.used,
        mask=_shown_mask(problem),
        history=found.history,
        options={**request.method.recorded_options(given.options), **found.chosen},
        seed=request.seed,
        versions={
            "explain": VERSION,
            request.extension.name: request.extension.version(),
            "numpy": np.__version__,
        },
        notes=tuple(message for message, _ in notes),
        display=_shown(_with_fitting_names(given.display, posed), problem, posed.classes),
        input_name=given.name,
        together=explained.together,
    )
    if at_input and given.spelling is not None:
        attribution = _with_strings(attribution, given, problem, tokens)
    if not at_input or tokens is None:
        is_strings = at_input and given.spelling is not None
        return _of_strings(attribution, given) if is_strings else attribution
    found_values = problem.layout.to_canonical(values)
    by_token = _by_token(attribution, tokens, given.layout, found_values, _reduction(request))
    if given.spelling is not None:
        by_token = _of_strings(by_token, given)
    return by_token if posed.text is None else _with_words(by_token, posed.text)


def _with_strings(
    result: Attribution, given: GivenInput, problem: Problem, tokens: Tokens | None
) -> Attribution:
    """Give the result with its strings, and with the string that was put in the place of others."""
    assert given.spelling is not None
    texts = given.spelling.texts if len(given.layout.axes) == 2 else ()
    rule = result.baseline_rule
    if problem.baselines is not None and tokens is None:
        codes, mask = problem.baselines[0], problem.examples.mask
        # Beside the end of shorter texts, which stays empty.
        rule = {"rule": "string", "string": given.spelling.named(codes if mask is None else codes[mask])}
    elif "id" in rule:
        rule = {"rule": "string", "string": given.spelling.words[rule["id"]]}
    return replace(result, texts=texts, baseline=None, baseline_rule=rule)


def _of_strings(result: Attribution, given: GivenInput) -> Attribution:
    """Give the result with a mark of each string, and without the padding after the longest text."""
    spelling = given.spelling
    assert spelling is not None
    result = replace(result, inputs=spelling.marks(result.inputs))
    if spelling.separator is None:
        return result
    longest = max(len(text.tokens) for text in spelling.texts) or 1
    mask = None if result.mask is None else result.mask[:, :longest]
    cut = replace(result, values=result.values[:, :longest], inputs=result.inputs[:, :longest])
    return replace(cut, mask=None if mask is None or mask.all() else mask)


def _with_words(result: Attribution, text: TextTarget) -> Attribution:
    """Give the result with its texts."""
    return replace(result, texts=text.texts.texts)


def _score_notes(finding: Finding) -> Notes:
    """Warn if the score is not the requested one, or could not be checked."""
    notes: Notes = []
    if finding.opaque and not finding.reason:
        notes.append(
            (
                "The layers of the model cannot be inspected, so a terminal softmax or sigmoid could not be detected: "
                "its unchanged output is explained. Give score='output' if that is intended; to explain logits, give "
                "the original module, or a function that returns logits.",
                OpaqueModelWarning,
            )
        )
    if finding.reason:
        notes.append((finding.reason, ProbabilityScoreWarning))
    return notes


def _name_notes(posed: Posed) -> Notes:
    """Warn of names of classes that are not those of the outputs."""
    count = posed.outputs_without_name
    if count is None:
        return []
    return [
        (
            f"display.classes has {len(posed.request.given.display.classes)} names, but the model has {count} outputs "
            "for an example: the names may be of other classes, and are left out of the result. Give a name for each "
            "output, in their order, display=explain.Display(classes=(...)), or no names.",
            ClassNamesWarning,
        )
    ]


def _memory_notes(executor: Executor) -> Notes:
    """Warn if memory ran out during the call."""
    most = executor.halved_to
    if most is None:
        return []
    text = (
        f"Memory ran out during the call: it continued in chunks of at most {most} "
        f"point{'s' if most > 1 else ''}, and the result is the same. Give batch_size={most}, or a memory_budget, to "
        "avoid the failed attempts."
    )
    return [(text, OutOfMemoryWarning)]


def _reduction(request: Request) -> Reduction:
    return request.reduce or request.method.token_reduction


def _cancellation_notes(posed: Posed, explained: Explained) -> Notes:
    """Warn of examples whose values cancel in the sum over each token's embedding vector."""
    problem, found, how = explained.problem, explained.found, _reduction(posed.request)
    if explained.tokens is None or problem is None or found is None or problem.outer is not None:
        return []
    if how in UNSIGNED:
        return []
    values = problem.layout.to_canonical(found.values[0])
    empty = cancelled(values, problem.backend.dtype)
    if not empty.size:
        return []
    text = (
        f"For {examples_named(empty)}, the values at each token's embedding vector cancel in their {how}, so that the "
        "map is rounding noise. Gradients do so where a normalisation follows the embedding: it subtracts the mean of "
        "each vector. Give reduce='norm', the size of each token's vector, or use method='integrated_gradients'."
    )
    return [(text, CancellationWarning)]


def _rounding_notes(posed: Posed, explained: Explained) -> Notes:
    """Warn of differences of scores that the model rounds; gradients hardly notice the precision."""
    if explained.problem is None or explained.found is None or posed.request.method.needs != {"outputs"}:
        return []
    return [*rounding_warnings(explained.problem, explained.found.values[0])]


def _by_token(
    result: Attribution, tokens: Tokens, layout: Layout, values: Array, how: Reduction
) -> Attribution:
    """Give each token one number for the values at its embedding vector, shape (N, T, C), in the layout of the ids."""
    numbers = reduced(values, how, tokens.call.real).reshape(tokens.ids.shape)
    return replace(
        result,
        values=np.ascontiguousarray(layout.from_batch_first(numbers), np.float32),
        reduce=how,
        inputs=np.ascontiguousarray(layout.from_batch_first(tokens.ids), np.float32),
        # The vectors of the baseline do not have the shape of the ids; the baseline rule records the token.
        baseline=None,
        layout=layout.axes,
    )


def _with_fitting_names(display: Display, posed: Posed) -> Display:
    return display if posed.outputs_without_name is None else replace(display, classes=())


def _shown(display: Display, problem: Problem, classes: tuple[str, ...]) -> Display:
    """Give the display of the result: for the output of a layer, only the class names of the input's display apply."""
    if not display.classes and classes:
        display = replace(display, classes=classes)
    return display if problem.outer is None else Display(classes=display.classes)


def _shown_mask(problem: Problem) -> Mask | None:
    """Give the mask to draw: the mask of the examples, else the mask that the model computes."""
    if problem.examples.mask is not None:
        return problem.examples.mask
    axis = problem.layout.time_axis
    if axis is None:
        return None
    shape = (len(problem.examples), problem.examples.inputs[0].shape[axis])
    held: list[Mask] = [mask for mask in problem.examples.held if mask.shape == shape and not mask.all()]
    return held[0] if held else None
