"""Evaluations and benchmarks made by hand, of any size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Measurement

METHODS = (
    "saliency",
    "integrated_gradients",
    "input_x_gradient",
    "smoothgrad",
    "guided_backprop",
    "deconvolution",
    "grad_cam",
    "grad_cam_plus_plus",
    "layer_cam",
    "score_cam",
    "deep_lift",
    "deep_lift_shap",
    "expected_gradients",
    "kernel_shap",
    "lime",
    "occlusion",
    "rise",
    "shapley_value_sampling",
    "feature_ablation",
    "feature_permutation",
    "lrp",
    "blur_integrated_gradients",
    "guided_integrated_gradients",
    "guided_grad_cam",
    "xrai",
    "smoothgrad_squared",
    "vargrad",
    "conductance",
    "activation",
    "attention_rollout",
)

# Name, direction, least and greatest mean over the methods, spread of the examples, points of a curve.
METRICS = (
    ("deletion", "lower", 0.1, 0.6, 0.12, 17),
    ("insertion", "higher", 0.3, 0.9, 0.12, 17),
    ("sparseness", "higher", 0.4, 0.8, 0.05, 0),
    ("max_sensitivity", "lower", 0.05, 2.5, 0.3, 0),
    ("infidelity", "lower", 2e-4, 9e-3, 1e-3, 0),
    ("faithfulness_correlation", "higher", -0.2, 0.7, 0.25, 0),
    ("pointing_game", "higher", 0.3, 0.95, 0.0, 0),
    ("model_randomization", "lower", -0.1, 0.8, 0.1, 5),
    ("completeness_error", "nearer to zero", -0.4, 0.4, 0.1, 0),
    ("complexity", "lower", 1200.0, 9000.0, 500.0, 0),
    ("effective_features", "", 12.0, 340.0, 30.0, 0),
    ("monotonicity(steps=16)", "higher", 0.2, 0.9, 0.1, 0),
)
LAYERS = ("conv1", "conv2", "block3.conv_depthwise", "fc1", "fc2")


def measurement(metric: str, count: int, seed: int = 0, place: float = 0.5) -> Measurement:
    """Make what a metric measured on examples, at a place between its least and its greatest mean."""
    name, better, low, high, spread, points = next(one for one in METRICS if one[0] == metric)
    generator = np.random.default_rng([seed, len(name), count])
    mean = low + place * (high - low)
    if name == "pointing_game":
        values = (generator.random(count) < mean).astype(np.float64)
    else:
        values = mean + spread * generator.normal(size=count)
    if low >= 0:
        values = np.abs(values)
    if not points:
        return Measurement(name, values, better, options={"n_samples": 10}, seeded=True)
    along = np.linspace(0, 1, points)
    falls = better == "lower"
    curve = values[:, np.newaxis] + (0.35 if falls else -0.35) * (
        1 - 2 * along ** (0.4 + np.abs(values[:, np.newaxis]))
    )
    curve = curve + 0.02 * generator.normal(size=curve.shape)
    if name == "model_randomization":
        return Measurement(name, curve.mean(axis=1), better, curve, labels=LAYERS)
    return Measurement(
        name,
        np.trapezoid(curve, along, axis=1),
        better,
        curve,
        along,
        options={"steps": points - 1, "fill": "mean"},
    )


def without(one: Measurement, examples: list[int], reason: str = "The map is constant.") -> Measurement:
    """Leave examples out."""
    values = np.array(one.values)
    values[examples] = np.nan
    curve = None if one.curve is None else np.array(one.curve)
    if curve is not None:
        curve[examples] = np.nan
    return replace(one, values=values, curve=curve, left_out=dict.fromkeys(examples, reason))


def evaluation(
    metrics: int = 3, examples: int = 8, method: str = "integrated_gradients", place=None
) -> Evaluation:
    """Make an evaluation; of several metrics the third has an example left out."""
    row = METHODS.index(method)
    generator = np.random.default_rng(row)
    places = generator.random(len(METRICS)) if place is None else [place] * len(METRICS)
    found = {
        name: measurement(name, examples, row, float(where))
        for (name, *_), where in zip(METRICS[:metrics], places, strict=False)
    }
    if metrics > 2 and examples > 2:
        found["sparseness"] = without(found["sparseness"], [2])
    return Evaluation(
        found,
        method=method,
        framework="torch",
        model="Net",
        score="logit",
        layout="NCHW",
        target=tuple(index % 10 for index in range(examples)),
        seed=3,
        versions={"explain": "0.9.0", "torch": "2.7.0", "numpy": "2.2.0"},
        notes=("The baseline equals the input.",),
    )


def benchmark(methods: int = 4, metrics: int = 3, examples: int = 8) -> Benchmark:
    """Make a benchmark; of several methods the last has no value, and the second but last lacks the first metric."""
    names = METHODS[:methods]
    evaluations = {name: evaluation(metrics, examples, name) for name in names}
    reasons: dict[str, dict[str, str]] = {}
    if methods > 3:
        evaluations[names[-1]] = Evaluation({}, method=names[-1])
        reasons[names[-1]] = {"": "It needs attention heads, and Net has none. Choose another method."}
        first = METRICS[0][0]
        kept = {name: one for name, one in evaluations[names[-2]].measurements.items() if name != first}
        evaluations[names[-2]] = replace(evaluations[names[-2]], measurements=kept)
        reasons[names[-2]] = {first: "Its maps are of 8 × 8 values, and the input has 32 × 32."}
    return Benchmark(
        evaluations,
        reasons,
        {name: {"forward": 1.0 + 3 * row, "backward": float(row % 3)} for row, name in enumerate(names)},
        seed=3,
    )
