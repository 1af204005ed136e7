"""Run every method on a model, in every framework, with one setting."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from explain import zoo
from explain.algorithms.method import Method
from explain.api import attribute, maximize
from explain.backends.discovery import extension_for
from explain.backends.question import Question
from explain.errors import ExplainWarning, InputError, UnsupportedModelError
from explain.gallery.exhibits import Exhibit, choose, exhibit
from explain.gallery.model_results import MethodResult, ModelResults
from explain.inputs.display import Display
from explain.inputs.examples import Examples
from explain.inputs.layout import Layout
from explain.inputs.masking import resolve_mask
from explain.results.attribution import Attribution
from explain.results.comparison import compare
from explain.results.integration_text import CHOICE_OPTIONS
from explain.zoo import Samples
from explain.zoo.layers import Framework

_NO_LAYER = (
    "It explains a layer of a model, and this model takes one step at a time: no layer of it has an output for the "
    "whole sequence."
)
_NO_INPUT = "It searches for an input along the gradient, and this model takes token ids, which have none."

Options = Mapping[str, Mapping[str, Any]]


def explain_model(
    name: str,
    models: Mapping[Framework, Any],
    methods: Sequence[Method],
    *,
    seed: int = 0,
    count: int | None = None,
    options: Options | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> ModelResults:
    """Run every method on one model in every framework.

    Parameters
    ----------
    name : str
        The name of the seed model.
    models : Mapping of str to model
        The model in each framework, in the order in which they are shown.
    methods : sequence of Method
        Rows of the catalogue.
    seed : int
        Seed of everything random.
    count : int, optional
        How many samples. By default the number of the exhibit.
    options : Mapping of str to Mapping, optional
        By method: options other than the default.
    progress : callable
        Called once for each method and framework, with both names in one text.

    Returns
    -------
    ModelResults
        The results to show.
    """
    shown = exhibit(name)
    samples = {framework: zoo.samples(name, framework) for framework in models}
    first = next(iter(samples.values()))
    chosen = choose(first.y, shown.count if count is None else count)
    found = []
    for method in methods:
        if method.layer == "must" and shown.layer is None:
            found.append(MethodResult(method, {}, None, _NO_LAYER))
            continue
        if method.drawn == "input" and first.x.dtype.kind == "i":
            found.append(MethodResult(method, {}, None, _NO_INPUT))
            continue
        results: dict[str, Attribution] = {}
        reason = ""
        for framework, model in models.items():
            given = {**shown.options.get(method.name, {}), **(options or {}).get(method.name, {})}
            common = {"batch_size": shown.batch_size, "seed": seed, **given}
            if method.layer == "must":
                common["layer"] = shown.layer_in(framework)
            target = None
            if results:
                before = next(iter(results.values()))
                # All frameworks explain the class that the first one predicts, at the same points.
                target = list(before.target)
                common = repeated(common, before)
            try:
                with warnings.catch_warnings():
                    # Every warning is also a note of its result, which the page shows.
                    warnings.simplefilter("ignore", ExplainWarning)
                    if method.drawn == "input":
                        results[framework] = _find(
                            model,
                            samples[framework],
                            shown,
                            {"score": shown.found_score, **common},
                        )
                    else:
                        results[framework] = _explain(
                            model,
                            _take(samples[framework], chosen[: shown.counts.get(method.name)]),
                            method,
                            target,
                            {"score": shown.score, **_references(method, samples[framework]), **common},
                        )
            # A method that needs several samples does not apply to one: that is an InputError.
            except (InputError, UnsupportedModelError) as error:
                results, reason = {}, str(error)
                break
            progress(f"{name}: {method.name} in {framework}")
        both = tuple(results.values())
        found.append(MethodResult(method, results, compare(*both) if len(both) == 2 else None, reason))
    classes = tuple(first.classes[first.y[index]] for index in chosen)
    outputs = {framework: logits(models[framework], samples[framework]) for framework in models}
    correct = {
        framework: (int((one.argmax(axis=1) == first.y).sum()), len(first))
        for framework, one in outputs.items()
    }
    return ModelResults(name, shown, classes, tuple(found), _twin_gap(list(outputs.values())), correct)


def repeated(arguments: Mapping[str, Any], before: Attribution) -> dict[str, Any]:
    """Give the arguments with which another model repeats an integral: the same steps, rule (or nodes) and chunk size.

    Parameters
    ----------
    arguments : Mapping
        The arguments of the first result.
    before : Attribution
        The first result. If its method does not integrate, the arguments are returned unchanged.

    Examples
    --------
    >>> ones = np.ones((2, 2), np.float32)
    >>> made = {"steps": np.array([15, 45]), "rule": "midpoint", "batch_size": 64}
    >>> first = Attribution(ones, ones, "NC", "ig", np.ones(2), **made)
    >>> repeated({"tolerance": 0.01, "seed": 3}, first)
    {'seed': 3, 'batch_size': 64, 'n_steps': [15, 45], 'rule': 'midpoint'}
    """
    if before.steps is None:
        return dict(arguments)
    kept = {name: value for name, value in arguments.items() if name not in CHOICE_OPTIONS}
    if before.nodes is not None:
        return {**kept, "batch_size": before.batch_size, "nodes": before.nodes}
    steps = [int(one) for one in before.steps]
    return {
        **kept,
        "batch_size": before.batch_size,
        # A single number where all are equal: every engine takes it.
        "n_steps": steps[0] if len(set(steps)) == 1 else steps,
        "rule": before.rule,
    }


def logits(model: Any, samples: Samples) -> npt.NDArray[Any]:
    """Give the logits of a model for samples, shape (N, classes).

    Examples
    --------
    >>> samples = zoo.samples("cifar_net", "torch")
    >>> logits(zoo.load("cifar_net", "torch"), samples).shape
    (20, 10)
    """
    extension = extension_for(model)
    layout = Layout(samples.layout)
    backend = extension.open(model, Question(layout), samples.x)
    # Token ids stay whole numbers.
    x = samples.x if samples.x.dtype.kind == "i" else samples.x.astype(backend.dtype)
    with backend.session():
        outputs, _ = backend.outputs(
            backend.hold(Examples((x,), mask=resolve_mask(samples.lengths, x, layout)))
        )
    return np.asarray(outputs)


def _explain(
    model: Any, samples: Samples, method: Method, target: list[Any] | None, common: Mapping[str, Any]
) -> Attribution:
    found: Attribution = attribute(
        model,
        samples.x,
        method=method.name,
        target=target,
        lengths=samples.lengths,
        display=samples.display,
        **common,
    )
    return found


def _references(method: Method, samples: Samples) -> dict[str, Any]:
    """Give all samples of a seed model as references, for a method that takes references."""
    return {"baseline": samples.x} if method.takes_references else {}


def _find(model: Any, samples: Samples, shown: Exhibit, common: Mapping[str, Any]) -> Attribution:
    """Maximize the score of each class, or of each class that the exhibit shows."""
    shape = samples.x.shape[1:]
    if shown.found_steps is not None:
        shape = (shown.found_steps, *shape[1:])
    return maximize(
        model,
        list(shown.found_for or range(len(samples.classes))),
        shape=shape,
        layout=shown.found_layout,
        display=replace(samples.display, step_names=()),
        **common,
    )


def _take(samples: Samples, chosen: Sequence[int]) -> Samples:
    """Select some of the samples, with the names of their steps."""
    names = samples.display.step_names
    display: Display = replace(samples.display, step_names=tuple(names[i] for i in chosen) if names else ())
    return replace(
        samples,
        x=samples.x[list(chosen)],
        y=samples.y[list(chosen)],
        display=display,
        lengths=None if samples.lengths is None else samples.lengths[list(chosen)],
    )


def _twin_gap(outputs: Sequence[npt.NDArray[Any]]) -> float | None:
    """Give the greatest difference between the logits of two frameworks; None if there is only one."""
    if len(outputs) < 2:
        return None
    one, other = outputs
    return float(np.abs(one.astype(np.float64) - other).max())
