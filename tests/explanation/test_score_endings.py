"""Outputs that are made of the values of softmaxes and sigmoids: moved, joined, or computed with."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.special

import explain
from explain.errors import ProbabilityScoreWarning, ScoreError

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

_generator = np.random.default_rng(21)
A, B = _generator.normal(size=(4, 3)), _generator.normal(size=(4, 3))
X = _generator.normal(size=(3, 4))
CLOSE = {"rtol": 2e-6, "atol": 1e-7}


def _operations(kit):
    """The operations of these models under one name in both frameworks."""
    if kit.name == "torch":
        torch = kit.torch
        return SimpleNamespace(
            softmax=lambda z: torch.nn.functional.softmax(z, -1),
            log_softmax=lambda z: torch.nn.functional.log_softmax(z, dim=-1),
            sigmoid=torch.sigmoid,
            log_sigmoid=torch.nn.functional.logsigmoid,
            log=torch.log,
            exp=torch.exp,
            tanh=torch.tanh,
            join=lambda parts, axis: torch.cat(parts, axis),
            stack=lambda parts, axis: torch.stack(parts, axis),
            swap=lambda z: z.transpose(1, 2),
            reshape=lambda z, *shape: z.reshape(-1, *shape),
            limit=lambda z, least, most: z.clamp(least, most),
        )
    tf = kit.tf
    return SimpleNamespace(
        softmax=tf.nn.softmax,
        log_softmax=tf.nn.log_softmax,
        sigmoid=tf.math.sigmoid,
        log_sigmoid=tf.math.log_sigmoid,
        log=tf.math.log,
        exp=tf.math.exp,
        tanh=tf.math.tanh,
        join=tf.concat,
        stack=tf.stack,
        swap=lambda z: tf.transpose(z, [0, 2, 1]),
        reshape=lambda z, *shape: tf.reshape(z, [-1, *shape]),
        limit=tf.clip_by_value,
    )


# From the logits a and b (N, 3) to an output, and the target at which it holds the logit a₁, and its activation.
MOVED = {
    "softmax": (lambda o, a, b: o.softmax(a), 1, "softmax"),
    "log_softmax": (lambda o, a, b: o.log_softmax(a), 1, "softmax"),
    "sigmoid": (lambda o, a, b: o.sigmoid(a), 1, "sigmoid"),
    "log_sigmoid": (lambda o, a, b: o.log_sigmoid(a), 1, "sigmoid"),
    "joined sigmoids": (lambda o, a, b: o.join([o.sigmoid(b), o.sigmoid(a)], 1), 4, "sigmoid"),
    "joined softmaxes": (lambda o, a, b: o.join([o.softmax(b), o.softmax(a)], 1), 4, "softmax"),
    "stacked softmaxes": (lambda o, a, b: o.stack([o.softmax(b), o.softmax(a)], 1), (1, 1), "softmax"),
    "transposed": (lambda o, a, b: o.swap(o.stack([o.softmax(b), o.softmax(a)], 1)), (1, 1), "softmax"),
    "reshaped": (lambda o, a, b: o.reshape(o.softmax(a), 1, 3), (0, 1), "softmax"),
    "sliced": (lambda o, a, b: o.softmax(a)[:, 1:], 0, "softmax"),
    "column": (lambda o, a, b: o.softmax(a)[:, 1], None, "softmax"),
    "a softmax and a sigmoid": (lambda o, a, b: o.join([o.softmax(b), o.sigmoid(a)], 1), 4, "sigmoid"),
}


def _model(kit, call):
    operations = _operations(kit)
    return kit.function(lambda x: call(operations, kit.matmul(x, A), kit.matmul(x, B)), dtype="float64")


def _expected(score, activation):
    """By hand: the gradient of the score of a₁, and the score."""
    a = X @ A
    if score == "logit":
        return np.tile(A[:, 1], (3, 1)), a[:, 1]
    if activation == "sigmoid":
        p, d_log = scipy.special.expit(a[:, 1]), (1 - scipy.special.expit(a[:, 1:2])) * A[:, 1]
    else:
        every = scipy.special.softmax(a, axis=1)
        p, d_log = every[:, 1], A[:, 1] - every @ A.T
    return (p[:, None] * d_log, p) if score == "probability" else (d_log, np.log(p))


@pytest.mark.parametrize("score", ["logit", "probability", "log_probability"])
@pytest.mark.parametrize("end", MOVED)
def test_values_that_are_moved_keep_their_logits(kit, end, score):
    call, target, activation = MOVED[end]
    model = _model(kit, call)
    gradient, value = _expected(score, activation)
    # In PyTorch, the second call uses what the first one found.
    for _ in range(2 if kit.name == "torch" else 1):
        found = explain.attribute(model, X, "saliency", target=target, score=score)
        assert found.score == score
        np.testing.assert_allclose(found.values, gradient, **CLOSE)
        np.testing.assert_allclose(found.scores, value, **CLOSE)


@pytest.mark.parametrize("end", ["log_softmax", "joined sigmoids", "transposed", "a softmax and a sigmoid"])
def test_rules_and_perturbations_explain_the_same_logit(kit, end):
    call, target, _ = MOVED[end]
    model = _model(kit, call)
    # The logit is linear without a bias: all of these are x · w.
    for method in ("deep_lift", "lrp", "feature_ablation", "ig"):
        found = explain.attribute(model, X, method, target=target)
        assert found.score == "logit"
        np.testing.assert_allclose(found.values, X * A[:, 1], rtol=1e-5, atol=1e-6)


MIXED = {
    "average": (lambda o, a, b: (o.softmax(a) + o.softmax(b)) / 2, "probability"),
    "limit": (lambda o, a, b: o.limit(o.sigmoid(a), 1e-3, 0.999), "probability"),
    "product": (lambda o, a, b: o.sigmoid(a) * o.sigmoid(b), "probability"),
    "complement": (lambda o, a, b: 1 - o.sigmoid(a), "probability"),
    "exponent": (lambda o, a, b: o.exp(o.log_softmax(a)), "probability"),
    "logarithm": (lambda o, a, b: o.log(o.sigmoid(a)), "log_probability"),
}


def _by_hand(end):
    """The value of the output at class 1 and, by central differences, its gradient."""
    soft, sig = (lambda z: scipy.special.softmax(z, axis=1)), scipy.special.expit

    def value(x):
        a, b = x @ A, x @ B
        return {
            "average": (soft(a) + soft(b)) / 2,
            "limit": np.clip(sig(a), 1e-3, 0.999),
            "product": sig(a) * sig(b),
            "complement": 1 - sig(a),
            "exponent": soft(a),
            "logarithm": np.log(sig(a)),
        }[end][:, 1]

    steps = 1e-5 * np.eye(4)
    gradient = np.stack([(value(X + step) - value(X - step)) / 2e-5 for step in steps], axis=1)
    return value(X), gradient


@pytest.mark.parametrize("end", MIXED)
def test_values_that_are_computed_with_are_owned_up_to(kit, end):
    call, held = MIXED[end]
    model = _model(kit, call)
    value, gradient = _by_hand(end)
    with pytest.warns(ProbabilityScoreWarning, match=f"score='{held}'"):
        found = explain.attribute(model, X, "saliency", target=1)
    assert found.score == held
    # What the warning says: asked for, it is no surprise, and no second softmax is put on top.
    asked = explain.attribute(model, X, "saliency", target=1, score=held)
    for one in (found, asked):
        np.testing.assert_allclose(one.scores, value, **CLOSE)
        np.testing.assert_allclose(one.values, gradient, rtol=1e-5, atol=1e-7)
    other = "log_probability" if held == "probability" else "probability"
    with pytest.raises(ScoreError, match=f"score='{held}'"):
        explain.attribute(model, X, "saliency", target=1, score=other)


def test_activations_inside_are_no_end(kit):
    # A gate, and weights of an average: the output depends on the input in other ways too.
    for call in (
        lambda o, a, b: o.sigmoid(a) * o.tanh(b),
        lambda o, a, b: o.softmax(a) * b,
        lambda o, a, b: o.join([o.sigmoid(a), b], 1),
        lambda o, a, b: 7 * o.softmax(a) - 3,
    ):
        assert explain.attribute(_model(kit, call), X, "saliency", target=1).score == "logit"


def test_gates_before_the_end_may_be_any_number(kit):
    # The number of calls before the end changes with the length of the sequence.
    operations = _operations(kit)

    def call(x):
        state = x[:, 0]
        for step in range(x.shape[1]):
            state = operations.sigmoid(x[:, step]) * operations.tanh(state)
        return operations.softmax(kit.matmul(state, A))

    model = kit.function(call)
    for steps in (3, 5, 2):
        x = _generator.normal(size=(2, steps, 4)).astype(np.float32)
        found = explain.attribute(model, x, "saliency", target=1)
        assert found.score == "logit"
        state = x[:, 0]
        for step in range(steps):
            state = scipy.special.expit(x[:, step]) * np.tanh(state)
        np.testing.assert_allclose(found.scores, state @ A[:, 1], rtol=1e-5, atol=1e-6)


def test_a_model_that_takes_no_logits_is_explained_as_it_is(torch_kit):
    # Its own check refuses logits: the probability is explained, with a word.
    def call(o, a, b):
        p = o.softmax(a)
        assert 0 <= p.min() <= p.max() <= 1
        return o.join([p, p], 1)

    with pytest.warns(ProbabilityScoreWarning, match="taken off"):
        found = explain.attribute(_model(torch_kit, call), X, "saliency", target=1)
    gradient, value = _expected("probability", "softmax")
    np.testing.assert_allclose(found.values, gradient, **CLOSE)
    np.testing.assert_allclose(found.scores, value, **CLOSE)


def test_values_chosen_by_their_size_are_explained_as_they_are(torch_kit):
    # Which columns are returned depends on the probabilities: without them it would be others.
    def call(o, a, b):
        p = o.sigmoid(a)
        return p[:, (p > 0.05).any(0)]

    logits = np.array([[-1.0, 0.5, 2.0]])
    x = logits @ np.linalg.pinv(A)
    with pytest.warns(ProbabilityScoreWarning, match="taken off"):
        found = explain.attribute(_model(torch_kit, call), x, "saliency", target=0)
    p = scipy.special.expit(logits[:, 0])
    np.testing.assert_allclose(found.scores, p, **CLOSE)
    np.testing.assert_allclose(found.values, (p * (1 - p))[:, None] * A[:, 0], **CLOSE)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_layers_at_each_step_of_a_series(kit, activation):
    series = _generator.normal(size=(2, 5, 4)).astype(np.float32)
    if kit.name == "torch":
        nn = kit.torch.nn
        last = nn.Softmax(-1) if activation == "softmax" else nn.Sigmoid()
        head = nn.Sequential(nn.Linear(4, 3, bias=False), last)
        with kit.torch.no_grad():
            head[0].weight.copy_(kit.tensor(A.T))

        class Steps(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = head

            def forward(self, x):
                return kit.torch.stack([self.head(x[:, step]) for step in range(5)], 1)

        model = Steps()
    else:
        layers = kit.keras.layers
        head = layers.Dense(3, activation=activation, use_bias=False)
        model = kit.keras.Sequential([kit.keras.Input((5, 4)), layers.TimeDistributed(head)])
        model.set_weights([A])
    for score in ("logit", "probability"):
        found = explain.attribute(model, series, "saliency", target=(3, 1), score=score)
        assert found.score == score
        z = series[:, 3] @ A
        if score == "logit":
            expected, value = np.tile(A[:, 1], (2, 1)), z[:, 1]
        elif activation == "sigmoid":
            value = scipy.special.expit(z[:, 1])
            expected = (value * (1 - value))[:, None] * A[:, 1]
        else:
            every = scipy.special.softmax(z, axis=1)
            value, expected = every[:, 1], every[:, 1:2] * (A[:, 1] - every @ A.T)
        np.testing.assert_allclose(found.scores, value, rtol=1e-5)
        np.testing.assert_allclose(found.values[:, 3], expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(found.values[:, [0, 1, 2, 4]], 0)


def test_a_function_that_a_trace_cannot_enter_is_owned_up_to(tensorflow_kit):
    kit = tensorflow_kit
    end = kit.tf.function(lambda z: kit.tf.math.sigmoid(z))
    with pytest.warns(ProbabilityScoreWarning, match="sigmoid"):
        found = explain.attribute(_model(kit, lambda o, a, b: end(a)), X, "saliency", target=1)
    gradient, value = _expected("probability", "sigmoid")
    np.testing.assert_allclose(found.values, gradient, **CLOSE)
    np.testing.assert_allclose(found.scores, value, **CLOSE)


@pytest.mark.parametrize("end", ["sigmoid", "joined sigmoids", "complement"])
def test_a_model_that_cannot_be_traced_is_owned_up_to(tensorflow_kit, end):
    def call(o, a, b):
        one = 1 + 0 * a.numpy().sum()
        return {**MOVED, **MIXED}[end][0](o, a * one, b) * np.ones(1)

    target = MOVED[end][1] if end in MOVED else 1
    with pytest.warns(ProbabilityScoreWarning, match="score='probability'"):
        found = explain.attribute(_model(tensorflow_kit, call), X, "saliency", target=target)
    p = scipy.special.expit(X @ A)[:, 1]
    np.testing.assert_allclose(found.scores, 1 - p if end == "complement" else p, **CLOSE)


@pytest.mark.parametrize("last", ["softmax", "sigmoid", None])
def test_layers_of_a_model_that_cannot_be_traced(tensorflow_kit, last):
    model = tensorflow_kit.dense([(A, np.zeros(3))], last=last, dtype="float64")
    model.run_eagerly = True
    found = explain.attribute(model, X, "saliency", target=1)
    assert found.score == "logit"
    np.testing.assert_allclose(found.values, _expected("logit", "softmax")[0], **CLOSE)


def test_the_second_of_two_softmaxes_has_no_logit(kit):
    # What it reads are probabilities: taken for logits, they would be explained under the name of its output.
    if kit.name == "torch":
        model = kit.torch.nn.Sequential(
            kit.dense([(A, 0 * A[0])], last="softmax"), kit.torch.nn.Softmax(dim=-1)
        )
    else:
        model = kit.keras.Sequential([kit.dense([(A, 0 * A[0])], last="softmax"), kit.keras.layers.Softmax()])
    x = X.astype(np.float32)
    with pytest.warns(ProbabilityScoreWarning, match="could not be taken off"):
        found = explain.attribute(model, x, "saliency", target=1)
    inner = scipy.special.softmax(x @ A, axis=1)
    outer = scipy.special.softmax(inner, axis=1)
    slopes = outer[:, 1:2] * (np.eye(3)[1] - outer)
    expected = (inner * (slopes - (slopes * inner).sum(1, keepdims=True))) @ A.T
    assert found.score == "probability"
    np.testing.assert_allclose(found.scores, outer[:, 1], rtol=1e-5)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-6)


def test_gradients_outside_of_a_graph_are_never_those_of_another_score(tensorflow_kit):
    """Outputs are traced, with logits; a derivative that reads values is not, and reaches probabilities only."""
    tf = tensorflow_kit.tf

    @tf.custom_gradient
    def same(z):
        return tf.identity(z), lambda given: tf.constant(given.numpy())

    heads = tensorflow_kit.function(
        lambda x: tf.concat([tf.sigmoid(same(x) @ A), tf.sigmoid(same(x) @ B)], axis=1), dtype="float64"
    )
    for method in ("saliency", "ig", "smoothgrad", "input_x_gradient"):
        with pytest.raises(ScoreError, match=r"Give score='probability'"):
            explain.attribute(heads, X, method, target=1)
    found = explain.attribute(heads, X, "saliency", target=1, score="probability")
    p = scipy.special.expit(X @ A[:, 1])[:, None]
    np.testing.assert_allclose(found.values, p * (1 - p) * A[:, 1], **CLOSE)
    assert found.score == "probability"
    # A method without gradients runs the graph alone.
    logits = explain.attribute(heads, X, "feature_ablation", target=1, feature_mask="elements")
    np.testing.assert_allclose(logits.values, X * A[:, 1], **CLOSE)


@pytest.mark.parametrize("last", [None, "softmax", "sigmoid"])
def test_logits_that_sum_to_one_by_chance_are_logits(kit, last):
    logits, weight = np.array([0.5, 0.3, 0.2]), A[:, :3]
    x = np.array([[1.0, 0, 0, 0]])
    model = kit.dense([(weight, logits - weight[0])], last=last, dtype="float64")
    found = explain.attribute(model, x, "saliency", target=1)
    assert (found.score, found.scores[0]) == ("logit", pytest.approx(0.3))
    np.testing.assert_allclose(found.values, weight[:, 1][None], **CLOSE)


def test_a_sigmoid_of_a_softmax_is_no_logit(kit):
    made = _operations(kit)
    model = kit.function(lambda x: made.sigmoid(made.softmax(kit.matmul(x, A))), dtype="float64")
    with pytest.warns(ProbabilityScoreWarning):
        found = explain.attribute(model, X, "saliency", target=1)
    p = scipy.special.softmax(X @ A, axis=1)
    inner = p[:, [1]] * (A[:, 1] - p @ A.T)
    outer = scipy.special.expit(p[:, [1]])
    np.testing.assert_allclose(found.values, outer * (1 - outer) * inner, **CLOSE)
    assert found.score == "probability"
