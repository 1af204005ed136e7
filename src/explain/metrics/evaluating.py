"""`explain.evaluate`: metrics of one attribution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from explain.algorithms.catalogue import find_method
from explain.errors import EvaluationError, ExplainError
from explain.explanation.again.call import DEFAULTS
from explain.explanation.arguments import seed_of
from explain.inputs.layout import Layout
from explain.inputs.naming.brief import brief
from explain.inputs.naming.suggestions import suggestion
from explain.metrics.chosen import Chosen, chosen_metrics
from explain.metrics.masks import resolve_masks
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.opened import ScoreCache
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Measurement
from explain.metrics.same_model import check_fingerprint, check_scores
from explain.metrics.subject import Subject
from explain.public_calls.callers_line import at_callers_line
from explain.public_calls.progress import counted
from explain.public_calls.progress_bar import shown
from explain.results.attribution import Attribution
from explain.results.view import input_name
from explain.version import VERSION


@at_callers_line
def evaluate(
    model: Any,
    attribution: Attribution,
    metrics: str | Sequence[Any] | Mapping[str, Mapping[str, Any]] | None = None,
    *,
    target: Any = None,
    forward_kwargs: Mapping[str, Any] | None = None,
    masks: Any = None,
    seed: int = 0,
    progress: bool | None = None,
    **arguments: Any,
) -> Evaluation:
    """Measure how far an attribution can be believed.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, a scikit-learn estimator or a function
        The model that was explained; it is restored after the call.
    attribution : Attribution
        Its explanation, of N examples.
    metrics : str, sequence or Mapping, optional
        Names from `explain.metrics.names`. In a sequence also pairs of a name and its options, such as
        ``("deletion", {"reference": "blur"})``; a Mapping has the options by name. By default deletion, insertion
        and sparseness.
    target, forward_kwargs
        As they were given to `explain.attribute`, where the attribution does not record them: a function as target,
        and arguments of the model.
    masks : array of bool, optional
        Where the object is, for metrics that ask whether the map finds it: shape (N, H, W), (N, T) or (N, C), without
        channels; or the mask of all examples.
    seed : int
        Seed of all random numbers of the metrics, which NumPy draws.
    progress : bool, optional
        As in `explain.attribute`.
    **arguments
        Other arguments of `explain.attribute` that the attribution does not record: ``tokenizer``, ``baseline`` if it
        is a set of references, ``feature_mask`` if it is an array.

    Returns
    -------
    Evaluation
        A value for each example and metric, with means and intervals. Examples without a value are counted.

    Raises
    ------
    EvaluationError
        If the attribution is not of this model, a metric does not apply to it, masks do not fit, or an argument is
        unknown.
    OptionError
        If an option of a metric is refused.

    Examples
    --------
    >>> import explain
    >>> model = explain.zoo.load("cifar_net", framework="torch")
    >>> x = explain.zoo.samples("cifar_net", framework="torch").x[:4]
    >>> a = explain.attribute(model, x, method="ig")
    >>> e = explain.evaluate(model, a, ["deletion", "sparseness"])
    >>> e["deletion"].values.shape, 0 < e.deletion < 1
    ((4,), True)
    """
    chosen = chosen_metrics(metrics)
    _check_attribution(attribution)
    _check_arguments(arguments, attribution)
    given = {"target": target, "forward_kwargs": forward_kwargs, **arguments}
    with shown(progress, "evaluate"):
        return measured(model, attribution, chosen, given, masks=masks, seed=seed_of(seed))


def measured(
    model: Any,
    attribution: Attribution,
    chosen: Sequence[Chosen],
    given: Mapping[str, Any],
    *,
    masks: Any,
    seed: int,
    cache: ScoreCache | None = None,
    reasons: dict[str, str] | None = None,
) -> Evaluation:
    """Measure some metrics, in order.

    Parameters
    ----------
    model, attribution, masks, seed
        As for `evaluate`.
    chosen : sequence of Chosen
        The metrics.
    given : Mapping
        Arguments of `explain.attribute` that the attribution does not record.
    cache : dict, optional
        Scores that are known already; those that are asked for are added.
    reasons : dict, optional
        Gets the reason for each metric that refuses; without it the first refusal is raised.
    """
    subject = Subject(model, attribution, given, seed=seed, cache=cache)
    check_fingerprint(subject)
    subject.masks = resolve_masks(masks, subject.places)
    asks_model = any(one.row.needs - {"masks"} for one in chosen)
    found: dict[str, Measurement] = {}
    with counted(len(chosen) + asks_model) as work:
        if asks_model:
            work.begins(what="scores")
            _check_calls(attribution)
            check_scores(subject)
            work.advance()
        for one in chosen:
            work.begins(what=one.name)
            try:
                _check_fits(one.row, subject)
                found[one.name] = _measurement(one, one.row.implementation(subject, one.options))
            except ExplainError as error:
                if reasons is None:
                    raise
                reasons[one.name] = str(error)
            work.advance()
    return Evaluation(
        measurements=found,
        method=attribution.method,
        framework=attribution.framework,
        model=attribution.model,
        score=attribution.score,
        layout=attribution.layout,
        target=attribution.target,
        seed=seed,
        versions={**attribution.versions, "explain": VERSION, "numpy": np.__version__},
        notes=tuple(subject.notes),
        attribution=attribution,
    )


def _check_arguments(given: Iterable[str], attribution: Attribution) -> None:
    """Refuse arguments that would have no effect."""
    known = [*DEFAULTS, *(option.name for option in find_method(attribution.method).options)]
    for name in given:
        if name not in known:
            raise EvaluationError(
                f"{name!r} is no argument of explain.evaluate, nor one of explain.attribute that an attribution may "
                f"leave unrecorded.{suggestion(name, known)} Options of a metric go with its name, as in "
                f"metrics=[('deletion', {{'n_steps': 16}})]."
            )


def _check_attribution(attribution: Any) -> None:
    if not isinstance(attribution, Attribution):
        parts = attribution.values() if isinstance(attribution, dict) else attribution
        are_several = isinstance(parts, Iterable) and any(isinstance(one, Attribution) for one in parts)
        what = "one of several inputs" if are_several else f"a {type(attribution).__name__}"
        raise EvaluationError(
            f"attribution={brief(attribution)} is {what}, not an Attribution: give what explain.attribute returned; of "
            "a model of several inputs only the metrics of the map alone apply, to one of its results."
        )
    if find_method(attribution.method).drawn == "input":
        raise EvaluationError(
            f"attribution is of method={attribution.method!r}, whose values are an input and not an explanation: "
            "evaluate another method."
        )
    if not len(attribution):
        raise EvaluationError("attribution has no examples: give at least one.")


def _check_calls(attribution: Attribution) -> None:
    """Refuse what the model cannot be asked about again."""
    advice = "Take metrics that read the map alone, such as 'sparseness'"
    if attribution.together or attribution.input_name:
        raise EvaluationError(
            f"attribution is of one of several inputs ({attribution.input_name!r}), the others of which it does not "
            f"record. {advice}; or explain a function of this input alone, with the others fixed."
        )
    if input_name(attribution) != "input":
        raise EvaluationError(
            f"attribution is of the layer {attribution.layer!r}, whose places are not those of the model's input. "
            f"{advice}; or explain the input."
        )
    if attribution.neuron:
        raise EvaluationError(
            f"attribution is of a unit of the layer {attribution.layer!r}, not of a score of the model. {advice}; or "
            "explain a target."
        )


def _check_fits(row: Metric, subject: Subject) -> None:
    """Refuse a metric that does not apply to what is evaluated."""
    kind = subject.attribution.kind
    if kind not in row.kinds:
        raise EvaluationError(
            f"metrics={row.name!r} applies to {' and '.join(f'{one}s' for one in row.kinds)}, but the examples are "
            f"{kind}s (layout={Layout(subject.attribution.layout).axes!r}): leave it out."
        )
    if not row.takes_token_ids and subject.has_tokens:
        raise EvaluationError(
            f"metrics={row.name!r} moves the input a little, and token ids cannot change gradually: leave it out, or "
            "take a metric that removes tokens, such as 'deletion'."
        )
    if "masks" in row.needs and subject.masks is None:
        raise EvaluationError(
            f"metrics={row.name!r} asks whether the map finds the object: give masks=, True where it is, shape "
            f"{(len(subject), *subject.places.shape)}."
        )


def _measurement(chosen: Chosen, found: Measured) -> Measurement:
    row = chosen.row
    recorded = {option.name: option.recorded(chosen.options[option.name]) for option in row.options}
    missing = set(np.flatnonzero(np.isnan(found.values)).tolist())
    assert missing == set(found.left_out), f"{row.name} says why each example has no value"
    return Measurement(
        metric=row.name,
        values=found.values,
        better=row.better,
        curve=found.curve,
        positions=found.positions,
        labels=found.labels,
        left_out=dict(found.left_out),
        options=recorded,
        seeded=row.seeded,
    )
