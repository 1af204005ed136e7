"""Attributions whose values are known on paper, in both frameworks through the public call."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import scipy.special
from models.recurrent import character_rnn

import explain
from explain.algorithms.completeness import convergence_delta
from explain.errors import BaselineWarning, ConvergenceWarning, OptionError, ZeroGradientWarning
from explain.running.paths.quadrature import RULES, nodes_and_weights

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

X = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]], np.float32)
B = np.array([[0.5, 1.0, -0.5]], np.float32)

# Everything is compared in the float32 of the result, whose unit in the last place is 6e-8 relative.
CLOSE = {"rtol": 1e-6, "atol": 1e-6}


# --- models on paper ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_linear_model(kit, rule):
    weights, bias = np.array([[2.0], [-1.0], [0.5]]), np.array([7.0])
    model = kit.dense([(weights, bias)])
    saliency = explain.attribute(model, X, "saliency")
    np.testing.assert_allclose(saliency.values, np.tile(weights.T, (2, 1)), **CLOSE)
    found = explain.attribute(model, X, "ig", baseline=B, rule=rule, n_steps=3)
    np.testing.assert_allclose(found.values, weights.T * (X - B), **CLOSE)
    np.testing.assert_allclose(found.scores, X @ weights[:, 0] + 7, rtol=1e-6)
    np.testing.assert_allclose(found.delta, 0, atol=1e-5)  # Sums of float32 scores near 10.


def test_each_class_of_a_linear_model_has_its_own_row(kit):
    weights = np.arange(6.0).reshape(3, 2) - 2
    model = kit.dense([(weights, np.zeros(2))])
    found = explain.attribute(model, X, "saliency", target=[1, 0])
    np.testing.assert_array_equal(found.values, weights.T[[1, 0]].astype(np.float32))


@pytest.mark.parametrize(
    ("rule", "n_steps"), [("midpoint", 1), ("midpoint", 8), ("gauss_legendre", 1), ("trapezoid", 2)]
)
def test_quadratic_is_exact_with_rules_that_integrate_lines(kit, rule, n_steps):
    model = kit.function(lambda x: kit.sum(x * x, 1))
    found = explain.attribute(model, X, "ig", baseline=B, rule=rule, n_steps=n_steps)
    np.testing.assert_allclose(found.values, X**2 - B**2, **CLOSE)
    np.testing.assert_allclose(explain.attribute(model, X, "saliency").values, 2 * X, **CLOSE)


def test_relu_of_a_sum(kit):
    # ReLU(x1 + x2 − 1) from 0 to (1.5, 0.5): the kink is half-way, on the border of two cells of the midpoint
    # rule, so that each input gets exactly half of its own length.
    model = kit.function(lambda x: kit.relu(kit.sum(x, 1) - 1))
    x = np.array([[1.5, 0.5]], np.float32)
    found = explain.attribute(model, x, "ig", rule="midpoint", n_steps=4)
    np.testing.assert_allclose(found.values, [[0.75, 0.25]], **CLOSE)
    np.testing.assert_allclose(explain.attribute(model, x, "saliency").values, [[1, 1]], **CLOSE)


def test_saturated_model_of_the_paper(kit):
    # 1 − ReLU(1 − x) at x = 2 (arXiv:1703.01365, section 2.1): the gradient is zero, the attribution is one.
    model = kit.function(lambda x: kit.sum(1 - kit.relu(1 - x), 1))
    x = np.array([[2.0]], np.float32)
    found = explain.attribute(model, x, "ig", rule="midpoint", n_steps=10)
    np.testing.assert_allclose(found.values, [[1.0]], **CLOSE)
    with pytest.warns(ZeroGradientWarning, match=r"example \[0\]"):
        assert explain.attribute(model, x, "saliency").values.item() == 0


def test_product(kit):
    model = kit.function(lambda x: x[:, 0] * x[:, 1])
    x, b = np.array([[3.0, -2.0]], np.float32), np.array([[1.0, 4.0]], np.float32)
    found = explain.attribute(model, x, "ig", baseline=b)
    expected = (x - b) * (x[:, ::-1] + b[:, ::-1]) / 2
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    np.testing.assert_allclose(explain.attribute(model, x, "ig").values, [[-3.0, -3.0]], **CLOSE)


def _tanh_net():
    generator = np.random.default_rng(3)
    layers = [
        (generator.normal(size=(3, 5)), generator.normal(size=5)),
        (generator.normal(size=(5, 4)), generator.normal(size=4)),
    ]

    def forward(x):
        hidden = np.tanh(x @ layers[0][0] + layers[0][1])
        return hidden @ layers[1][0] + layers[1][1]

    def gradient(x, target):
        slope = 1 - np.tanh(x @ layers[0][0] + layers[0][1]) ** 2
        return (slope * layers[1][0][:, target]) @ layers[0][0].T

    return layers, forward, gradient


def test_saliency_agrees_with_finite_differences(kit):
    layers, forward, _ = _tanh_net()
    model = kit.dense(layers, between="tanh", dtype="float64")
    x = X.astype(np.float64)
    step = 1e-5
    differences = np.stack(
        [
            (forward(x + step * unit)[:, 2] - forward(x - step * unit)[:, 2]) / (2 * step)
            for unit in np.eye(3)
        ],
        axis=1,
    )
    found = explain.attribute(model, x, "saliency", target=2)
    np.testing.assert_allclose(found.values, differences, **CLOSE)


def test_integrated_gradients_agree_with_adaptive_quadrature(kit):
    layers, forward, gradient = _tanh_net()
    model = kit.dense(layers, between="tanh", dtype="float64")
    x, b = X.astype(np.float64), np.broadcast_to(B.astype(np.float64), X.shape)
    expected = np.empty_like(x)
    for row, feature in np.ndindex(x.shape):
        expected[row, feature] = (x - b)[row, feature] * scipy.integrate.quad(
            lambda alpha, row=row, feature=feature: gradient(b[row] + alpha * (x - b)[row], 1)[feature], 0, 1
        )[0]
    found = explain.attribute(model, x, "ig", baseline=B, target=1, n_steps=50)
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    change = (forward(x) - forward(b))[:, 1]
    np.testing.assert_allclose(found.values.sum(axis=1), change, **CLOSE)
    assert found.relative_delta.max() < 1e-9


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_completeness_on_a_picture(kit, dtype):
    model = kit.cnn(channels=2, side=(8, 6), dtype=dtype)
    x = np.random.default_rng(1).normal(size=(3, *kit.picture_shape(2, 8, 6))).astype(dtype)
    found = explain.attribute(model, x, "ig", baseline="mean", n_steps=200)
    at_input = explain.attribute(model, x, "saliency", target=list(found.target)).scores
    at_baseline = explain.attribute(
        model, found.baseline.astype(dtype), "saliency", target=list(found.target)
    ).scores
    total = found.values.reshape(3, -1).sum(axis=1)
    # The kinks of a ReLU net limit two hundred nodes to about three digits.
    np.testing.assert_allclose(
        total, at_input - at_baseline, atol=5e-3 * np.abs(at_input - at_baseline).max()
    )
    np.testing.assert_allclose(found.delta, total - (at_input - at_baseline), atol=1e-5)


# --- the affine character RNN ------------------------------------------------------------------------------

FEATURES, HIDDEN, CLASSES = 5, 4, 3


def _rnn_weights():
    generator = np.random.default_rng(5)
    joined = FEATURES + HIDDEN
    return {
        "hidden": (generator.normal(size=(joined, HIDDEN)) / 2, generator.normal(size=HIDDEN)),
        "output": (generator.normal(size=(joined, CLASSES)) / 2, generator.normal(size=CLASSES)),
    }


def _one_hot(names, steps):
    x = np.zeros((len(names), steps, FEATURES), np.float32)
    for row, name in enumerate(names):
        x[row, np.arange(len(name)), list(name)] = 1
    return x


def _slopes(length, target):
    """The constant gradient of the logit at the last step to each step's input, worked out by hand."""
    weights = _rnn_weights()
    from_input, from_hidden = np.split(weights["hidden"][0], [FEATURES])
    out_input, out_hidden = np.split(weights["output"][0], [FEATURES])
    rows = [out_input[:, target]]
    carried = out_hidden[:, target]
    for _ in range(length - 1):
        rows.insert(0, from_input @ carried)
        carried = from_hidden @ carried
    return np.stack(rows)


NAMES = [(0, 3, 1, 4), (2, 2, 0, 1), (4, 1), (3,)]


def test_character_rnn_saliency_depends_on_the_length_alone(kit):
    model, x = character_rnn(kit, _rnn_weights()), _one_hot(NAMES, 6)
    found = explain.attribute(model, x, "saliency", target=2)
    np.testing.assert_array_equal(found.values[0], found.values[1])
    for row, name in enumerate(NAMES):
        np.testing.assert_allclose(found.values[row, : len(name)], _slopes(len(name), 2), **CLOSE)
        assert (found.values[row, len(name) :] == 0).all()
    np.testing.assert_array_equal(found.mask.sum(axis=1), [len(name) for name in NAMES])
    assert found.score == "logit"


@pytest.mark.parametrize("batch_size", [None, 3])
def test_character_rnn_needs_one_step_of_integration(kit, batch_size):
    model, x = character_rnn(kit, _rnn_weights()), _one_hot(NAMES, 5)
    target = [0, 1, 2, 1]
    gradient = explain.attribute(model, x, "saliency", target=target)
    one = explain.attribute(model, x, "ig", target=target, n_steps=1, batch_size=batch_size)
    many = explain.attribute(model, x, "ig", target=target, n_steps=7, batch_size=batch_size)
    expected = x * np.stack(
        [
            np.pad(_slopes(len(name), c), ((0, 5 - len(name)), (0, 0)))
            for name, c in zip(NAMES, target, strict=True)
        ]
    )
    np.testing.assert_allclose(one.values, expected, **CLOSE)
    np.testing.assert_allclose(one.values, x * gradient.values, **CLOSE)
    np.testing.assert_allclose(many.values, expected, **CLOSE)
    np.testing.assert_allclose(one.delta, 0, atol=2e-6)  # Float32 scores of size one.
    assert (one.values[~one.mask] == 0).all()


def test_padding_is_zero_and_has_no_say(kit):
    # With lengths given, whatever stands in the padding changes nothing and gets exactly zero.
    model = character_rnn(kit, _rnn_weights())
    x = np.random.default_rng(0).normal(size=(2, 6, FEATURES)).astype(np.float32)
    other = x.copy()
    other[0, 3:] = 9.0
    first = explain.attribute(model, x, "ig", target=1, lengths=[3, 6])
    second = explain.attribute(model, other, "ig", target=1, lengths=[3, 6])
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.scores, second.scores)
    assert (first.values[0, 3:] == 0).all()
    np.testing.assert_allclose(first.values[0, :3], x[0, :3] * _slopes(3, 1), **CLOSE)


def test_log_probability_tells_names_of_a_length_apart(kit):
    # Unlike the logit, whose gradient is the same for both: the check that the score is really switched.
    model, x = character_rnn(kit, _rnn_weights()), _one_hot(NAMES[:2], 4)
    found = explain.attribute(model, x, "saliency", target=2, score="log_probability")
    logits = explain.attribute(model, x, "saliency", target=[0, 0]).scores
    assert np.abs(found.values[0] - found.values[1]).max() > 1e-2
    assert np.isfinite(logits).all()
    # d log p_2 = d z_2 − sum_c p_c d z_c, with the probabilities of the model itself.
    every = np.stack(
        [explain.attribute(model, x, "saliency", target=c).scores for c in range(CLASSES)], axis=1
    )
    p = scipy.special.softmax(every.astype(np.float64), axis=1)
    slopes = np.stack([_slopes(4, c) for c in range(CLASSES)])
    np.testing.assert_allclose(
        found.values, slopes[2] - np.einsum("nc,ctf->ntf", p, slopes), rtol=1e-5, atol=2e-6
    )


# --- rules of quadrature -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_steps", [1, 2, 5, 50, 128])
def test_gauss_legendre_is_scipys(n_steps):
    nodes, weights = nodes_and_weights("gauss_legendre", n_steps)
    expected_nodes, expected_weights = scipy.special.roots_sh_legendre(n_steps)
    np.testing.assert_allclose(nodes, expected_nodes, rtol=0, atol=1e-14)
    np.testing.assert_allclose(weights, expected_weights, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 6])
def test_gauss_legendre_integrates_polynomials_up_to_its_degree_exactly(n_steps):
    nodes, weights = nodes_and_weights("gauss_legendre", n_steps)
    errors = np.array([weights @ nodes**k - 1 / (k + 1) for k in range(2 * n_steps + 1)])
    assert np.abs(errors[:-1]).max() < 1e-14
    assert abs(errors[-1]) > 1e-8  # One degree more is no longer exact: the rule is not better than it says.


@pytest.mark.parametrize("n_steps", [2, 5, 40])
def test_trapezoid_is_scipys(n_steps):
    nodes, weights = nodes_and_weights("trapezoid", n_steps)
    grid = np.linspace(0, 1, n_steps)
    np.testing.assert_array_equal(nodes, grid)
    np.testing.assert_allclose(
        weights @ np.exp(nodes), scipy.integrate.trapezoid(np.exp(grid), grid), rtol=1e-14
    )


@pytest.mark.parametrize("n_steps", [1, 4, 50])
@pytest.mark.parametrize(("rule", "at"), [("riemann_left", 0.0), ("midpoint", 0.5), ("riemann_right", 1.0)])
def test_riemann_sums_on_paper(rule, at, n_steps):
    # The sum of a line over n cells, each taken at the share `at` of its width, is 1/2 + (at − 1/2)/n.
    nodes, weights = nodes_and_weights(rule, n_steps)
    assert weights @ nodes == pytest.approx(0.5 + (at - 0.5) / n_steps, abs=1e-14)
    np.testing.assert_allclose(weights, 1 / n_steps, rtol=1e-15)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_sum_to_one_in_the_precision_asked_for(rule, dtype):
    nodes, weights = nodes_and_weights(rule, 50, dtype)
    assert nodes.dtype == weights.dtype == dtype
    assert weights.sum(dtype=np.float64) == pytest.approx(1, abs=50 * float(np.finfo(dtype).eps))
    assert nodes.min() >= 0
    assert nodes.max() <= 1


def exact_weights(nodes):
    """The weights on given nodes that integrate every power below their number exactly over [0, 1]."""
    powers = np.arange(len(nodes))
    return np.linalg.solve(nodes[np.newaxis] ** powers[:, np.newaxis], 1 / (powers + 1))


@pytest.mark.parametrize("rule", RULES)
def test_rules_reach_the_values(kit, rule):
    # x⁴ from zero: the value is x times the rule's own sum of 4(αx)³, written out here.
    model = kit.function(lambda x: kit.sum(x**4, 1))
    x = np.array([[2.0]], np.float32)
    n_steps = 6
    cells = np.arange(n_steps)
    # Six places of the golden section from 0.34, and half the way to both neighbours of each, pressed to the baseline.
    places = np.array([0.34, 0.958034, 0.576068, 0.194102, 0.812136, 0.43017])
    widths = np.array([0.118034, 0.114915, 0.190983, 0.267051, 0.190983, 0.118034])
    slopes = 0.3 + 1.4 * places
    nodes, weights = {
        "golden": (0.3 * places + 0.7 * places**2, widths * slopes / (widths * slopes).sum()),
        "gauss_legendre": scipy.special.roots_sh_legendre(n_steps),
        "midpoint": ((cells + 0.5) / n_steps, np.full(n_steps, 1 / n_steps)),
        # Fejér's weights make the rule exact for polynomials of as many terms as there are nodes.
        "fejer": (fejer := (1 - np.cos(np.pi * (cells + 1) / (n_steps + 1))) / 2, exact_weights(fejer)),
        "riemann_left": (cells / n_steps, np.full(n_steps, 1 / n_steps)),
        "riemann_right": ((cells + 1) / n_steps, np.full(n_steps, 1 / n_steps)),
        "trapezoid": (cells / (n_steps - 1), np.array([0.5, 1, 1, 1, 1, 0.5]) / (n_steps - 1)),
    }[rule]
    expected = 2 * np.sum(weights * 4 * (nodes * 2) ** 3)
    if abs(expected - 16) / 16 > 0.05:
        with pytest.warns(ConvergenceWarning):
            found = explain.attribute(model, x, "ig", rule=rule, n_steps=n_steps)
    else:
        found = explain.attribute(model, x, "ig", rule=rule, n_steps=n_steps)
    np.testing.assert_allclose(found.values, [[expected]], rtol=1e-6)
    np.testing.assert_allclose(found.delta, [expected - 16], rtol=1e-5, atol=1e-5)


def test_rules_refuse_too_few_steps():
    with pytest.raises(OptionError, match="at least 2"):
        nodes_and_weights("trapezoid", 1)
    with pytest.raises(OptionError, match="midpoint"):
        nodes_and_weights("simpson", 4)


# --- convergence -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_steps", "warns"), [(19, True), (21, False)])
def test_five_per_cent_is_where_the_warning_begins(kit, n_steps, warns):
    # The left Riemann sum of x² from zero misses by exactly −x²/n, which is 1/n of the difference.
    model = kit.function(lambda x: kit.sum(x * x, 1))
    x = np.array([[3.0], [1.0]], np.float32)
    if warns:
        with pytest.warns(ConvergenceWarning, match="n_steps"):
            found = explain.attribute(model, x, "ig", rule="riemann_left", n_steps=n_steps)
        assert "converged" in found.notes[0]
    else:
        found = explain.attribute(model, x, "ig", rule="riemann_left", n_steps=n_steps)
        assert found.notes == ()
    np.testing.assert_allclose(found.delta, -(x[:, 0] ** 2) / n_steps, rtol=1e-5)
    np.testing.assert_allclose(found.relative_delta, 1 / n_steps, rtol=1e-5)


def test_only_the_examples_that_miss_are_named(kit):
    # Linear in the first input, quadratic in the second: the first example does not move the second input.
    model = kit.function(lambda x: x[:, 0] + x[:, 1] ** 2)
    x = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    with pytest.warns(ConvergenceWarning, match=r"example \[1\]"):
        explain.attribute(model, x, "ig", rule="riemann_left", n_steps=5)


def test_relative_delta_is_measured_by_the_larger_yardstick():
    values = (np.array([[2.0, 1.0], [0.5, 0.0], [0.0, 0.0], [0.25, 0.0]]),)
    at_input = np.array([5.0, 1000.0, 4.0, 0.0])
    at_baseline = np.array([1.0, 999.9, 4.0, 0.0])
    delta, relative = convergence_delta(values, at_input, at_baseline)
    np.testing.assert_allclose(delta, [-1.0, 0.4, 0.0, 0.25], rtol=1e-9)
    # |F(x) − F(b)| = 4; 1e-3 · 1000 = 1, since 0.1 is less; nothing is missing; both scores are zero.
    np.testing.assert_allclose(relative[:3], [0.25, 0.4, 0.0], rtol=1e-9)
    assert relative[3] == np.inf


def test_baseline_that_equals_the_input_warns(kit):
    model = kit.function(lambda x: kit.sum(x * x, 1))
    x = X.copy()
    baseline = x.copy()
    baseline[1] += 1
    with pytest.warns(BaselineWarning, match=r"example \[0\]"):
        found = explain.attribute(model, x, "ig", baseline=baseline)
    assert (found.values[0] == 0).all()
    assert found.relative_delta[0] == 0
    assert np.abs(found.values[1]).max() > 0
