"""The same weights in both frameworks give the same attributions, on real samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.algorithms.catalogue import find_method
from explain.algorithms.path.expected_gradients import draws
from explain.inputs.examples import Examples
from explain.inputs.layout import Layout
from explain.running.noise import NoisyPoints
from explain.running.paths.quadrature import nodes_and_weights

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")

MILLIONTH = 1e-6
# Both sides at the same steps, rule and draws, few where they cost time.
FIXED = {
    "integrated_gradients": {"n_steps": 50, "rule": "gauss_legendre"},
    "conductance": {"n_steps": 12},
    "smoothgrad": {"n_samples": 4},
    "smoothgrad_squared": {"n_samples": 4},
    "vargrad": {"n_samples": 4},
    "expected_gradients": {"n_samples": 8},
    "rise": {"n_masks": 64},
    "shapley_value_sampling": {"n_samples": 2},
    "lime": {"n_samples": 128},
    "kernel_shap": {"n_samples": 128},
    "blur_integrated_gradients": {"n_steps": 16},
    "guided_integrated_gradients": {"n_steps": 16},
    "xrai": {"n_steps": 8, "scales": (250,)},
}
TAKE_REFERENCES = [row.name for row in explain.methods() if row.takes_references]
REFERENCES = 4
# At which layer a method is asked that is about one.
LAYERS = {"cifar_net": "conv2", "cifar_keras": "conv2", "fashion_rnn": "rnn1"}
# Where on the straight path from zero a method looks, besides at the input itself.
NODES = {
    "integrated_gradients": nodes_and_weights("gauss_legendre", 50)[0],
    "conductance": nodes_and_weights("gauss_legendre", 13)[0],
}


def applies(name, row):
    """A model that takes one step at a time has no layers to be reached; a method for pictures is for no sequence.

    None of them has attentions.
    """
    kind = Layout(explain.zoo.samples(name, framework="torch").layout).kind
    if "attentions" in row.needs:
        return False
    return kind in row.kinds and (name in LAYERS or "layers" not in row.needs)


CASES = [
    (name, row.name)
    for name in explain.zoo.names()
    for row in explain.methods()
    if row.drawn != "input" and applies(name, row)
]


def score_of(name):
    """The character RNN's logits are affine, so that only its probabilities tell names apart."""
    return "log_probability" if name == "names_rnn" else "logit"


def maps_of(name, dtype, method, rows=None, noise_seed=None):
    """Both frameworks' maps for two targets an example, the label and the next class: two (2N, values) arrays.

    With `rows` only those of the 2N; with `noise_seed` at inputs a millionth off, the same in both frameworks.
    """
    maps = []
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples(name, framework=framework)
        layout = Layout(samples.layout)
        rows = np.arange(2 * len(samples.x)) if rows is None else rows
        labels = np.concatenate([samples.y, (samples.y + 1) % len(samples.classes)])[rows]
        example = rows % len(samples.x)
        x = layout.to_canonical(samples.x[example]).astype(np.float64)
        if noise_seed is not None:
            x = x * (1 + np.random.default_rng(noise_seed).uniform(-MILLIONTH, MILLIONTH, size=x.shape))
        a = explain.attribute(
            explain.zoo.load(name, framework, dtype),
            np.moveaxis(x, -1, layout.channel_axis),
            method,
            target=labels,
            score=score_of(name),
            # The noise would hide that the sequences are one-hot, and with it their padding.
            lengths=None if samples.lengths is None else samples.lengths[example],
            batch_size=64,
            **({"baseline": samples.x[:REFERENCES]} if method in TAKE_REFERENCES else {}),
            layer=LAYERS[name] if find_method(method).layer == "must" else None,
            # For its bounds; names of steps would be those of other examples.
            display=replace(samples.display, step_names=()),
            **FIXED.get(method, {}),
        )
        maps.append(Layout(a.layout).to_canonical(a.values).reshape(len(x), -1).astype(np.float64))
    return maps


def relative_distance(first, second):
    # Two maps of zeros, of a score that nothing raises, are alike.
    size = np.maximum(np.linalg.norm(first, axis=1), np.finfo(float).tiny)
    return np.linalg.norm(first - second, axis=1) / size


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "method"), CASES)
def test_twins_agree(name, method, dtype, record_property):
    distance = relative_distance(*maps_of(name, dtype, method))
    assert np.median(distance) <= 1e-5
    far = np.flatnonzero(distance > 1e-3)
    assert len(far) <= 0.05 * len(distance), dict(zip(far.tolist(), distance[far].tolist(), strict=True))
    # Where a map is far from its twin's, the input lies on a kink: the two frameworks' sums, which differ in
    # their last bit, take different sides of it. Each such example is named, its kink is shown, and a nudge
    # of a millionth off the kink must bring the maps together.
    record_property(f"kinks of {name} {method} {dtype}", far.tolist())
    for row in far:
        print(
            f"{name}, {method}, {dtype}: sample {row % (len(distance) // 2)} is {distance[row]:.1e} from its twin's map"
        )
    if len(far):
        count = len(explain.zoo.samples(name, framework="torch").x)
        for row in far:
            assert nearest_kink(name, dtype, method, row % count) <= 1e-5, (
                f"example {row % count} lies on no kink"
            )
        # A path of fifty points crosses so many kinks that one nudge may land on the next: five are tried.
        nudged = [relative_distance(*maps_of(name, dtype, method, far, seed)) for seed in range(5)]
        assert (np.median(nudged, axis=0) <= 1e-5).all(), nudged


def visited_points(name, dtype, method, example):
    """The points of an example at which a method takes gradients, shape (points, ...)."""
    samples = explain.zoo.samples(name, framework="torch")
    layout, x = Layout(samples.layout), samples.x[example : example + 1].astype(dtype)
    options = FIXED.get(method, {})
    if method in NODES:
        return np.stack([x[0] * alpha for alpha in NODES[method].astype(dtype)])
    if method in ("smoothgrad", "smoothgrad_squared", "vargrad"):
        noisy = NoisyPoints(Examples((x,)), layout, 0.15, options["n_samples"], seed=0)
        return noisy.inputs(slice(0, 1), slice(0, options["n_samples"]))[0]
    if method == "expected_gradients":
        chosen, alphas = draws(options["n_samples"], REFERENCES, seed=0)
        starts = samples.x[chosen].astype(dtype)
        return starts + alphas.astype(dtype).reshape(-1, *[1] * (x.ndim - 1)) * (x - starts)
    return x


def nearest_kink(name, dtype, method, example):
    """How near an example comes to a tie in a pool or a ReLU at zero, relative to its layer's maximum."""
    model = explain.zoo.load(name, "torch", dtype)
    nearest = []

    def look(module, arguments, output):
        (values,) = arguments
        largest = values.abs().max()
        if isinstance(module, nn.ReLU):
            nearest.append(values.abs().min() / largest)
        else:
            size = module.kernel_size if isinstance(module.kernel_size, int) else module.kernel_size[0]
            windows = values.unfold(2, size, size).unfold(3, size, size).flatten(-2)
            first, second = windows.topk(2, dim=-1).values.unbind(-1)
            # A window of zeros passes no gradient that matters: the ReLU before it is shut.
            nearest.append(torch.where(first > 0, first - second, torch.inf).min() / largest)

    handles = [
        module.register_forward_hook(look)
        for module in model.modules()
        if isinstance(module, (nn.ReLU, nn.MaxPool2d))
    ]
    with torch.no_grad():
        for point in visited_points(name, dtype, method, example):
            model(torch.tensor(point[np.newaxis]))
    for handle in handles:
        handle.remove()
    return min(float(one) for one in nearest)


@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
@pytest.mark.parametrize("name", explain.zoo.names())
def test_twins_take_the_same_steps(name):
    """By default the maps decide how many steps they need: neither the order of axes nor the last bits may."""
    maps, steps = [], []
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples(name, framework=framework)
        a = explain.attribute(
            explain.zoo.load(name, framework, "float64"),
            samples.x[:8].astype(np.float64),
            "integrated_gradients",
            target=samples.y[:8],
            score=score_of(name),
            lengths=None if samples.lengths is None else samples.lengths[:8],
        )
        maps.append(Layout(a.layout).to_canonical(a.values).reshape(8, -1).astype(np.float64))
        steps.append(a.steps.tolist())
    assert steps[0] == steps[1]
    assert relative_distance(*maps).max() <= 1e-5


@pytest.mark.parametrize("name", explain.zoo.names())
def test_twins_find_the_same_maximizing_inputs(name):
    classes = explain.zoo.samples(name, framework="torch").classes
    found = []
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples(name, framework=framework)
        m = explain.maximize(
            explain.zoo.load(name, framework),
            target=list(range(len(classes))),
            shape=samples.x.shape[1:],
            score=score_of(name),
            display=samples.display,
        )
        found.append(Layout(m.layout).to_canonical(m.values).reshape(len(classes), -1).astype(np.float64))
    correlations = [np.corrcoef(*pair)[0, 1] for pair in zip(*found, strict=True)]
    # Two hundred steps of a climb magnify differences in the last bit: these bounds are the project's.
    assert np.median(correlations) >= 0.99
    assert min(correlations) >= 0.95


def test_the_comparison_can_fail():
    """One percent of noise on one framework's map must not pass for agreement."""
    first, second = maps_of("cifar_net", "float32", "saliency")
    noisy = second * (1 + 0.01 * np.random.default_rng(0).choice([-1, 1], size=second.shape))
    assert np.median(relative_distance(first, noisy)) > 1e-3


def table():
    """Write how far the twins' maps are apart in single precision: median, greatest, how many above 1e-3."""
    names = list(explain.zoo.names())
    lines = [
        "| method | " + " | ".join(f"`{name}`" for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for row in explain.methods():
        cells = []
        for name in names:
            if (name, row.name) not in CASES:
                cells.append("–")
                continue
            distance = relative_distance(*maps_of(name, "float32", row.name))
            far = int((distance > 1e-3).sum())
            above = f", {far} of {len(distance)} above 1e-3" if far else ""
            cells.append(f"{np.median(distance):.1e}, {distance.max():.1e}{above}")
        if row.drawn != "input":
            lines.append(f"| `{row.name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
