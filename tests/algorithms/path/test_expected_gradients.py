"""Expected gradients: on paper, against Captum given the same draws and its own, and what a set of references is."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from models.recurrent import keras_stateful

import explain
from explain.algorithms.path.expected_gradients import draws, standard_error
from explain.errors import (
    BaselineError,
    BaselineWarning,
    ConvergenceWarning,
    NoiseWarning,
    OptionError,
    ZeroGradientWarning,
)
from explain.running.expansion import ReferencePaths, Repeated

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

X = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])
REFERENCES = np.random.default_rng(1).normal(size=(7, 3))
WEIGHTS = np.array([3.0, -0.5, 2.0])


def linear(kit, dtype="float64"):
    return kit.dense([(WEIGHTS[:, np.newaxis], np.ones(1))], dtype=dtype)


def quadratic(kit):
    """Half of Σ w x², whose gradient is w x."""
    weights = kit.tensor(WEIGHTS)
    return kit.function(lambda x: kit.sum(x * x * weights, 1) / 2, dtype="float64")


def pictures(kit, count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *kit.picture_shape(2, 8, 8)))


# --- on paper ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_samples", [1, 3, 10, 21])
def test_linear_model_is_exact_for_what_was_drawn(kit, n_samples):
    found = explain.attribute(
        linear(kit), X, "expected_gradients", baseline=REFERENCES, n_samples=n_samples, seed=4
    )
    chosen, _ = draws(n_samples, 7, 4)
    np.testing.assert_allclose(found.values, WEIGHTS * (X - REFERENCES[chosen].mean(axis=0)), rtol=1e-6)
    total = found.values.sum(axis=1) - (X - REFERENCES.mean(axis=0)) @ WEIGHTS
    np.testing.assert_allclose(found.delta, total, atol=1e-6)
    if n_samples % 7 == 0:
        # Every reference has come as often as another.
        np.testing.assert_allclose(found.delta, 0, atol=1e-9)
    assert found.baseline is None
    assert dict(found.baseline_rule) == {"rule": "references", "count": 7}
    assert found.steps is None


def test_quadratic(kit):
    # (x − b) w (b + α (x − b)), sample by sample.
    found = explain.attribute(quadratic(kit), X, "gradient_shap", baseline=REFERENCES, n_samples=40)
    chosen, alphas = draws(40, 7, 0)
    step = X[:, np.newaxis] - REFERENCES[chosen]
    expected = (step * WEIGHTS * (REFERENCES[chosen] + alphas[:, np.newaxis] * step)).mean(axis=1)
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)
    scores = (X**2) @ WEIGHTS / 2 - ((REFERENCES**2) @ WEIGHTS / 2).mean()
    np.testing.assert_allclose(found.delta, expected.sum(axis=1) - scores, rtol=1e-9)
    np.testing.assert_allclose(found.relative_delta, np.abs(found.delta / scores), rtol=1e-9)


def test_one_reference_tends_to_integrated_gradients(kit):
    model, x = kit.cnn(channels=2, dtype="float64"), pictures(kit, 2)
    base = pictures(kit, 1, seed=1)
    integral = explain.attribute(
        model, x, "ig", target=1, baseline=base, n_steps=1215, rule="midpoint"
    ).values
    found = explain.attribute(model, x, "expected_gradients", target=1, baseline=base, n_samples=400).values
    # Each part of the path has its sample: what is left are the kinks, in single parts.
    assert np.linalg.norm(found - integral) / np.linalg.norm(integral) < 0.01


def test_draws_are_even_and_each_is_uniform():
    chosen, alphas = draws(23, 5, 0)
    for start in range(0, 20, 5):
        assert sorted(chosen[start : start + 5]) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(np.floor(alphas * 23), np.arange(23))
    # Over seeds every sample has every reference as often: 4 standard errors of 2000 drawings of 5.
    many = np.stack([draws(8, 5, seed)[0] for seed in range(2000)])
    shares = np.stack([np.bincount(column, minlength=5) for column in many.T]) / 2000
    assert np.abs(shares - 0.2).max() < 4 * np.sqrt(0.2 * 0.8 / 2000)
    inside = np.stack([draws(8, 5, seed)[1] for seed in range(2000)]) * 8 - np.arange(8)
    assert np.abs(inside.mean(axis=0) - 0.5).max() < 4 / np.sqrt(12 * 2000)


def test_standard_error_is_that_of_runs():
    # A residual that rises along the line, and scatters: the rise has no error where each part has its sample.
    generator = np.random.default_rng(0)
    places = (np.arange(50) + generator.random((4000, 50))) / 50
    residuals = 3 * places + 0.2 * generator.normal(size=places.shape)
    true = residuals.mean(axis=1).std()
    assert np.sqrt((standard_error(residuals) ** 2).mean()) == pytest.approx(true, rel=0.1)
    # As if drawn anywhere, it would be taken for many times as much.
    assert (residuals.std(axis=1) / np.sqrt(50)).mean() > 4 * true


# --- Captum ------------------------------------------------------------------------------------------------


def noise_of(n_samples, shape):
    """The noise of pictures, channels first, drawn here by itself."""
    generator = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(0,)))
    channels, *space = shape
    return np.moveaxis(generator.standard_normal((n_samples, *space, channels), dtype=np.float32), -1, 1)


@pytest.mark.parametrize("stdevs", [0.0, 0.1])
def test_captums_gradient_shap_with_the_same_draws(torch_kit, monkeypatch, stdevs):
    model, x, references = (
        torch_kit.cnn(channels=2, dtype="float64"),
        pictures(torch_kit, 3),
        pictures(torch_kit, 5, 1),
    )
    count, target = 12, [0, 2, 1]
    chosen, alphas = draws(count, 5, 0)
    spans = (x.reshape(3, -1).max(axis=1) - x.reshape(3, -1).min(axis=1)).reshape(3, 1, 1, 1, 1)
    noise = stdevs * spans * noise_of(count, x.shape[1:])
    # Captum expands example by example.
    monkeypatch.setattr(torch, "normal", lambda mean, std: torch.tensor(noise.reshape(std.shape)))
    monkeypatch.setattr(np.random, "choice", lambda most, size: np.tile(chosen, size // count))
    monkeypatch.setattr(np.random, "uniform", lambda least, greatest, size: np.tile(alphas, size // count))
    theirs = captum.attr.GradientShap(model).attribute(
        torch.tensor(x), torch.tensor(references), n_samples=count, stdevs=1.0, target=target
    )
    ours = explain.attribute(
        model, x, "gradient_shap", target=target, baseline=references, n_samples=count, stdevs=stdevs
    )
    np.testing.assert_allclose(ours.values, theirs.detach().numpy(), rtol=1e-5, atol=1e-7)


def test_captums_own_draws_lie_within_three_standard_errors(torch_kit):
    model, x, references = (
        torch_kit.cnn(channels=2, dtype="float64"),
        pictures(torch_kit, 1),
        pictures(torch_kit, 5, 1),
    )
    runs = []
    for seed in range(12):
        torch.manual_seed(seed)
        np.random.seed(seed)
        runs.append(
            captum.attr.GradientShap(model)
            .attribute(torch.tensor(x), torch.tensor(references), n_samples=400, target=1)
            .detach()
            .numpy()[0]
        )
    ours = explain.attribute(model, x, "gradient_shap", target=1, baseline=references, n_samples=400).values[
        0
    ]
    # The map on two fixed patterns: two numbers. Our draws are evener than theirs, so that theirs bound the error.
    for pattern in (np.ones(x.shape[1:]), np.random.default_rng(0).choice([-1, 1], size=x.shape[1:])):
        sums = np.array([(run * pattern).sum() for run in runs])
        assert abs((ours * pattern).sum() - sums.mean()) <= 3 * sums.std(ddof=1) * np.sqrt(1 + 1 / 12)


# --- what nothing may depend on ----------------------------------------------------------------------------


@pytest.mark.parametrize("stdevs", [0.0, 0.2])
def test_chunks_and_company_change_nothing(kit, stdevs):
    model, x, references = kit.cnn(channels=2, dtype="float64"), pictures(kit, 3), pictures(kit, 4, 1)
    given = {"baseline": references, "n_samples": 11, "stdevs": stdevs}
    whole = explain.attribute(model, x, "gradient_shap", target=[0, 1, 2], batch_size=1000, **given)
    for batch_size in (1, 3, 8, None):
        found = explain.attribute(model, x, "gradient_shap", target=[0, 1, 2], batch_size=batch_size, **given)
        np.testing.assert_allclose(found.values, whole.values, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(found.delta, whole.delta, rtol=1e-6, atol=1e-12)
    alone = explain.attribute(model, x[2:], "gradient_shap", target=2, **given)
    np.testing.assert_allclose(alone.values, whole.values[2:], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(alone.delta, whole.delta[2:], rtol=1e-6, atol=1e-12)
    other = explain.attribute(model, x, "gradient_shap", target=[0, 1, 2], seed=1, **given)
    assert np.abs(other.values - whole.values).max() > 1e-3 * np.abs(whole.values).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_are_formed_by_two_operations_in_the_points_precision(dtype):
    x, references = X.astype(dtype), REFERENCES.astype(dtype)
    chosen, alphas = draws(9, 7, 0)
    paths = ReferencePaths(Repeated((x,), 9), (references,), chosen, alphas.astype(dtype))
    (points,) = paths.inputs(slice(0, 2), slice(2, 9))
    starts = references[chosen[2:]]
    expected = starts + alphas[2:].astype(dtype)[:, np.newaxis] * (x[:, np.newaxis] - starts)
    assert points.dtype == dtype
    np.testing.assert_array_equal(points.reshape(2, 7, 3), expected)


def test_references_in_the_models_own_layout_and_of_its_framework(kit):
    # Time first: the batch axis is the second, of x and of the references.
    model = kit.function(lambda x: kit.sum(kit.sum(x**3, 2), 0), dtype="float64")
    x, references = (
        np.random.default_rng(seed).normal(size=(4, count, 2)) for seed, count in ((0, 3), (1, 5))
    )
    first = kit.function(lambda x: kit.sum(kit.sum(x**3, 2), 1), dtype="float64")
    given = {"n_samples": 15}
    expected = explain.attribute(
        first, x.swapaxes(0, 1), "gradient_shap", baseline=references.swapaxes(0, 1), layout="NTC", **given
    )
    for baseline in (references, kit.tensor(references)):
        found = explain.attribute(model, x, "gradient_shap", baseline=baseline, layout="TNC", **given)
        np.testing.assert_allclose(found.values.swapaxes(0, 1), expected.values, rtol=1e-6)
        assert found.baseline_rule["count"] == 5
        np.testing.assert_allclose(found.delta, expected.delta, rtol=1e-6, atol=1e-9)


def test_scores_of_references_are_at_each_examples_target_and_beside_what_is_its_own(kit):
    # A companion, a row an example, scales the score: each reference is seen with each example's own.
    model = kit.function(lambda x, scale: kit.sum(x, 1) * scale, dtype="float64")
    scale = np.array([1.0, -4.0])
    found = explain.attribute(
        model, X, "gradient_shap", baseline=REFERENCES, n_samples=14, forward_kwargs={"scale": scale}
    )
    np.testing.assert_allclose(found.values, scale[:, np.newaxis] * (X - REFERENCES.mean(axis=0)), rtol=1e-6)
    np.testing.assert_allclose(found.delta, 0, atol=1e-9)
    several = kit.dense([(np.arange(6.0).reshape(3, 2), np.zeros(2))], dtype="float64")
    for target in ([1, 0], lambda outputs: outputs[:, 1] * 2):
        found = explain.attribute(
            several, X, "gradient_shap", baseline=REFERENCES, n_samples=7, target=target
        )
        np.testing.assert_allclose(found.delta, 0, atol=1e-9)


def test_padding_is_held(kit):
    model = kit.function(lambda x: kit.sum(kit.sum(x**3, 2), 1), dtype="float64")
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    references = np.random.default_rng(1).normal(size=(4, 5, 3))
    given = {"lengths": [3, 5], "n_samples": 8, "stdevs": 0.1, "baseline": references}
    found = explain.attribute(model, x, "gradient_shap", **given)
    assert (found.values[0, 3:] == 0).all()
    assert (found.values[0, :3] != 0).all()
    # Whatever stands in the padding of the example, or at those steps of the references.
    other = x.copy()
    other[0, 3:] = 2.0
    moved = explain.attribute(model, other, "gradient_shap", **given)
    np.testing.assert_allclose(moved.values, found.values, rtol=1e-6)
    np.testing.assert_allclose(moved.delta, found.delta, rtol=1e-6, atol=1e-9)


def test_models_with_a_fixed_batch(tensorflow_kit):
    # A state a row: an example that were seen in another row would be seen with another's state.
    keras = tensorflow_kit.keras
    model = keras_stateful(
        keras, keras.layers.SimpleRNN(5, stateful=True, dtype="float64"), (4, 3), "float64"
    )
    x = np.random.default_rng(0).normal(size=(2, 4, 3))
    references = np.random.default_rng(1).normal(size=(3, 4, 3))
    model.layers[0].states[0].assign(np.random.default_rng(2).normal(size=(2, 5)))
    found = explain.attribute(model, x, "gradient_shap", target=1, baseline=references, n_samples=6)
    chosen, alphas = draws(6, 3, 0)
    expected = np.zeros_like(x)
    for reference, alpha in zip(references[chosen], alphas, strict=True):
        point = reference + alpha * (x - reference)
        expected += (x - reference) * explain.attribute(model, point, "saliency", target=1).values / 6
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-7)
    scores = [
        explain.attribute(model, np.stack([one, one]), "saliency", target=1).scores for one in references
    ]
    delta = expected.reshape(2, -1).sum(axis=1) - (found.scores - np.mean(scores, axis=0))
    np.testing.assert_allclose(found.delta, delta, atol=1e-6)


# --- what is told ------------------------------------------------------------------------------------------


def test_a_set_must_be_given(kit):
    for baseline in (None, "zeros", 0.0, REFERENCES[0]):
        with pytest.raises(BaselineError, match="baseline"):
            explain.attribute(linear(kit), X, "expected_gradients", baseline=baseline)
    with pytest.raises(BaselineError, match=r"baseline=x_train\[:64\]"):
        explain.attribute(linear(kit), X, "expected_gradients")


def test_a_jump_that_no_gradient_shows_is_told_of_and_drawing_is_not(torch_kit):
    # Each step of the score is seen by no gradient.
    def stairs(x):
        return x.sum(dim=1) + 10 * (x[:, 0].detach() > 0)

    with pytest.warns(ConvergenceWarning, match=r"example \[0\] miss .* more samples do not help"):
        explain.attribute(
            torch_kit.function(stairs), np.array([[2.0, 1.0], [-2.0, 1.0]]), "gradient_shap",
            baseline=-1 - np.random.default_rng(0).random((9, 2)), n_samples=50,
        )  # fmt: skip
    # A few samples of a wild score are far off, but by chance.
    wild = torch_kit.function(lambda x: torch.sin(20 * x).sum(dim=1))
    found = [
        explain.attribute(
            wild, X, "gradient_shap", baseline=REFERENCES, n_samples=12, seed=seed
        ).relative_delta
        for seed in range(40)
    ]
    assert np.median(found) > 0.05


def test_what_noise_moves_is_told_of(torch_kit):
    model = torch_kit.function(lambda x: (x**2).sum(dim=1))
    with pytest.warns(ConvergenceWarning, match=r"noise itself may change the score \(stdevs=0 adds none\)"):
        explain.attribute(model, X, "gradient_shap", baseline=np.zeros((1, 3)), n_samples=2000, stdevs=1.0)


def test_other_warnings(kit):
    with pytest.warns(BaselineWarning, match=r"example \[1\]"):
        explain.attribute(linear(kit), X, "gradient_shap", baseline=X[1:])
    with pytest.warns(ZeroGradientWarning, match=r"examples \[0, 1\]"):
        explain.attribute(
            kit.function(lambda x: kit.sum(0 * x, 1)), X.astype("f4"), "gradient_shap", baseline=REFERENCES
        )
    with pytest.warns(NoiseWarning, match=r"\[0\]"):
        explain.attribute(
            linear(kit), np.ones((1, 3)), "gradient_shap", baseline=REFERENCES, stdevs=0.1, n_samples=70
        )


def test_a_reference_without_a_finite_score(torch_kit):
    model = torch_kit.function(lambda x: torch.log(x).sum(dim=1))
    with pytest.raises(BaselineError, match=r"references \[1\]"):
        explain.attribute(
            model, np.ones((2, 3)) + X**2, "gradient_shap",
            baseline=np.array([[1.0, 1.0, 2.0], [0.0, 1.0, 1.0]]), n_samples=1,
        )  # fmt: skip


@pytest.mark.parametrize("option", [{"n_samples": 0}, {"n_samples": "auto"}, {"stdevs": -1}])
def test_options_out_of_range(torch_kit, option):
    (name,) = option
    with pytest.raises(OptionError, match=f"{name}="):
        explain.attribute(linear(torch_kit), X, "expected_gradients", baseline=REFERENCES, **option)
