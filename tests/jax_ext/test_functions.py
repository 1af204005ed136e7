"""Functions of JAX arrays, in the process of the other tests."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import explain
from explain.errors import (
    GradientError,
    InputError,
    ModelCallError,
    OpaqueModelWarning,
    ProbabilityScoreWarning,
    ScoreError,
    TargetError,
    UnsupportedModelError,
)
from explain.jax_ext.extension import extension as jax_extension
from explain.jax_ext.model.endings import ending_in
from explain.jax_ext.model.graph import Graph
from explain.running import BackendContract, ContractModel

WEIGHT = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
HEAD = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
# Single precision; two computations of one gradient differ in the order of their sums.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def network(x):
    return jnp.tanh(x @ WEIGHT) @ HEAD


def x_of(*shape, seed=2):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class TestFunctionsOfJax(BackendContract):
    """In double precision, which JAX has where it is enabled."""

    extension = jax_extension

    @pytest.fixture(autouse=True)
    def in_double_precision(self):
        with jax.enable_x64(True):
            yield

    def models(self):
        draw = np.random.default_rng(1).normal
        kernel, weight, head = (draw(size=shape) for shape in ((3, 3, 2, 3), (5, 6), (6, 3)))

        def picture(x):
            dimensions = ("NHWC", "HWIO", "NHWC")
            found = jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=dimensions)
            return jax.nn.softplus(found).mean(axis=(1, 2))

        @jax.jit
        def sequence(x):
            _, last = None, jnp.zeros((len(x), 6))
            last, _ = jax.lax.scan(
                lambda h, one: (jnp.tanh(one @ weight + h), None), last, jnp.moveaxis(x, 1, 0)
            )
            return last @ head

        compiled = ContractModel("sequence", sequence, draw(size=(3, 4, 5)), "NTC")
        self.plain = ContractModel("picture", picture, draw(size=(4, 6, 6, 2)), "NHWC")
        return [compiled]

    def test_a_plain_function_gives_the_same(self):
        """A function that is not compiled is recognised by name only."""
        self.models()
        picture, x = self.plain.model, self.plain.x
        assert not self.extension.recognises(picture)
        a = explain.attribute(picture, x, "saliency", target=1, framework="jax")
        b = explain.attribute(jax.jit(picture), x, "saliency", target=1)
        np.testing.assert_allclose(a.values, b.values, rtol=1e-6)
        np.testing.assert_allclose(a.values, jax.grad(lambda x: picture(x)[:, 1].sum())(x), rtol=1e-6)
        assert a.layout == "NHWC"


@pytest.mark.parametrize("function", [network, jax.jit(network)], ids=["plain", "compiled"])
def test_methods_beside_jax_itself(function):
    x = x_of(5, 4)
    gradient = jax.grad(lambda x: network(x)[:, 1].sum())
    a = explain.attribute(function, jnp.asarray(x), "saliency", target=1, framework="jax")
    np.testing.assert_allclose(a.values, gradient(x), **CLOSE)
    assert (a.framework, a.score, a.model) == ("jax", "logit", "network")
    b = explain.attribute(function, x, "ig", target=1, n_steps=40, framework="jax")
    np.testing.assert_allclose(b.values.sum(axis=1), network(x)[:, 1] - network(0 * x)[:, 1], **CLOSE)
    c = explain.attribute(
        function, x, "occlusion", target=1, sliding_window_shapes=(1,), strides=(1,), framework="jax"
    )
    without = [network(np.where(np.arange(4) == column, 0, x))[:, 1] for column in range(4)]
    np.testing.assert_allclose(c.values, network(x)[:, 1:2] - np.stack(without, axis=1), **CLOSE)
    d = explain.attribute(function, x, "saliency", target=lambda outputs: outputs[:, 0] ** 2, framework="jax")
    np.testing.assert_allclose(d.values, jax.grad(lambda x: (network(x)[:, 0] ** 2).sum())(x), **CLOSE)
    m = explain.maximize(function, target=1, shape=(4,), bounds=(-1, 1), n_steps=20, framework="jax")
    assert (m.history[-1] > m.history[0]).all()


def test_several_inputs():
    x, y = x_of(3, 4), x_of(3, 4, seed=5)
    found = explain.attribute(
        lambda x, y: network(x * jnp.exp(y)), (x, y), "saliency", target=1, framework="jax"
    )
    expected = jax.grad(lambda x, y: network(x * jnp.exp(y))[:, 1].sum(), (0, 1))(x, y)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.values, other, **CLOSE)


@pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")
@pytest.mark.parametrize("end", [jax.nn.softmax, jax.nn.log_softmax, jax.nn.sigmoid, jax.nn.log_sigmoid])
def test_an_activation_at_the_end_is_taken_off(end):
    x = x_of(3, 4)
    for function in (lambda x: end(network(x)), jax.jit(lambda x: end(network(x))[:, ::-1][:, ::-1])):
        a = explain.attribute(function, x, "ig", target=1, n_steps=40, framework="jax")
        assert a.score == "logit"
        np.testing.assert_allclose(a.scores, network(x)[:, 1], **CLOSE)
        np.testing.assert_allclose(a.values.sum(axis=1), network(x)[:, 1] - network(0 * x)[:, 1], **CLOSE)
        kind = "probability" if end in (jax.nn.softmax, jax.nn.sigmoid) else "log_probability"
        b = explain.attribute(function, x, "saliency", target=1, score=kind, framework="jax")
        np.testing.assert_allclose(b.values, jax.grad(lambda x: end(network(x))[:, 1].sum())(x), **CLOSE)


def ending(function, *shapes):
    graph = Graph(jax.make_jaxpr(function)(*(jnp.ones(shape) for shape in shapes)))
    found = ending_in(graph, graph.inputs)
    return None if found is None else (found.kinds, found.held, found.moved)


def test_what_an_output_is_made_of():
    by_softmax = (("softmax",), "probability", True)
    assert ending(jax.nn.softmax, (4, 4)) == by_softmax
    assert ending(lambda x: jnp.exp(x) / jnp.exp(x).sum(1, keepdims=True), (4, 4)) == by_softmax
    # Sums of rows beside columns make no probabilities.
    assert ending(lambda x: jnp.exp(x) / jnp.exp(x).sum(1), (4, 4)) is None
    assert ending(lambda x: jnp.exp(x) / jnp.exp(2 * x).sum(1, keepdims=True), (4, 4)) is None
    assert ending(lambda x: jax.nn.softmax(x, axis=1).transpose(0, 2, 1), (2, 3, 4)) == by_softmax
    joined = lambda x: jnp.concatenate([jax.nn.softmax(x), jax.nn.sigmoid(x)], axis=-1)  # noqa: E731
    assert ending(joined, (4, 4)) == (("sigmoid", "softmax"), "probability", True)
    assert ending(lambda x: jax.nn.softmax(x).mean(axis=0), (4, 4)) == (("softmax",), "probability", False)
    assert ending(lambda x: jnp.log(jax.nn.softmax(x)), (4, 4)) == (("softmax",), "log_probability", False)
    assert ending(lambda x: x * jax.nn.softmax(x), (4, 4)) is None
    assert ending(jax.nn.relu, (4, 4)) is None
    assert ending(lambda x: -jnp.logaddexp(-x, 1.0), (4, 4)) is None


def test_kinks_decide_the_rule():
    for function, rule in (
        (network, "fejer"),
        (lambda x: jax.nn.softplus(x @ WEIGHT) @ HEAD, "fejer"),
        (lambda x: jax.nn.relu(x @ WEIGHT) @ HEAD, "midpoint"),
        (lambda x: jnp.where(x @ WEIGHT > 0, 1.0, 0.5) * (x @ WEIGHT) @ HEAD, "midpoint"),
    ):
        survey_of = jax_extension.open(function, _question(), x_of(2, 4))
        with survey_of.session():
            assert survey_of.has_kinks(_examples()) == (rule == "midpoint")


def _question():
    from explain.backends import Layout, Question

    return Question(Layout("NC"))


def _examples():
    from explain.backends import Examples

    return Examples((x_of(2, 4),))


WITHOUT_A_GRADIENT = {
    "rounded": lambda x: jnp.round(x) @ WEIGHT,
    "classes": lambda x: jnp.argmax(x, axis=-1)[:, jnp.newaxis] * jnp.ones((1, 3)),
    "stopped": lambda x: jax.lax.stop_gradient(x) @ WEIGHT,
}


@pytest.mark.parametrize("name", WITHOUT_A_GRADIENT)
def test_a_score_without_a_gradient_is_refused(name):
    x = 5 * x_of(3, 4)
    with pytest.raises(GradientError, match="has no gradient to its input"):
        explain.attribute(WITHOUT_A_GRADIENT[name], x, "saliency", target=1, framework="jax")
    a = explain.attribute(WITHOUT_A_GRADIENT[name], x, "feature_ablation", target=1, framework="jax")
    assert np.isfinite(a.values).all()


def test_what_cannot_be_explained_is_said():
    x = x_of(3, 4)
    with pytest.raises(UnsupportedModelError, match="framework='jax' or framework='numpy'"):
        explain.attribute(network, x, "saliency", target=1)
    with pytest.raises(UnsupportedModelError, match=r"needs backward_rules.*'saliency'"):
        explain.attribute(network, x, "lrp", target=1, framework="jax")
    with pytest.raises(UnsupportedModelError, match="needs layers"):
        explain.attribute(network, x, "saliency", layer="dense", target=1, framework="jax")
    with pytest.raises(ScoreError, match="returns a int"):
        explain.attribute(lambda x: 3, x, "saliency", target=1, framework="jax")
    with pytest.raises(ModelCallError, match="wrong on purpose"):
        explain.attribute(_fails, x, "saliency", target=1, framework="jax")
    with pytest.raises(TargetError, match="a JAX array of shape"):
        explain.attribute(network, x, "saliency", target=lambda outputs: 3.0, framework="jax")
    with pytest.raises(InputError, match="NaN or infinite"):
        explain.attribute(network, jnp.full((2, 4), jnp.nan), "saliency", target=1, framework="jax")
    with pytest.warns(ProbabilityScoreWarning, match="from the values of a softmax"):
        explain.attribute(
            lambda x: jax.nn.softmax(network(x)) * 0.5, x, "saliency", target=1, framework="jax"
        )


def _fails(x):
    raise RuntimeError("wrong on purpose")


def test_a_function_that_cannot_be_traced_is_opaque():
    def decides(x):
        return network(x) if float(jax.lax.stop_gradient(x).sum()) < 1e9 else network(-x)

    x = x_of(3, 4)
    with pytest.warns(OpaqueModelWarning):
        a = explain.attribute(decides, x, "saliency", target=1, framework="jax")
    np.testing.assert_allclose(a.values, jax.grad(lambda x: network(x)[:, 1].sum())(x), **CLOSE)
    assert a.score == "output"
    with pytest.raises(ScoreError, match="the kind of its output is unknown"):
        explain.attribute(decides, x, "saliency", target=1, score="probability", framework="jax")


def test_double_precision_where_it_is_enabled():
    x = x_of(3, 4).astype(np.float64)
    assert explain.attribute(network, x, "saliency", target=1, framework="jax").scores.dtype == np.float32
    with jax.enable_x64(True):
        a = explain.attribute(network, x, "saliency", target=1, framework="jax")
    assert a.scores.dtype == np.float64


def test_whole_numbers_of_64_bits_are_not_cut_off():
    x, ids = x_of(3, 4), np.array([1, 2, 2**40])
    with pytest.raises(InputError, match="1099511627776, which needs 64 bits"):
        explain.attribute(lambda x, ids: network(x), (x, ids), "saliency", target=1, framework="jax")
    with jax.enable_x64(True), pytest.warns(explain.errors.HeldInputWarning):
        found = explain.attribute(lambda x, ids: network(x), (x, ids), "saliency", target=1, framework="jax")
    np.testing.assert_allclose(found[0].values, jax.grad(lambda x: network(x)[:, 1].sum())(x), **CLOSE)


def test_arrays_of_jax_are_recognised():
    assert jax_extension.is_tensor(jnp.ones(2))
    assert not jax_extension.is_tensor(np.ones(2))
    assert jax_extension.to_numpy(jnp.ones(2, jnp.bfloat16)).dtype == np.float32
    assert jax_extension.version() == jax.__version__
    assert jax_extension.recognises(jax.jit(network))


def test_parameters_are_refused():
    with pytest.raises(explain.errors.PortError, match=r"keras\.Model"):
        jax_extension.parameters(network)
