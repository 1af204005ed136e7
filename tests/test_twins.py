"""The same weights in both frameworks give the same attributions, on real samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.layout import Layout
from explain.quadrature import nodes_and_weights

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")

ATTRIBUTION_METHODS = [row.name for row in explain.methods() if row.drawn != "input"]
MILLIONTH = 1e-6
# Both sides by the same steps, and no more points than tell two maps apart.
FIXED = {
    "integrated_gradients": {"n_steps": 50, "rule": "gauss_legendre"},
    "rise": {"n_masks": 64},
    "shapley_value_sampling": {"n_samples": 2},
}


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
            **FIXED.get(method, {}),
        )
        maps.append(layout.to_canonical(a.values).reshape(len(x), -1).astype(np.float64))
    return maps


def relative_distance(first, second):
    return np.linalg.norm(first - second, axis=1) / np.linalg.norm(first, axis=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ATTRIBUTION_METHODS)
@pytest.mark.parametrize("name", explain.zoo.names())
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


def nearest_kink(name, dtype, method, example):
    """How near an example comes to a tie in a pool or a ReLU at zero, relative to its layer's maximum."""
    model = explain.zoo.load(name, "torch", dtype)
    x = torch.tensor(explain.zoo.samples(name, framework="torch").x[example : example + 1])
    alphas = [1.0] if method == "saliency" else nodes_and_weights("gauss_legendre", 50)[0]
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
        for alpha in alphas:
            model((x * alpha).to(next(model.parameters()).dtype))
    for handle in handles:
        handle.remove()
    return min(float(one) for one in nearest)


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
