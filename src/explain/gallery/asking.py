"""Ask every framework the same questions, and gather the answers: the results of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from explain import zoo
from explain.algorithms.method import Method
from explain.errors import InputError, UnsupportedModelError
from explain.gallery.computation import Explainer, Options, Question, refusal
from explain.gallery.exhibits import choose, exhibit
from explain.gallery.model_results import MethodResult, ModelResults
from explain.results.attribution import Attribution
from explain.results.comparison import compare
from explain.zoo.layers import Framework

Answer = Callable[[], Attribution]
"""Waits for an answer; raises what the framework raised."""


class Asked(Protocol):
    """A framework that answers questions, in this process or in one of its own."""

    def open(self, name: str) -> Callable[[], Any]:
        """Ask to load a model; the answer raises `FrameworkNotInstalledError` if the framework is missing."""

    def ask(self, question: Question, before: Answer | None) -> Answer:
        """Ask, as far as it is there, after the answer of the framework before it."""

    def outputs(self, name: str) -> Callable[[], npt.NDArray[Any]]:
        """Ask for the logits of a model on all its samples."""


class AskedHere:
    """A framework in this process: a question is answered when the answer is wanted.

    Examples
    --------
    >>> here = AskedHere(Explainer("torch"))
    >>> here.ask(Question("cifar_net", "saliency", (3,)), None)().method
    'saliency'
    """

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = explainer

    def open(self, name: str) -> Callable[[], Any]:
        """Load a model when it is called."""
        return lambda: self._explainer.open(name)

    def ask(self, question: Question, before: Answer | None) -> Answer:
        """Give the answer when it is called."""
        return cache(
            lambda: self._explainer.explain(question if before is None else question.after(before()))
        )

    def outputs(self, name: str) -> Callable[[], npt.NDArray[Any]]:
        """Give the logits when they are called."""
        return lambda: self._explainer.outputs(name)


class ModelQuestions:
    """The questions on one model, and their answers. All can be asked before one is answered.

    Parameters
    ----------
    name : str
        The name of the model.
    frameworks : Mapping of str to Asked
        In the order in which they are shown. The second explains the class that the first predicts, at the same points.
    seed, count, options
        As for `explain.gallery.generate`.

    Examples
    --------
    >>> from explain.algorithms.catalogue import find_method
    >>> model = ModelQuestions("cifar_net", {"torch": AskedHere(Explainer("torch"))}, count=1)
    >>> saliency = find_method("saliency")
    >>> model.ask_last([saliency])
    >>> model.answer(saliency).first.values.shape
    (1, 3, 32, 32)
    """

    def __init__(
        self,
        name: str,
        frameworks: Mapping[Framework, Asked],
        *,
        seed: int = 0,
        count: int | None = None,
        options: Options | None = None,
    ) -> None:
        self.name, self.exhibit = name, exhibit(name)
        self._frameworks, self._seed, self._options = frameworks, seed, options or {}
        self.samples = zoo.samples(name, next(iter(frameworks)))
        self.chosen = choose(self.samples.y, self.exhibit.count if count is None else count)
        front = self.exhibit.front
        self.front = 0 if front is None or front not in self.chosen else self.chosen.index(front)
        self._answers: dict[str, dict[Framework, Answer]] = {}
        self._outputs: dict[Framework, Callable[[], npt.NDArray[Any]]] = {}
        self._results: dict[str, MethodResult] = {}

    def ask(self, methods: Sequence[Method]) -> None:
        """Ask what is not asked yet, in order."""
        for method in methods:
            if method.name in self._answers:
                continue
            answers: dict[Framework, Answer] = {}
            if not refusal(method, self.exhibit, self.samples):
                question = Question(
                    self.name,
                    method.name,
                    tuple(self.chosen[: self.exhibit.counts.get(method.name)]),
                    self._seed,
                    self._options.get(method.name, {}),
                )
                before: Answer | None = None
                for framework, asked in self._frameworks.items():
                    answers[framework] = asked.ask(question, before)
                    before = before or answers[framework]
            self._answers[method.name] = answers

    def ask_last(self, methods: Sequence[Method]) -> None:
        """Ask what is not asked yet, and then for the outputs on all samples, which `results` needs."""
        self.ask(methods)
        self._outputs = {framework: asked.outputs(self.name) for framework, asked in self._frameworks.items()}

    def answer(self, method: Method, progress: Callable[[str], None] = lambda what: None) -> MethodResult:
        """Wait for the answers to one method.

        Parameters
        ----------
        method : Method
            One that was asked.
        progress : callable
            Called once for each framework, with model, method and framework in one text.
        """
        if method.name not in self._results:
            self._results[method.name] = self._gathered(method, progress)
        return self._results[method.name]

    def _gathered(self, method: Method, progress: Callable[[str], None]) -> MethodResult:
        reason = refusal(method, self.exhibit, self.samples)
        found: dict[str, Attribution] = {}
        for framework, answer in self._answers[method.name].items():
            try:
                found[framework] = answer()
            # A method that needs several samples does not apply to one: that is an InputError.
            except (InputError, UnsupportedModelError) as error:
                found, reason = {}, str(error)
                break
            progress(f"{self.name}: {method.name} in {framework}")
        both = tuple(found.values())
        return MethodResult(method, found, compare(*both) if len(both) == 2 else None, reason)

    def results(self, methods: Sequence[Method]) -> ModelResults:
        """Give the results of these methods, with how closely the twins agree.

        Parameters
        ----------
        methods : sequence of Method
            Those that were asked, in the order in which they are shown.
        """
        outputs = {framework: wait() for framework, wait in self._outputs.items()}
        labels = self.samples.y
        correct = {
            framework: (int((one.argmax(axis=1) == labels).sum()), len(labels))
            for framework, one in outputs.items()
        }
        classes = tuple(self.samples.classes[labels[index]] for index in self.chosen)
        results = tuple(self.answer(method) for method in methods)
        gap = _twin_gap(list(outputs.values()))
        return ModelResults(self.name, self.exhibit, classes, results, gap, correct, self.front)


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
    """Run every method on one model in every framework, in this process.

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
    asked = {framework: AskedHere(Explainer(framework, {name: model})) for framework, model in models.items()}
    questions = ModelQuestions(name, asked, seed=seed, count=count, options=options)
    questions.ask_last(methods)
    for method in methods:
        questions.answer(method, progress)
    return questions.results(methods)


def _twin_gap(outputs: Sequence[npt.NDArray[Any]]) -> float | None:
    """Give the greatest difference between the logits of two frameworks; None if there is only one."""
    if len(outputs) < 2:
        return None
    one, other = outputs
    return float(np.abs(one.astype(np.float64) - other).max())
