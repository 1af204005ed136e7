"""The numbers of the page: every method on every model of the ground truth, asked every question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from explain import zoo
from explain.algorithms.catalogue import find_method
from explain.algorithms.catalogue import methods as catalogue
from explain.algorithms.method import Method
from explain.benchmark_page.questions import DATA, EXAMPLES, EXPLAINED_AGAIN, Question
from explain.errors import ExplainError
from explain.explanation.again.call import explained, request_of
from explain.metrics.chosen import chosen_metrics
from explain.metrics.evaluating import measured
from explain.metrics.opened import ScoreCache
from explain.metrics.random_map import with_random_map
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Measurement
from explain.public_calls.passes import counting
from explain.results.attribution import Attribution
from explain.zoo.synthetic.ground_truth import GroundTruth

Progress = Callable[[int, int, str], None]

RANDOM_MAP = "random map"
"""The row that shows what a map without information gets."""

NO_EXPLANATION = "no explanation"
"""The answer of the random map to what explains again."""

NO_DRAWS = "draws nothing"
"""The answer of a method without random numbers to what other seeds give."""

# So many points are run at once: a size that is found by timing would change the last bits from run to run.
_CHUNK = 128

# References for the methods that compare with a set: examples without an object, from another seed.
_REFERENCES = 16

TOO_SLOW = "too slow"
"""The answer to what explains again, if it would take too many passes."""

# Passes that a metric may take for all its explanations of one method, before the page leaves it to the full run. On a
# core the networks of pictures run about 16,000 points a second forward and half as many with gradients: on two cores
# it is a minute or more. The most of the default methods, RISE, takes 40,000 for five explanations of four examples.
MOST_PASSES = 1_000_000


@dataclass(frozen=True)
class ModelResults:
    """What was found about one model.

    Attributes
    ----------
    model : str
        Its name in the zoo.
    data : GroundTruth
        The examples.
    attributions : Mapping of str to Attribution
        The maps, by method.
    benchmark : Benchmark
        The answers, by method and by the name of the question.
    """

    model: str
    data: GroundTruth
    attributions: Mapping[str, Attribution]
    benchmark: Benchmark


@dataclass
class _Answers:
    """The answers of one method, while they are collected; its map of one example took so many passes."""

    cost: float = 0.0
    measurements: dict[str, Measurement] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def compute(
    questions: Sequence[Question],
    *,
    framework: str,
    methods: Sequence[str] | None = None,
    seed: int = 0,
    full: bool = False,
    progress: Progress = lambda done, total, what: None,
) -> dict[str, ModelResults]:
    """Ask every method every question.

    Parameters
    ----------
    questions : sequence of Question
        What is asked; their models decide which are loaded.
    framework : {"torch", "tensorflow"}
        The framework of the models.
    methods : sequence of str, optional
        By default the whole catalogue without what finds an input.
    seed : int
        Seed of everything random.
    full : bool
        Whether every metric gets all examples, however long it takes. Else what explains again gets a few, and none if
        its explanations of a method would take more than `MOST_PASSES`.
    progress : callable
        Told how many maps of how many are done, and which comes next.

    Returns
    -------
    dict of str to ModelResults
        By model. The passes of a method are those that its map took, without what only checks the model (see
        `explain.public_calls.passes.counting`): so the first call gives the same numbers as any other.
    """
    rows = [find_method(one) for one in methods] if methods is not None else _all_methods()
    models = list(dict.fromkeys(one.model for one in questions))
    total = len(models) * (len(rows) + 1)
    found: dict[str, ModelResults] = {}
    for place, name in enumerate(models):
        own = [one for one in questions if one.model == name]
        start = place * (len(rows) + 1)

        def told(done: int, what: str, name: str = name, start: int = start) -> None:
            progress(start + done, total, f"{name}: {what}")

        found[name] = _of_model(name, own, rows, framework, seed, full, told)
    progress(total, total, "")
    return found


def _all_methods() -> list[Method]:
    return [row for row in catalogue() if row.drawn != "input"]


def _of_model(
    name: str,
    questions: Sequence[Question],
    rows: Sequence[Method],
    framework: str,
    seed: int,
    full: bool,
    told: Callable[[int, str], None],
) -> ModelResults:
    model = zoo.load(name, framework)
    about = DATA[name]
    data = zoo.ground_truth(about.name, EXAMPLES, seed, framework, about.shortcut)
    # The maps of these are the references: the same ground, without object and shortcut.
    references = zoo.ground_truth(about.name, _REFERENCES, seed + 1, framework, about.shortcut).background
    attributions: dict[str, Attribution] = {}
    evaluations: dict[str, Evaluation] = {}
    reasons: dict[str, dict[str, str]] = {}
    passes: dict[str, dict[str, float]] = {}
    cache: ScoreCache = {}
    for place, row in enumerate([*rows, None]):
        label = RANDOM_MAP if row is None else row.name
        told(place, label)
        if row is not None and (reason := _no_map(row)):
            reasons[label] = {"": reason}
            continue
        given: dict[str, Any] = {"batch_size": _CHUNK}
        if row is not None and row.takes_references:
            given["baseline"] = references
        try:
            with counting() as taken:
                attribution = (
                    with_random_map(next(iter(attributions.values())), seed)
                    if row is None
                    else _explained(model, data, row, {**given, "seed": seed})
                )
        except ExplainError as error:
            reasons[label] = {"": str(error)}
            continue
        attributions[label] = attribution
        if cost := taken.per_example(len(attribution)):
            passes[label] = cost
        answers = _Answers(sum(cost.values()))
        for question in questions:
            _answer(question, model, data, attribution, label, given, cache, seed, full, answers)
        evaluations[label] = Evaluation(
            answers.measurements,
            method=label,
            framework=framework,
            model=name,
            score=attribution.score,
            layout=attribution.layout,
            target=attribution.target,
            seed=seed,
            versions=attribution.versions,
        )
        if answers.reasons:
            reasons[label] = answers.reasons
    return ModelResults(name, data, attributions, Benchmark(evaluations, reasons, passes, seed=seed))


def _no_map(row: Method) -> str:
    """Say why a method has no map of these inputs; empty if it may have one."""
    if row.layer == "must":
        return "It explains a layer, not the input."
    return "It reads attentions, which these networks do not have." if row.family == "attention" else ""


def _explained(model: Any, data: GroundTruth, row: Method, given: Mapping[str, Any]) -> Attribution:
    arguments = {**given, "layout": data.layout, "display": data.display, "target": data.y.tolist()}
    found, _ = explained(request_of(model, data.x, row.name, arguments))
    assert isinstance(found, Attribution)
    return found


def _answer(
    question: Question,
    model: Any,
    data: GroundTruth,
    attribution: Attribution,
    label: str,
    given: Mapping[str, Any],
    cache: ScoreCache,
    seed: int,
    full: bool,
    answers: _Answers,
) -> None:
    again = question.explanations > 0
    if again and label == RANDOM_MAP:
        answers.reasons[question.title] = NO_EXPLANATION
        return
    if question.metric == "seed_stability" and not find_method(attribution.method).seeded:
        answers.reasons[question.title] = NO_DRAWS
        return
    count = EXAMPLES if full or not again else EXPLAINED_AGAIN
    if not full and question.explanations * count * answers.cost > MOST_PASSES:
        answers.reasons[question.title] = TOO_SLOW
        return
    masks = None
    if question.marked is not None:
        masks = data.object_mask if question.marked == "object" else data.shortcut_mask
        masks = masks[:count]
    (chosen,) = chosen_metrics([(question.metric, dict(question.options))])
    own: dict[str, str] = {}
    try:
        found = measured(
            model, attribution[:count], [chosen], given, masks=masks, seed=seed, cache=cache, reasons=own
        )
    except ExplainError as error:
        answers.reasons[question.title] = str(error)
        return
    if own:
        answers.reasons[question.title] = next(iter(own.values()))
    else:
        answers.measurements[question.title] = found[chosen.name]
