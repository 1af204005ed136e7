"""Explain a seed model in one framework: the questions that the gallery asks, as plain data, and their answers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from explain import zoo
from explain.algorithms.catalogue import find_method
from explain.algorithms.method import Method
from explain.api import attribute, maximize
from explain.backends.discovery import extension_for
from explain.backends.question import Question as BackendQuestion
from explain.errors import ExplainWarning
from explain.gallery.exhibits import Exhibit, exhibit
from explain.inputs.display import Display
from explain.inputs.examples import Examples
from explain.inputs.layout import Layout
from explain.inputs.masking import resolve_mask
from explain.results.attribution import Attribution
from explain.results.integration_text import CHOICE_OPTIONS
from explain.zoo import Samples
from explain.zoo.layers import Framework

_NO_LAYER = (
    "It explains a layer of a model, and this model takes one step at a time: no layer of it has an output for the "
    "whole sequence."
)
_NO_INPUT = "It searches for an input along the gradient, and this model takes token ids, which have none."

Options = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Question:
    """One method on one model, as plain data, so that another process can be asked.

    Parameters
    ----------
    model, method : str
        Their names.
    chosen : tuple of int
        The samples to explain.
    seed : int
        Seed of everything random.
    options : Mapping
        Options of the method, other than those of the exhibit.
    target : tuple, optional
        The class of each sample to explain. By default the class that the model predicts.
    integral : Mapping
        How an integral is to be repeated, see `repeated`; empty if the framework chooses.
    """

    model: str
    method: str
    chosen: tuple[int, ...]
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    target: tuple[Any, ...] | None = None
    integral: Mapping[str, Any] = field(default_factory=dict)

    def after(self, before: Attribution) -> Question:
        """Give the same question to another framework: the same classes, at the same points.

        Parameters
        ----------
        before : Attribution
            The answer of the first framework.
        """
        return replace(self, target=before.target, integral=repeated({}, before))


class Explainer:
    """Answers questions in this process, in one framework. It keeps the models that it loaded, and their samples.

    Parameters
    ----------
    framework : {"torch", "tensorflow"}
        The framework.
    models : Mapping of str to model, optional
        Models that are loaded already, by name.

    Examples
    --------
    >>> explainer = Explainer("torch")
    >>> explainer.explain(Question("cifar_net", "saliency", (3, 6))).values.shape
    (2, 3, 32, 32)
    """

    def __init__(self, framework: Framework, models: Mapping[str, Any] | None = None) -> None:
        self.framework = framework
        self._models = dict(models or {})
        self._samples: dict[str, Samples] = {}

    def open(self, name: str) -> Any:
        """Give a model, loaded at the first call.

        Raises
        ------
        explain.errors.FrameworkNotInstalledError
            If the framework cannot be imported.
        """
        if name not in self._models:
            self._models[name] = zoo.load(name, self.framework)
        return self._models[name]

    def explain(self, question: Question) -> Attribution:
        """Answer a question.

        Raises
        ------
        explain.errors.InputError, explain.errors.UnsupportedModelError
            If the method does not apply to the model.
        """
        shown, method = exhibit(question.model), find_method(question.method)
        model, samples = self.open(question.model), self._samples_of(question.model)
        given = {**shown.options.get(method.name, {}), **question.options}
        common = {"batch_size": shown.batch_size, "seed": question.seed, **given}
        if method.layer == "must":
            common["layer"] = shown.layer_in(self.framework)
        if question.integral:
            common = {name: value for name, value in common.items() if name not in CHOICE_OPTIONS}
            common |= question.integral
        with warnings.catch_warnings():
            # Every warning is also a note of its result, which the page shows.
            warnings.simplefilter("ignore", ExplainWarning)
            if method.drawn == "input":
                return _find(model, samples, shown, {"score": shown.found_score, **common})
            target = None if question.target is None else list(question.target)
            common = {"score": shown.score, **_references(method, samples), **common}
            return _explain(model, _take(samples, question.chosen), method, target, common)

    def outputs(self, name: str) -> npt.NDArray[Any]:
        """Give the logits of a model for all its samples, shape (N, classes)."""
        return logits(self.open(name), self._samples_of(name))

    def _samples_of(self, name: str) -> Samples:
        if name not in self._samples:
            self._samples[name] = zoo.samples(name, self.framework)
        return self._samples[name]


def refusal(method: Method, shown: Exhibit, samples: Samples) -> str:
    """Say why a method does not apply to a model, as far as that is known before it runs; empty if it may apply.

    Examples
    --------
    >>> samples = zoo.samples("names_rnn", "torch")
    >>> refusal(find_method("conductance"), exhibit("names_rnn"), samples)[:40]
    'It explains a layer of a model, and this'
    """
    if method.layer == "must" and shown.layer is None:
        return _NO_LAYER
    if method.drawn == "input" and samples.x.dtype.kind == "i":
        return _NO_INPUT
    return ""


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
    backend = extension.open(model, BackendQuestion(layout), samples.x)
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
