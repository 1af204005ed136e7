"""Input × gradient, SmoothGrad, its square and VarGrad: on paper, and against Captum given the same points."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from models.recurrent import keras_stateful

import explain
from explain.errors import NoiseWarning, OptionError, ZeroGradientWarning
from explain.inputs.examples import Examples
from explain.inputs.layout import Layout
from explain.running import noise
from explain.running.noise import NoisyPoints, NormalDraws

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

X = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])
WEIGHTS = np.array([3.0, -0.5, 2.0])
NOISY = ("smoothgrad", "smoothgrad_squared", "vargrad")


def drawn(n_samples, shape, layout, seed=0):
    """The noise, drawn here by itself: one generator for the first group of points, channels last."""
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    axis = layout.index("C")
    canonical = (*shape[: axis - 1], *shape[axis:], shape[axis - 1])
    return np.moveaxis(generator.standard_normal((n_samples, *canonical), dtype=np.float32), -1, axis)


def range_of(x):
    flat = x.reshape(len(x), -1)
    return (flat.max(axis=1) - flat.min(axis=1)).reshape(-1, *[1] * (x.ndim - 1))


def quadratic(kit):
    """Half of Σ w x², whose gradient is w x."""
    weights = kit.tensor(WEIGHTS)
    return kit.function(lambda x: kit.sum(x * x * weights, 1) / 2, dtype="float64")


def statistic(gradients, method):
    """The definition, over the samples in axis 1."""
    if method == "smoothgrad":
        return gradients.mean(axis=1)
    squares = (gradients**2).mean(axis=1)
    return squares if method == "smoothgrad_squared" else squares - gradients.mean(axis=1) ** 2


# --- on paper ----------------------------------------------------------------------------------------------


def test_input_times_gradient(kit):
    found = explain.attribute(quadratic(kit), X, "gradient_x_input")
    np.testing.assert_allclose(found.values, WEIGHTS * X**2, rtol=1e-6)
    linear = explain.attribute(
        kit.dense([(WEIGHTS[:, np.newaxis], np.ones(1))]), X.astype("f4"), "input_x_gradient"
    )
    np.testing.assert_allclose(linear.values.sum(axis=1), linear.scores - 1, rtol=1e-5)


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("method", NOISY)
def test_quadratic(kit, method, seed):
    # The gradient of a sample is w (x + σ ε): its mean is w x + w σ · mean ε, its variance (w σ)² · var ε.
    found = explain.attribute(quadratic(kit), X, method, n_samples=20, stdevs=0.3, seed=seed)
    noise, sigma = drawn(20, (3,), "NC", seed), 0.3 * range_of(X)
    mean = WEIGHTS * X + WEIGHTS * sigma * noise.mean(axis=0, dtype=np.float64)
    variance = (WEIGHTS * sigma) ** 2 * noise.var(axis=0, dtype=np.float64)
    expected = {"smoothgrad": mean, "smoothgrad_squared": mean**2 + variance, "vargrad": variance}[method]
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)


def test_what_many_samples_tend_to(torch_kit):
    # In expectation: w x, (w x)² + (w σ)², (w σ)². Three standard errors of 4000 samples.
    count, spread = 4000, WEIGHTS * 0.15 * range_of(X)
    found = {name: explain.attribute(quadratic(torch_kit), X, name, n_samples=count).values for name in NOISY}
    center = WEIGHTS * X
    assert (np.abs(found["smoothgrad"] - center) <= 3 * np.abs(spread) / np.sqrt(count)).all()
    of_variance = 3 * spread**2 * np.sqrt(2 / count)
    assert (np.abs(found["vargrad"] - spread**2) <= of_variance).all()
    of_squares = of_variance + 6 * np.abs(center * spread) / np.sqrt(count)
    assert (np.abs(found["smoothgrad_squared"] - center**2 - spread**2) <= of_squares).all()


def test_a_small_variance_beside_a_large_gradient_is_kept(kit):
    # 10⁶ Σ x + Σ x² / 2: the gradients are 10⁶ + x, of which squares would leave no variance of 10⁻⁴.
    model = kit.function(lambda x: kit.sum(1e6 * x + x * x / 2, 1), dtype="float64")
    found = explain.attribute(model, X, "vargrad", n_samples=50, stdevs=0.002, batch_size=7)
    expected = (0.002 * range_of(X)) ** 2 * drawn(50, (3,), "NC").var(axis=0, dtype=np.float64)
    # A gradient is rounded at 10⁻¹⁰, the deviations are of size 10⁻².
    np.testing.assert_allclose(found.values, expected, rtol=1e-5)


def test_an_affine_score_has_its_gradient_and_no_variance(kit):
    model = kit.dense([(WEIGHTS[:, np.newaxis], np.ones(1))], dtype="float64")
    expected = {"smoothgrad": WEIGHTS, "smoothgrad_squared": WEIGHTS**2, "vargrad": 0 * WEIGHTS}
    for method in NOISY:
        found = explain.attribute(model, X, method)
        np.testing.assert_allclose(found.values, np.tile(expected[method], (2, 1)), rtol=1e-6, atol=1e-12)


# --- Captum ------------------------------------------------------------------------------------------------


@pytest.fixture
def cnn(torch_kit):
    return torch_kit.cnn(channels=2, dtype="float64"), np.random.default_rng(2).normal(size=(3, 2, 8, 8))


@pytest.mark.parametrize(
    ("method", "their_type"), list(zip(NOISY, ("smoothgrad", "smoothgrad_sq", "vargrad"), strict=True))
)
def test_captums_noise_tunnel_with_the_same_noise(cnn, monkeypatch, method, their_type):
    model, x = cnn
    target, count = [0, 2, 1], 12
    noise = drawn(count, x.shape[1:], "NCHW")[np.newaxis] * (0.2 * range_of(x))[:, np.newaxis]
    # Captum expands example by example, as we do, and asks for all its noise at once.
    monkeypatch.setattr(torch, "normal", lambda mean, std: torch.tensor(noise.reshape(std.shape)))
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(model))
    theirs = tunnel.attribute(
        torch.tensor(x), nt_type=their_type, nt_samples=count, stdevs=1.0, target=target, abs=False
    )
    ours = explain.attribute(model, x, method, target=target, n_samples=count, stdevs=0.2)
    np.testing.assert_allclose(ours.values, theirs.detach().numpy(), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("method", NOISY)
def test_captums_own_draws_lie_within_three_standard_errors(cnn, method):
    model, x = cnn[0], cnn[1][:1]
    their_type = {"smoothgrad_squared": "smoothgrad_sq"}.get(method, method)
    tunnel, count, runs = captum.attr.NoiseTunnel(captum.attr.Saliency(model)), 400, 12
    stdevs = float(0.15 * range_of(x).item())

    def theirs(seed):
        torch.manual_seed(seed)
        found = tunnel.attribute(
            torch.tensor(x), nt_type=their_type, nt_samples=count, stdevs=stdevs, target=1, abs=False
        )
        return found.detach().numpy()[0].sum()

    # The sum of a map: one number, so that three standard errors are three. Ours has the error of one run.
    sums = np.array([theirs(seed) for seed in range(runs)])
    ours = explain.attribute(model, x, method, target=1, n_samples=count).values.sum()
    error = sums.std(ddof=1) * np.sqrt(1 + 1 / runs)
    assert abs(ours - sums.mean()) <= 3 * error
    if method == "vargrad":
        # Another noise level would be seen; the other two sums hardly depend on it where a score is linear in pieces.
        wide = explain.attribute(model, x, method, target=1, n_samples=count, stdevs=0.6).values.sum()
        assert abs(wide - sums.mean()) > 3 * error


@pytest.mark.parametrize("batch_size", [2, None])
def test_input_x_gradient_is_captums(cnn, batch_size):
    model, x = cnn
    points = torch.tensor(x, requires_grad=True)
    theirs = captum.attr.InputXGradient(model).attribute(points, target=[0, 2, 1]).detach().numpy()
    for engine in ("explain", "captum"):
        found = explain.attribute(
            model, x, "input_x_gradient", target=[0, 2, 1], engine=engine, batch_size=batch_size
        )
        assert found.engine == engine
        np.testing.assert_allclose(found.values, theirs, rtol=1e-6, atol=1e-12)


def test_input_x_gradient_is_tf_explains(tensorflow_kit):
    from tf_explain.core.gradients_inputs import GradientsInputs

    model = tensorflow_kit.cnn(channels=3)
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)
    theirs = GradientsInputs.compute_gradients(tensorflow_kit.tensor(x), model, 1).numpy()
    for engine in ("explain", "tf-explain"):
        found = explain.attribute(model, x, "input_x_gradient", target=1, engine=engine)
        np.testing.assert_allclose(found.values, theirs, rtol=1e-5, atol=1e-7)


# --- what nothing may depend on ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", NOISY)
def test_chunks_and_company_change_nothing(kit, method, monkeypatch):
    # So few kept draws that the samples are drawn in groups.
    monkeypatch.setattr(noise, "_KEPT_VALUES", 4 * 128)
    model = kit.cnn(channels=2, dtype="float64")
    x = np.random.default_rng(3).normal(size=(3, *kit.picture_shape(2, 8, 8)))
    given = {"target": [0, 1, 2], "n_samples": 11}
    expected = explain.attribute(model, x, method, **given, batch_size=1000).values
    for batch_size in (1, 3, 8, None):
        found = explain.attribute(model, x, method, **given, batch_size=batch_size).values
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
    alone = explain.attribute(model, x[2:], method, target=2, n_samples=11).values
    np.testing.assert_allclose(alone, expected[2:], rtol=1e-6, atol=1e-12)
    other = explain.attribute(model, x, method, **given, seed=1).values
    assert np.abs(other - expected).max() > 1e-3 * np.abs(expected).max()


def test_a_sample_keeps_its_noise_whatever_the_number_of_samples_and_the_group(monkeypatch):
    monkeypatch.setattr(noise, "_KEPT_VALUES", 4 * 60)
    layout = Layout("NCHW")
    whole = NormalDraws(11, (3, 4, 5), layout, 7).at(slice(0, 11))
    assert whole.dtype == np.float32
    few = NormalDraws(6, (3, 4, 5), layout, 7)
    for start, stop in ((0, 1), (3, 6), (1, 5), (0, 6)):
        np.testing.assert_array_equal(few.at(slice(start, stop)), whole[start:stop])
    # No group repeats another.
    assert len(np.unique(whole.round(6))) > 0.99 * whole.size
    np.testing.assert_array_equal(whole[:4], drawn(4, (3, 4, 5), "NCHW", 7))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_are_the_same_bits_in_every_layout(dtype):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(dtype)
    every = slice(0, 2), slice(0, 6)
    (first,) = NoisyPoints(Examples((x,)), Layout("NCHW"), 0.15, 6, 0).inputs(*every)
    last_x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    (last,) = NoisyPoints(Examples((last_x,)), Layout("NHWC"), 0.15, 6, 0).inputs(*every)
    assert first.dtype == dtype
    np.testing.assert_array_equal(np.moveaxis(last, -1, 1), first)
    # The same draws in both precisions.
    spread = (first - x.repeat(6, axis=0)).reshape(2, 6, 3, 4, 5) / (0.15 * range_of(x))[:, np.newaxis]
    np.testing.assert_allclose(spread[1], drawn(6, (3, 4, 5), "NCHW"), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", ["input_x_gradient", *NOISY])
def test_padding_is_zero_and_has_no_say(kit, method):
    model = kit.function(lambda x: kit.sum(kit.sum(x**3, 2), 1), dtype="float64")
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    other = x.copy()
    other[0, 3:] = 50.0
    options = {"n_samples": 6} if method in NOISY else {}
    found = explain.attribute(model, x, method, lengths=[3, 5], **options)
    again = explain.attribute(model, other, method, lengths=[3, 5], **options)
    np.testing.assert_array_equal(found.values, again.values)
    assert (found.values[0, 3:] == 0).all()
    assert (found.values[0, :3] != 0).all()
    points = NoisyPoints(
        Examples((other,), mask=np.arange(5) < np.array([[3], [5]])), Layout("NTC"), 0.15, 6, 0
    ).inputs(slice(0, 2), slice(0, 6))[0]
    np.testing.assert_array_equal(points[:6, 3:], np.full((6, 2, 3), 50.0))


@pytest.mark.parametrize("method", NOISY)
def test_models_with_a_fixed_batch(tensorflow_kit, method):
    # A state a row: an example that were seen in another row would be seen with another's state.
    keras = tensorflow_kit.keras
    model = keras_stateful(
        keras, keras.layers.SimpleRNN(5, stateful=True, dtype="float64"), (4, 3), "float64"
    )
    x = np.random.default_rng(0).normal(size=(2, 4, 3))
    states = np.random.default_rng(1).normal(size=(2, 5))
    model.layers[0].states[0].assign(states)
    found = explain.attribute(model, x, method, target=1, n_samples=5).values
    gradients = np.stack(
        [
            explain.attribute(
                model, x + 0.15 * range_of(x) * drawn(5, (4, 3), "NTC")[k], "saliency", target=1
            ).values.astype(np.float64)
            for k in range(5)
        ],
        axis=1,
    )
    np.testing.assert_allclose(found, statistic(gradients, method), rtol=1e-4, atol=1e-8)
    np.testing.assert_array_equal(np.asarray(model.layers[0].states[0]), states)


# --- what is told ------------------------------------------------------------------------------------------


def test_what_is_drawn_how():
    drawn_as = {row.name: row.drawn for row in explain.methods()}
    assert [drawn_as[name] for name in NOISY] == ["signed", "unsigned", "unsigned"]


@pytest.mark.parametrize("method", NOISY)
def test_an_example_without_a_range_is_told_of(torch_kit, method):
    x = np.stack([np.full(3, 0.5), X[0]])
    with pytest.warns(NoiseWarning, match=r"Example \[0\] has one value"):
        found = explain.attribute(quadratic(torch_kit), x, method, n_samples=3)
    np.testing.assert_allclose(found.values[0], statistic(WEIGHTS[None, None] * 0.5, method)[0], rtol=1e-6)
    explain.attribute(quadratic(torch_kit), x, method, n_samples=3, stdevs=0)


def test_a_gradient_of_zero_is_told_of(kit):
    model = kit.function(lambda x: kit.sum(0 * x, 1))
    for method in ("input_x_gradient", *NOISY):
        with pytest.warns(ZeroGradientWarning, match=r"examples \[0, 1\]"):
            explain.attribute(model, X.astype(np.float32), method)


@pytest.mark.parametrize(
    ("method", "option"),
    [
        ("smoothgrad", {"n_samples": 0}),
        ("smoothgrad", {"n_samples": 2.5}),
        ("smoothgrad_squared", {"stdevs": -0.1}),
        ("vargrad", {"n_samples": 1}),
        ("vargrad", {"stdevs": float("nan")}),
        ("smoothgrad", {"stdevs": (0.1, 0.2)}),
    ],
)
def test_options_out_of_range(torch_kit, method, option):
    (name,) = option
    with pytest.raises(OptionError, match=f"{name}="):
        explain.attribute(quadratic(torch_kit), X, method, **option)
