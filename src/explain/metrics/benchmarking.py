"""`explain.benchmark`: metrics of several methods beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from explain.algorithms.catalogue import find_method, methods
from explain.errors import EvaluationError, ExplainError
from explain.explanation.again.call import explained, request_of
from explain.explanation.arguments import seed_of
from explain.inputs.naming.brief import brief
from explain.metrics.chosen import chosen_metrics
from explain.metrics.evaluating import measured
from explain.metrics.opened import ScoreCache
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.public_calls.callers_line import at_callers_line
from explain.public_calls.passes import counting
from explain.public_calls.progress import counted
from explain.public_calls.progress_bar import shown
from explain.results.attribution import Attribution


@at_callers_line
def benchmark(
    model: Any,
    x: Any,
    methods: str | Sequence[Any] | Mapping[str, Mapping[str, Any]] | None = None,
    metrics: str | Sequence[Any] | Mapping[str, Mapping[str, Any]] | None = None,
    *,
    masks: Any = None,
    seed: int = 0,
    progress: bool | None = None,
    **arguments: Any,
) -> Benchmark:
    """Explain the same inputs by several methods, and measure how far each can be believed.

    Parameters
    ----------
    model, x
        As for `explain.attribute`; `x` is one input with a batch axis, not a tuple or dict of several.
    methods : str, sequence or Mapping, optional
        Names from `explain.methods`. In a sequence also pairs of a name and its options, such as
        ``("smoothgrad", {"n_samples": 16})``; a Mapping has the options by name. By default every method that explains
        an input.
    metrics, masks
        As for `explain.evaluate`.
    seed : int
        Seed of all random numbers of methods and metrics.
    progress : bool, optional
        As in `explain.attribute`; the bar says how long the rest will take.
    **arguments
        Other arguments of `explain.attribute`, for every method: ``target``, ``score``, ``layer`` and so on. A baseline
        is given to the methods that compare with one; a target that is not given is the predicted class.

    Returns
    -------
    Benchmark
        An `Evaluation` by method; where a method does not apply to the model, or a metric to a method, the reason. And
        the passes through the model that the map of each method took, of one example on average, without those that
        only check the model (see `explain.public_calls.passes.counting`).

    Raises
    ------
    EvaluationError
        If no method applies, or masks do not fit.
    explain.errors.ExplainError
        If a name or an option is unknown.

    Examples
    --------
    >>> import explain
    >>> model = explain.zoo.load("cifar_net", framework="torch")
    >>> x = explain.zoo.samples("cifar_net", framework="torch").x[:4]
    >>> b = explain.benchmark(model, x, ["saliency", "ig"], ["deletion", "sparseness"])
    >>> list(b), b.metrics
    (['saliency', 'integrated_gradients'], ('deletion', 'sparseness'))
    >>> b.passes["saliency"]
    {'forward': 1.0, 'backward': 1.0}
    """
    chosen, rows = chosen_metrics(metrics), _chosen_methods(methods)
    seed = seed_of(seed)
    evaluations: dict[str, Evaluation] = {}
    reasons: dict[str, dict[str, str]] = {}
    passes: dict[str, dict[str, float]] = {}
    cache: ScoreCache = {}
    with shown(progress, "benchmark"), counted(2 * len(rows), "methods") as work:
        for label, (name, options) in rows.items():
            own: dict[str, str] = {}
            try:
                work.begins(what=f"{label}: map")
                with counting() as taken:
                    attribution = _attribution(model, x, name, {**arguments, **options, "seed": seed})
                work.advance()
                work.begins(what=f"{label}: metrics")
                evaluations[label] = measured(
                    model,
                    attribution,
                    chosen,
                    {key: value for key, value in arguments.items() if key != "target" or callable(value)},
                    masks=masks,
                    seed=seed,
                    cache=cache,
                    reasons=own,
                )
                if cost := taken.per_example(len(attribution)):
                    passes[label] = cost
                work.advance()
            except ExplainError as error:
                if len(rows) == 1:
                    raise
                own[""] = str(error)
            if own:
                reasons[label] = own
    if not evaluations:
        first = next(iter(reasons))
        raise EvaluationError(
            f"methods={brief(methods)}: none of the {len(rows)} methods could be measured. The first, {first}, says: "
            f"{next(iter(reasons[first].values()))}"
        )
    return Benchmark(evaluations, reasons, passes, seed=seed)


def _attribution(model: Any, x: Any, name: str, arguments: Mapping[str, Any]) -> Attribution:
    row = find_method(name)
    given = dict(arguments)
    if not row.uses_baseline:
        given.pop("baseline", None)
    if row.layer == "none":
        given.pop("layer", None)
    found, _ = explained(request_of(model, x, row.name, given))
    if not isinstance(found, Attribution):
        raise EvaluationError(
            "x has several inputs, each with an explanation of its own: give a function of one input, with the others "
            "fixed."
        )
    return found


def _chosen_methods(given: Any) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Give name and options of each method by the name under which its results stand."""
    if given is None:
        given = [row.name for row in methods() if row.drawn != "input" and row.layer != "must"]
    listed = [given] if isinstance(given, str) else given
    if isinstance(listed, Mapping):
        listed = list(listed.items())
    if not isinstance(listed, (list, tuple)) or not listed:
        raise EvaluationError(
            f"methods={brief(given)} names no method: give a name such as 'ig', several in a list, or a dict of "
            "options by name."
        )
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for entry in listed:
        name, options = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, {})
        row = find_method(name)
        if row.drawn == "input":
            raise EvaluationError(
                f"methods has {row.name!r}, which finds an input and explains none: leave it out."
            )
        if not isinstance(options, Mapping):
            raise EvaluationError(
                f"methods has {brief(entry)}: give the options of {row.name} as a dict, such as "
                f"({row.name!r}, {{'seed': 1}})."
            )
        label = row.name
        if label in found and options:
            label = f"{row.name} ({', '.join(f'{key}={brief(value)}' for key, value in options.items())})"
        if label in found:
            raise EvaluationError(f"methods has {label!r} twice: leave one out, or give them other options.")
        found[label] = row.name, options
    return found
