"""Which scalar is explained: kinds of score, forms of target, several outputs, further arguments."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import explain
from explain.errors import ProbabilityScoreWarning, ScoreError, TargetError

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

_generator = np.random.default_rng(11)
LAYERS = [
    (_generator.normal(size=(4, 6)), _generator.normal(size=6)),
    (_generator.normal(size=(6, 3)), _generator.normal(size=3)),
]
SINGLE = [LAYERS[0], (LAYERS[1][0][:, :1], LAYERS[1][1][:1])]
X = _generator.normal(size=(3, 4))

# Everything is computed in float64 and compared in the float32 of the result.
CLOSE = {"rtol": 2e-6, "atol": 1e-7}


def logits_and_jacobian(x, layers=LAYERS):
    """By hand: the logits (N, C) and their gradients (N, C, F)."""
    hidden = np.tanh(x @ layers[0][0] + layers[0][1])
    slope = 1 - hidden**2
    return hidden @ layers[1][0] + layers[1][1], np.einsum(
        "nh,fh,hc->ncf", slope, *[pair[0] for pair in layers]
    )


def expected_saliency(score, target, last, layers=LAYERS):
    """The gradient of the score by the chain rule, and the score itself, for a softmax or a sigmoid."""
    logits, jacobian = logits_and_jacobian(X, layers)
    rows = np.arange(len(X))
    z, dz = logits[rows, target], jacobian[rows, target]
    if score == "logit":
        return dz, z
    if last == "sigmoid":
        p = scipy.special.expit(z)
        d_log = (1 - p)[:, None] * dz
    else:
        every = scipy.special.softmax(logits, axis=1)
        p = every[rows, target]
        d_log = dz - np.einsum("nc,ncf->nf", every, jacobian)
    return (p[:, None] * d_log, p) if score == "probability" else (d_log, np.log(p))


@pytest.mark.parametrize("score", ["logit", "probability", "log_probability"])
@pytest.mark.parametrize("last", ["softmax", "log_softmax", "sigmoid", None])
def test_kinds_of_score(kit, last, score):
    model = kit.dense(LAYERS, between="tanh", last=last, dtype="float64")
    found = explain.attribute(model, X, "saliency", target=[2, 0, 1], score=score)
    gradient, value = expected_saliency(score, [2, 0, 1], last)
    assert found.score == score
    np.testing.assert_allclose(found.values, gradient, **CLOSE)
    np.testing.assert_allclose(found.scores, value, **CLOSE)


@pytest.mark.parametrize("last", ["softmax", "log_softmax"])
def test_output_is_the_output_as_it_is(kit, last):
    model = kit.dense(LAYERS, between="tanh", last=last, dtype="float64")
    found = explain.attribute(model, X, "saliency", target=1, score="output")
    kind = "probability" if last == "softmax" else "log_probability"
    gradient, value = expected_saliency(kind, np.ones(3, int), last)
    assert found.score == "output"
    np.testing.assert_allclose(found.values, gradient, **CLOSE)
    np.testing.assert_allclose(found.scores, value, **CLOSE)


@pytest.mark.parametrize("score", ["logit", "probability", "log_probability"])
@pytest.mark.parametrize("last", ["sigmoid", None])
def test_one_output_means_a_sigmoid(kit, last, score):
    model = kit.dense(SINGLE, between="tanh", last=last, dtype="float64")
    found = explain.attribute(model, X, "saliency", score=score)
    gradient, value = expected_saliency(score, np.zeros(3, int), "sigmoid", SINGLE)
    assert found.target == (None,) * 3
    assert found.predicted is None
    np.testing.assert_allclose(found.values, gradient, **CLOSE)
    np.testing.assert_allclose(found.scores, value, **CLOSE)


def _hand_written_softmax(kit, weight):
    def call(x):
        raised = kit.exp(kit.matmul(x, weight))
        return raised / kit.stack([kit.sum(raised, 1)] * weight.shape[1], 1)

    return kit.function(call, dtype="float64")


def test_hand_written_softmax_is_seen_in_the_values(kit):
    weight = LAYERS[0][0][:, :3]
    model = _hand_written_softmax(kit, weight)
    with pytest.warns(ProbabilityScoreWarning):
        found = explain.attribute(model, X, "saliency", target=1)
    assert found.score == "probability"
    asked = explain.attribute(model, X, "saliency", target=1, score="probability")
    # No softmax of probabilities: the same numbers, the score that was asked for.
    np.testing.assert_array_equal(asked.values, found.values)
    np.testing.assert_allclose(asked.scores, scipy.special.softmax(X @ weight, axis=1)[:, 1], **CLOSE)
    with pytest.raises(ScoreError, match="probability"):
        explain.attribute(model, X, "saliency", target=1, score="log_probability")


def test_hand_written_softmax_over_maps_is_seen_in_the_values(kit):
    weight = LAYERS[0][0][:, :3]

    def call(x):
        raised = kit.exp(kit.matmul(kit.stack([x, 2 * x], 1), weight))
        return raised / kit.stack([kit.sum(raised, -1)] * 3, -1)

    model = kit.function(call, dtype="float64")
    with pytest.warns(ProbabilityScoreWarning):
        found = explain.attribute(model, X, "saliency", target=(1, 2))
    assert found.score == "probability"
    asked = explain.attribute(model, X, "saliency", target=(1, 2), score="probability")
    np.testing.assert_allclose(asked.scores, scipy.special.softmax(2 * X @ weight, axis=1)[:, 2], **CLOSE)


def test_softmax_within_is_not_terminal(kit):
    # Attention-like: a softmax that is not what the model returns stays on.
    weight = LAYERS[0][0][:, :3]
    model = kit.function(lambda x: 3 * kit.softmax(kit.matmul(x, weight)), dtype="float64")
    found = explain.attribute(model, X, "saliency", target=1)
    p = scipy.special.softmax(X @ weight, axis=1)
    np.testing.assert_allclose(found.values, 3 * p[:, 1:2] * (weight[:, 1] - p @ weight.T), **CLOSE)
    assert found.score == "logit"


def test_unknown_score_is_refused(kit):
    with pytest.raises(ScoreError, match=r"'log_probability'.*'output'"):
        explain.attribute(kit.dense(LAYERS), X, "saliency", score="logits")


# --- targets -----------------------------------------------------------------------------------------------


def test_every_form_of_a_class(kit):
    model = kit.dense(LAYERS, between="tanh", dtype="float64")
    logits, jacobian = logits_and_jacobian(X)
    rows = np.arange(3)
    for target, classes in (
        (None, logits.argmax(axis=1)),
        (2, [2, 2, 2]),
        (np.int32(1), [1, 1, 1]),
        ([0, 2, 1], [0, 2, 1]),
        (np.array([0, 2, 1]), [0, 2, 1]),
        (kit.tensor([0, 2, 1]), [0, 2, 1]),
        (range(3), [0, 1, 2]),
        ((1,), [1, 1, 1]),
        ([(1,), (0,), (2,)], [1, 0, 2]),
    ):
        found = explain.attribute(model, X, "saliency", target=target)
        assert found.target == tuple(int(one) for one in classes)
        np.testing.assert_allclose(found.values, jacobian[rows, classes], **CLOSE)
    np.testing.assert_array_equal(found.predicted, logits.argmax(axis=1))


def test_callable_target(kit):
    model = kit.dense(LAYERS, between="tanh", dtype="float64")
    _, jacobian = logits_and_jacobian(X)
    found = explain.attribute(model, X, "saliency", target=lambda outputs: outputs[:, 2] - 2 * outputs[:, 0])
    np.testing.assert_allclose(found.values, jacobian[:, 2] - 2 * jacobian[:, 0], **CLOSE)
    total = explain.attribute(
        model, X, "ig", target=lambda outputs: outputs[:, 2] - outputs[:, 0], n_steps=30
    )
    parts = [explain.attribute(model, X, "ig", target=one, n_steps=30).values for one in (2, 0)]
    np.testing.assert_allclose(total.values, parts[0] - parts[1], rtol=1e-5, atol=1e-6)


def test_outputs_of_higher_rank(kit):
    # outputs[n, i, j] = x_i · w_j: the gradient at (i, j) is w_j in row i.
    weight = np.array([[2.0, -1.0, 0.5]])
    model = kit.function(lambda x: kit.matmul(kit.stack([x], 2), weight), dtype="float64")
    every = explain.attribute(model, X, "saliency", target=(3, 1))
    np.testing.assert_allclose(every.values, np.tile([0, 0, 0, -1.0], (3, 1)), **CLOSE)
    assert every.target == ((3, 1),) * 3
    each = explain.attribute(model, X, "ig", target=[(0, 0), (1, 1), (2, 2)], n_steps=2)
    expected = np.zeros((3, 4))
    expected[[0, 1, 2], [0, 1, 2]] = X[[0, 1, 2], [0, 1, 2]] * [2.0, -1.0, 0.5]
    np.testing.assert_allclose(each.values, expected, **CLOSE)
    assert each.target == ((0, 0), (1, 1), (2, 2))
    with pytest.raises(TargetError, match=r"\(4, 3\)"):
        explain.attribute(model, X, "saliency")
    with pytest.raises(TargetError, match="1 index"):
        explain.attribute(model, X, "saliency", target=1)
    with pytest.raises(TargetError, match="0 to 2"):
        explain.attribute(model, X, "saliency", target=(0, 3))


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (3, "from 0 to 2"),
        (-1, "from 0 to 2"),
        ([0, 1], "2 entries for a batch of 3"),
        ([0, 1, 2, 0], "4 entries for a batch of 3"),
        ([0, 1, 7], "from 0 to 2"),
        ((0, 1), "2 indices"),
        (1.5, "not a target"),
        (True, "not a target"),
        ({"cat": 1}, "not a target"),
        ([0.5, 1, 2], "not a target"),
        ([], "0 entries"),
        ({"class": 1}, "not a target"),
    ],
)
def test_targets_that_pick_nothing(torch_kit, target, says):
    model = torch_kit.dense(LAYERS, dtype="float64")
    with pytest.raises(TargetError, match=says) as caught:
        explain.attribute(model, X, "saliency", target=target)
    assert isinstance(caught.value, ValueError)
    assert "target" in str(caught.value)


def test_targets_out_of_range_in_both_frameworks(kit):
    model = kit.dense(LAYERS, dtype="float64")
    for target in (3, [0, 1], -1):
        with pytest.raises(TargetError):
            explain.attribute(model, X, "saliency", target=target)
    for function in (lambda outputs: outputs, lambda outputs: kit.sum(outputs), lambda outputs: 3.0):
        with pytest.raises(TargetError, match="one scalar per example"):
            explain.attribute(model, X, "saliency", target=function)


def test_single_output_wants_no_target(kit):
    model = kit.dense(SINGLE, dtype="float64")
    assert explain.attribute(model, X, "saliency", target=0).target == (0, 0, 0)
    with pytest.raises(TargetError, match="from 0 to 0"):
        explain.attribute(model, X, "saliency", target=1)
    flat = kit.function(lambda x: kit.sum(x, 1), dtype="float64")
    assert explain.attribute(flat, X, "saliency").target == (None,) * 3
    with pytest.raises(TargetError, match="leave target out"):
        explain.attribute(flat, X, "saliency", target=1)


# --- several outputs, further arguments --------------------------------------------------------------------


def test_output_by_position_and_by_key(kit):
    def outputs(x):
        return [kit.sum(2 * x, 1), kit.sum(x * x, 1)]

    listed = kit.function(outputs)
    tupled = kit.function(lambda x: tuple(outputs(x)))
    keyed = kit.function(lambda x: dict(zip(("line", "square"), outputs(x), strict=True)))
    x = X.astype(np.float32)
    for model, line, square in ((listed, 0, 1), (tupled, 0, -1), (keyed, "line", "square"), (keyed, 0, 1)):
        np.testing.assert_allclose(explain.attribute(model, x, "saliency", output=line).values, 2.0)
        np.testing.assert_allclose(
            explain.attribute(model, x, "saliency", output=square).values, 2 * x, rtol=1e-6
        )


@pytest.mark.parametrize(
    ("choice", "says"), [(None, "2 outputs"), (2, "from 0 to 1"), ("line", "from 0 to 1")]
)
def test_output_that_is_not_there(kit, choice, says):
    model = kit.function(lambda x: (kit.sum(2 * x, 1), kit.sum(x * x, 1)))
    with pytest.raises(ScoreError, match=says):
        explain.attribute(model, X.astype(np.float32), "saliency", output=choice)


def test_output_key_that_is_not_there(kit):
    model = kit.function(lambda x: {"line": kit.sum(2 * x, 1), "square": kit.sum(x * x, 1)})
    for choice in (None, "cube", 5):
        with pytest.raises(ScoreError, match="'line', 'square'"):
            explain.attribute(model, X.astype(np.float32), "saliency", output=choice)
    single = kit.function(lambda x: kit.sum(2 * x, 1))
    with pytest.raises(ScoreError, match="single output"):
        explain.attribute(single, X.astype(np.float32), "saliency", output=1)


def _scaled(kit):
    if kit.name == "torch":
        return kit.function(lambda x, scale=None, power=1: kit.sum(x**power * scale, 1))

    class Scaled(kit.keras.Model):
        def call(self, x, scale=None, power=1):
            return kit.sum(x**power * scale, 1)

    model = Scaled()
    model.built = True
    return model


@pytest.mark.parametrize("as_tensor", [False, True])
def test_forward_kwargs(kit, as_tensor):
    model, x = _scaled(kit), X.astype(np.float32)
    each = np.array([[1.0], [2.0], [-3.0]], np.float32)
    for scale, expected in ((2.0, 2.0), (each, each)):
        given = kit.tensor(scale) if as_tensor and isinstance(scale, np.ndarray) else scale
        keywords = {"scale": given, "power": 2}
        saliency = explain.attribute(model, x, "saliency", forward_kwargs=keywords)
        np.testing.assert_allclose(saliency.values, 2 * x * expected, rtol=1e-6)
        # Points of a path go with the row of their own example, in whatever chunks.
        path = explain.attribute(model, x, "ig", n_steps=4, batch_size=3, forward_kwargs=keywords)
        np.testing.assert_allclose(path.values, x**2 * expected, rtol=1e-5)
