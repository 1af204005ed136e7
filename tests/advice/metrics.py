"""Metrics of explanations: which attribution, of which model, by which metric, with which masks; and their pictures."""

# fmt: off
from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from advice.advice import Advice
from models.evaluated import NETWORK, OF_NETWORK, PICTURES, X, linear, network, of_linear
from models.texts import classifier
from torch import nn

import explain
from explain.errors import EvaluationError, OptionError
from explain.metrics.presentation.curves_figure import plot_curves
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation

ONCE = ("torch",)

TABLE = of_linear()
MASKS = np.zeros((3, 5, 6), bool)
MASKS[:, 1:3, 2:5] = True
IDS = np.array([[2, 3, 4, 5], [7, 9, 6, 3]])
DELETION = ("deletion", {"n_steps": 2})


def small(seed: int = 0) -> nn.Module:
    """A network of tables."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).eval()


SMALL = small()
OF_SMALL = explain.attribute(SMALL, X, "saliency", target=0)


class Two(nn.Module):
    """A model of two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = SMALL

    def forward(self, left: Any, right: Any) -> Any:
        return self.inner(left) + self.inner(right) ** 2


class Left(nn.Module):
    """A function of its first alone."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Two()

    def forward(self, left: Any) -> Any:
        return self.inner(left, torch.tensor(X[:1]))


class Frozen(nn.Module):
    """It has a layer, and computes with constants instead."""

    def __init__(self, frozen: bool = True) -> None:
        super().__init__()
        self.inner = small()
        self.constants = [value.detach().clone() for value in self.inner.parameters()] if frozen else None

    def forward(self, x: Any) -> Any:
        if self.constants is None:
            return self.inner(x)
        one, two, three, four = self.constants
        return torch.tanh(x @ one.T + two) @ three.T + four


class Careful(nn.Module):
    """It refuses weights that are not its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = small()
        self.first = float(self.inner[0].weight.sum(0)[0].detach())

    def forward(self, x: Any) -> Any:
        if abs(float(self.inner[0].weight.sum(0)[0].detach()) - self.first) > 1e-4:
            raise ValueError("these weights are not mine")
        return self.inner(x)


def equal() -> nn.Module:
    """A layer whose weights are all the same."""
    model = nn.Linear(4, 2)
    nn.init.constant_(model.weight, 0.5)
    nn.init.zeros_(model.bias)
    return model


def squares(outputs: Any) -> Any:
    return (outputs**2).sum(1)


def logarithm(x: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.log(np.abs(x))[:, :2]


def picky(x: Any) -> Any:
    if (x == 0).any():
        raise ValueError("zeros are missing values")
    return x


OF_NETWORK_KEPT = replace(OF_NETWORK, fingerprint=explain.fingerprint(NETWORK))


def evaluated(model: Any = NETWORK, one: Any = OF_NETWORK, metrics: Any = DELETION, masks: Any = None,
              **arguments: Any) -> Callable[[Any], Any]:
    """Evaluate, and give the means; all have a value."""
    def call(kit: Any) -> Any:
        found = explain.evaluate(model, one, metrics, masks=masks, **arguments)
        assert all(each.count == len(found) for each in found.measurements.values())
        return {name: float(mean) for name, mean in found.means.items()}
    return call


def located(masks: Any, metric: Any = "pointing_game", one: Any = OF_NETWORK) -> Callable[[Any], Any]:
    return evaluated(None, one, metric, masks)


def of_table(metrics: Any, **arguments: Any) -> Callable[[Any], Any]:
    return evaluated(linear, TABLE, metrics, **arguments)


def benchmarked(methods: Any, x: Any = PICTURES, model: Any = NETWORK, **arguments: Any) -> Callable[[Any], Any]:
    return lambda kit: len(explain.benchmark(model, x, methods, [DELETION], **arguments))


def of(model: Any, x: Any, method: str = "saliency", metrics: Any = DELETION, given: Any = None,
       **arguments: Any) -> Callable[[Any], Any]:
    """Explain, and evaluate with some of the arguments."""
    def call(kit: Any) -> Any:
        built = model(kit) if callable(model) and not isinstance(model, nn.Module) else model
        one = explain.attribute(built, x, method, **arguments)
        return evaluated(built, one, metrics, **(given or {}))(kit)
    return call


def plain(kit: Any) -> Any:
    return classifier(kit, takes_mask=False)


def tokens(metrics: Any) -> Callable[[Any], Any]:
    return of(plain, IDS, metrics=metrics)


def checked(x: Any = X, method: str = "saliency", model: Any = SMALL, **arguments: Any) -> Callable[[Any], Any]:
    return lambda kit: explain.attribute(model, x, method, **arguments)


BENCHMARK = explain.benchmark(NETWORK, PICTURES, ["saliency", "input_x_gradient"], [DELETION, "sparseness"])
EVALUATION = explain.evaluate(NETWORK, OF_NETWORK, [DELETION, "sparseness"])
EMPTY = Benchmark({"saliency": Evaluation({})})


def page(folder: bool) -> Callable[[Any], Any]:
    def call(kit: Any) -> Any:
        with tempfile.TemporaryDirectory() as name:
            EVALUATION.to_html(name if folder else Path(name) / "evaluation.html")
            return len(list(Path(name).iterdir())) or None
    return call


REFERENCES = np.random.default_rng(7).normal(size=(4, 4)).astype(np.float32)
FEATURES = np.array([0, 0, 1, 2])
ABLATED = {"method": "feature_ablation", "target": 0, "feature_mask": FEATURES}
CHANNELS = np.arange(2 * 5 * 6).reshape(2, 5, 6)
SSIM = [("random_logit", {"similarity": "ssim"})]



ADVICE = [
    # Which metrics.
    Advice(" is not in the catalogue.", EvaluationError, of_table("deletoin"), of_table("deletion"), ONCE),
    Advice(" is not an option of the metric ", OptionError, of_table({"deletion": {"steps": 3}}),
           of_table({"deletion": {"n_steps": 3}}), ONCE),
    Advice(" names no metric: give a name such as 'deletion', several in a list, ", EvaluationError, of_table([]),
           of_table(["deletion"]), ONCE),
    Advice("); further metrics are entries of their own.", EvaluationError, of_table([("deletion", "insertion")]),
           of_table([("deletion", {"n_steps": 32}), "insertion"]), ONCE),
    Advice(" twice: leave one out, or give them other options.", EvaluationError, of_table(["deletion", "deletion"]),
           of_table(["deletion", ("deletion", {"n_steps": 3})]), ONCE),
    Advice(" is no argument of explain.evaluate, nor one ", EvaluationError, of_table("deletion", n_steps=16),
           of_table([("deletion", {"n_steps": 16})]), ONCE),
    Advice("): leave it out.", EvaluationError, of_table(["road", "deletion"]), of_table(["deletion"]), ONCE),
    Advice(" moves the input a little, and token ids cannot ", EvaluationError, tokens("max_sensitivity"),
           tokens(["deletion"]), ONCE),
    # Which attribution.
    Advice(", not an Attribution: give what explain.attribute returned", EvaluationError,
           lambda kit: explain.evaluate(SMALL, OF_SMALL.values), evaluated(SMALL, OF_SMALL), ONCE),
    Advice(", whose values are an input and not an explanation: ", EvaluationError,
           lambda kit: explain.evaluate(SMALL, explain.maximize(SMALL, 0, shape=(4,), bounds=(-1, 1), n_steps=2)),
           evaluated(SMALL, OF_SMALL), ONCE),
    Advice("attribution has no examples: give at least one.", EvaluationError, evaluated(SMALL, OF_SMALL[[]]),
           evaluated(SMALL, OF_SMALL[[0]]), ONCE),
    Advice("), the others of which it does not record. ", EvaluationError,
           lambda kit: explain.evaluate(Two(), explain.attribute(Two(), (X, X), "saliency", target=0)[0]),
           lambda kit: [
               evaluated(None, explain.attribute(Two(), (X, X), "saliency", target=0)[0], "sparseness")(kit),
               of(Left(), X, target=0)(kit),
           ], ONCE),
    Advice(", whose places are not those of the model's input. ", EvaluationError,
           of(NETWORK, PICTURES, "activation", layer="0"),
           lambda kit: [of(NETWORK, PICTURES, "activation", "sparseness", layer="0")(kit), of(NETWORK, PICTURES)(kit)],
           ONCE),
    Advice(", not of a score of the model. ", EvaluationError, of(NETWORK, PICTURES, layer="0", neuron=(1, 2, 2)),
           lambda kit: [of(NETWORK, PICTURES, "saliency", "sparseness", layer="0", neuron=(1, 2, 2))(kit),
                        of(NETWORK, PICTURES, target=0)(kit)], ONCE),
    # Which model, called how.
    Advice(": it is the explanation of another model, or of other weights, ", EvaluationError,
           evaluated(network(seed=1), OF_NETWORK), evaluated(NETWORK, OF_NETWORK), ONCE),
    Advice(": its weights are others. Give the model that was ", EvaluationError,
           evaluated(network(seed=1), OF_NETWORK_KEPT), evaluated(NETWORK, OF_NETWORK_KEPT), ONCE),
    Advice(" of the call that gave it, without which it ", EvaluationError,
           of(SMALL, X, "expected_gradients", "max_sensitivity", baseline=REFERENCES),
           of(SMALL, X, "expected_gradients", "max_sensitivity", {"baseline": REFERENCES}, baseline=REFERENCES), ONCE),
    Advice(" with an array as feature_mask, which it does not record: ", EvaluationError,
           of(SMALL, X, metrics="infidelity", **ABLATED),
           of(SMALL, X, metrics="infidelity", given={"feature_mask": FEATURES}, **ABLATED), ONCE),
    Advice("The model's score is NaN or infinite at an input that the metric makes", EvaluationError,
           of(lambda kit: logarithm, X, "feature_ablation", ("deletion", {"reference": 0.0}), framework="numpy",
              score="output", target=0, baseline="mean"),
           of(lambda kit: logarithm, X, "feature_ablation", ("deletion", {"reference": "mean"}), framework="numpy",
              score="output", target=0, baseline="mean"), ONCE),
    Advice(" at an input that the metric makes from x, but not at x itself: ", EvaluationError,
           of(lambda kit: picky, X, "feature_ablation", ("deletion", {"reference": 0.0}), framework="numpy",
              score="output", target=0, baseline="mean"),
           of(lambda kit: picky, X, "feature_ablation", ("deletion", {"reference": "mean"}), framework="numpy",
              score="output", target=0, baseline="mean"), ONCE),
    Advice(" cannot take the place of what is removed: ", EvaluationError,
           of_table(("deletion", {"reference": "black"})), of_table(("deletion", {"reference": "mean"})), ONCE),
    Advice(" compared the input with a set of them, which ", EvaluationError,
           of(SMALL, X, "expected_gradients", "completeness", baseline=REFERENCES),
           of(SMALL, X, "expected_gradients", ("completeness", {"reference": "mean"}), baseline=REFERENCES), ONCE),
    Advice(", which does not record its tokens: give ", EvaluationError,
           of(plain, IDS, "ig", "completeness", baseline=IDS[::-1].copy()),
           of(plain, IDS, "ig", "completeness", {"baseline": IDS[::-1].copy()}, baseline=IDS[::-1].copy()), ONCE),
    # Masks.
    Advice(" asks whether the map finds the object: give masks=", EvaluationError, located(None), located(MASKS), ONCE),
    Advice(" is not an array: give numpy.ndarray of bool, shape ", EvaluationError, located([[True], [True, False]]),
           located(MASKS), ONCE),
    Advice(": give True or False for each place, without an axis of channels; ", EvaluationError,
           located(MASKS[:, np.newaxis]), lambda kit: [located(MASKS)(kit), located(MASKS[0])(kit)], ONCE),
    Advice(" and values other than 0 and 1: give masks > 0.5, ", EvaluationError, located(MASKS * 0.7),
           located(MASKS * 0.7 > 0.5), ONCE),
    Advice("masks has whole numbers other than 0 and 1, ", EvaluationError, located(MASKS * 3), located(MASKS * 3 == 3),
           ONCE),
    Advice(": nothing can be located there. Give the mask ", EvaluationError,
           located(MASKS & (np.arange(3) != 1)[:, np.newaxis, np.newaxis]),
           lambda kit: [located(MASKS)(kit), located(MASKS[[0, 2]], one=OF_NETWORK[[0, 2]])(kit)], ONCE),
    # Options of metrics.
    Advice(" of pointing_game is a distance, and the columns ", EvaluationError,
           located([True, True, False, False], ("pointing_game", {"tolerance": 2}), TABLE),
           located([True, True, False, False], ("pointing_game", {"tolerance": 0}), TABLE), ONCE),
    Advice(": give fewer, or a share of the places such as 0.02.", EvaluationError,
           located([True, True, False, False], ("top_k_intersection", {"k": 4}), TABLE),
           lambda kit: [located([True, True, False, False], ("top_k_intersection", {"k": k}), TABLE)(kit)
                        for k in (3, 0.02)], ONCE),
    Advice("perturbation='gaussian' adds noise to the input, but the input is tokens", EvaluationError,
           tokens(("infidelity", {"perturbation": "gaussian"})), tokens(("infidelity", {"perturbation": "removal"})),
           ONCE),
    Advice(" divides the channels of a place, which is removed as a whole: ", EvaluationError,
           evaluated(metrics=("irof", {"feature_mask": CHANNELS})),
           lambda kit: [evaluated(metrics=("irof", {"feature_mask": mask}))(kit) for mask in ("grid", CHANNELS % 30)],
           ONCE),
    Advice("replacement='line' takes points between a place and the reference, ", EvaluationError,
           tokens(("monotonicity_correlation", {"replacement": "line"})),
           tokens(("monotonicity_correlation", {"replacement": "places"})), ONCE),
    Advice("similarity='ssim' compares windows of ", EvaluationError, evaluated(metrics=SSIM),
           lambda kit: [evaluated(metrics=("random_logit", {"similarity": one}))(kit)
                        for one in ("spearman", "pearson")],
           ONCE),
    Advice("metrics='random_logit' explains another class, but the target is ", EvaluationError,
           of(SMALL, X, metrics="random_logit", target=squares, given={"target": squares}),
           of(SMALL, X, metrics="random_logit", target=0), ONCE),
    Advice(", not (classes,) with two classes or more: ", EvaluationError,
           of(nn.Sequential(SMALL, nn.Linear(2, 1)), X, metrics=["random_logit", "deletion"], target=0),
           of(nn.Sequential(SMALL, nn.Linear(2, 1)), X, metrics=["deletion"], target=0), ONCE),
    Advice("The metric randomises the weights of the model, and those of ", EvaluationError,
           of_table("model_parameter_randomization"),
           lambda kit: [evaluated(SMALL, OF_SMALL, "model_parameter_randomization")(kit), of_table(["deletion"])(kit)],
           ONCE),
    Advice("The metric permutes the weights of the model, and no tensor of the ", EvaluationError,
           of(equal(), X, "input_x_gradient", ["model_parameter_randomization", "deletion"], target=0),
           of(equal(), X, "input_x_gradient", ["deletion"], target=0), ONCE),
    Advice(" were randomised, and neither a score nor a value of the map changed: ", EvaluationError,
           of(Frozen(), X, metrics=["model_parameter_randomization", "deletion"], target=0),
           lambda kit: [of(Frozen(), X, target=0)(kit),
                        of(Frozen(frozen=False), X, metrics="model_parameter_randomization", target=0)(kit)], ONCE),
    Advice(" randomised the model cannot be explained: ", EvaluationError,
           of(Careful(), X, metrics=["model_parameter_randomization", "deletion"], target=0),
           of(Careful(), X, metrics=["deletion"], target=0), ONCE),
    Advice("): give a number, or one for each value.", OptionError,
           evaluated(SMALL, OF_SMALL, ("max_sensitivity", {"radius": np.ones(7)})),
           lambda kit: [evaluated(SMALL, OF_SMALL, ("max_sensitivity", {"radius": one}))(kit)
                        for one in (0.1, np.full(4, 0.1))], ONCE),
    Advice(" draws nothing: its map does not depend on a seed. ", EvaluationError,
           evaluated(SMALL, OF_SMALL, "seed_stability"),
           of(SMALL, X, "smoothgrad", "seed_stability", target=0, n_samples=3), ONCE),
    # Checks with an explanation.
    Advice(" is neither True nor False: give one of the two.", OptionError, checked(checks="yes"),
           lambda kit: [checked(checks=True)(kit), checked(checks=False)(kit)], ONCE),
    Advice("checks=True checks an explanation, and ", OptionError,
           checked(method="activation_maximization", checks=True, target=0, bounds=(-1, 1), n_steps=2),
           checked(method="activation_maximization", target=0, bounds=(-1, 1), n_steps=2), ONCE),
    Advice("checks=True checks the explanation of one input, and x has several: ", OptionError,
           checked((X, X), model=Two(), target=0, checks=True),
           lambda kit: [checked(X, model=Left(), target=0, checks=True)(kit),
                        *checked((X, X), model=Two(), target=0)(kit)], ONCE),
    Advice("checks=True checks an explanation of the input, and layer= ", OptionError,
           checked(layer="0", target=0, checks=True),
           lambda kit: [checked(layer="0", target=0)(kit), checked(target=0, checks=True)(kit)], ONCE),
    # Benchmarks.
    Advice(" names no method: give a name such as 'ig', several in a list, ", EvaluationError, benchmarked([]),
           benchmarked(["saliency"]), ONCE),
    Advice(", which finds an input and explains none: leave it out.", EvaluationError,
           benchmarked(["saliency", "activation_maximization"]), benchmarked(["saliency"]), ONCE),
    Advice(" as a dict, such as (", EvaluationError, benchmarked([("smoothgrad", 3)]),
           benchmarked([("smoothgrad", {"seed": 1})]), ONCE),
    Advice(" twice: leave one out, or give them other options.", EvaluationError, benchmarked(["saliency", "saliency"]),
           benchmarked([("smoothgrad", {"n_samples": 2}), ("smoothgrad", {"n_samples": 3})]), ONCE),
    Advice("x has several inputs, each with an explanation of its own: ", EvaluationError,
           benchmarked(["saliency"], (X, X), Two(), target=0), benchmarked(["saliency"], X, Left(), target=0), ONCE),
    Advice(" methods could be measured. The first, ", EvaluationError,
           benchmarked(["grad_cam", "layer_cam"], X, SMALL, target=0),
           benchmarked(["saliency", "ig"], X, SMALL, target=0), ONCE),
    Advice(" Give it in methods= of explain.benchmark.", EvaluationError, lambda kit: BENCHMARK["ig"],
           lambda kit: explain.benchmark(NETWORK, PICTURES, ["ig"], [DELETION])["integrated_gradients"].method, ONCE),
    Advice(" was not measured; this evaluation has ", EvaluationError, lambda kit: EVALUATION["insertion"],
           lambda kit: explain.evaluate(NETWORK, OF_NETWORK, metrics=["insertion"])["insertion"].mean, ONCE),
    # Figures and pages.
    Advice(", or leave it out for all.", EvaluationError, lambda kit: BENCHMARK.plot(metrics="deletion"),
           lambda kit: [BENCHMARK.plot(metrics=["deletion"]), BENCHMARK.plot()], ONCE),
    Advice("The benchmark has no metric, so there is nothing to draw: ", EvaluationError, lambda kit: EMPTY.plot(),
           lambda kit: BENCHMARK.plot(), ONCE),
    Advice(" Give it in metrics= of explain.benchmark.", EvaluationError,
           lambda kit: BENCHMARK.plot(metrics=["insertion"]),
           lambda kit: explain.benchmark(NETWORK, PICTURES, ["saliency"], ["insertion"]).plot(metrics=["insertion"]),
           ONCE),
    Advice(" is not made of a curve: ", EvaluationError, lambda kit: plot_curves(BENCHMARK, "sparseness"),
           lambda kit: plot_curves(BENCHMARK, "deletion"), ONCE),
    Advice("The evaluation has no metric, so there is nothing to draw: ", EvaluationError,
           lambda kit: EMPTY["saliency"].plot(), lambda kit: EVALUATION.plot(), ONCE),
    Advice(", or leave it out to mark none.", EvaluationError, lambda kit: EVALUATION.plot(example=3),
           lambda kit: [EVALUATION.plot(example=2), EVALUATION.plot()], ONCE),
    Advice(" is a folder: give the name of the page in it, ", EvaluationError, page(folder=True),
           page(folder=False), ONCE),
]
