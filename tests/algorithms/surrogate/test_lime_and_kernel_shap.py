"""LIME and kernel SHAP: against the definition of the Shapley value, closed forms, and Captum on the same samples."""

from __future__ import annotations

import itertools
import warnings
from math import comb, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import explain
from explain.algorithms.surrogate.coalition_draws import shapley_coalitions, uniform_coalitions
from explain.errors import BaselineWarning, ExplainWarning, OptionError, SurrogateWarning

RNG = np.random.default_rng(0)
LAYERS = [(RNG.normal(size=(6, 8)), RNG.normal(size=8)), (RNG.normal(size=(8, 3)), RNG.normal(size=3))]
X, BASE = RNG.normal(size=(3, 6)), RNG.normal(size=6)


def network(x):
    """The kit's dense network with tanh, by hand."""
    (first, offset), (second, last) = LAYERS
    return np.tanh(x @ first + offset) @ second + last


def by_definition(function, x, base, groups):
    """Shapley values of groups of positions: each one's gain, averaged over all orders in which they may come."""
    count = groups.max() + 1
    worth = {
        members: function(np.where(np.isin(groups, members), x, base)[np.newaxis])[0]
        for size in range(count + 1)
        for members in itertools.combinations(range(count), size)
    }
    values = np.zeros(count)
    for members, score in worth.items():
        share = (
            factorial(len(members)) * factorial(count - len(members) - 1) / factorial(count)
            if (len(members) < count)
            else 0
        )
        for one in set(range(count)) - set(members):
            values[one] += share * (worth[tuple(sorted((*members, one)))] - score)
    return values[groups]


GROUPS = [np.arange(6), np.array([0, 1, 1, 2, 0, 3]), np.array([0, 0, 0, 1, 1, 1]), np.zeros(6, int)]


@pytest.mark.parametrize("groups", GROUPS, ids=lambda groups: f"{groups.max() + 1} features")
def test_all_coalitions_give_the_shapley_values(kit, groups):
    model = kit.dense(LAYERS, between="tanh", dtype="float64")
    a = explain.attribute(model, X, "kernel_shap", target=1, baseline=BASE, feature_mask=groups, n_samples=64)
    expected = [by_definition(lambda z: network(z)[:, 1], x, BASE, groups) for x in X]
    # The result is float32.
    np.testing.assert_allclose(a.values, expected, rtol=1e-6, atol=1e-7)
    assert (abs(a.delta) < 1e-12).all()


@given(st.integers(2, 40), st.integers(4, 300), st.integers(0, 5))
@settings(deadline=None)
def test_coalitions_stand_for_the_shapley_kernel(n_features, n_samples, seed):
    drawn = shapley_coalitions(n_features, n_samples, seed)
    presence, weights = drawn.presence, drawn.weights
    sizes = presence.sum(axis=1)
    assert len(presence) == len(weights) <= n_samples - 2
    assert ((sizes > 0) & (sizes < n_features)).all()
    assert len({one.tobytes() for one in presence}) == len(presence)
    np.testing.assert_allclose(weights.sum(), 1)
    # Each with its complement, which weighs the same.
    weight_of = {one.tobytes(): weight for one, weight in zip(presence, weights, strict=True)}
    for one, weight in zip(presence, weights, strict=True):
        assert weight_of[(~one).tobytes()] == pytest.approx(weight)
    kernel = np.array([1 / (size * (n_features - size)) for size in range(1, n_features)])
    kernel /= kernel.sum()
    mass = np.bincount(sizes, weights, n_features)[1:]
    whole = [size for size in range(1, n_features) if (sizes == size).sum() == comb(n_features, size)]
    if 2**n_features <= n_samples:
        assert len(whole) == n_features - 1
        np.testing.assert_allclose(mass, kernel)
    # Sizes that were taken whole from both ends weigh just what they weigh in the kernel.
    for size in whole:
        if n_samples >= 2 * n_features * comb(n_features, size):
            np.testing.assert_allclose(mass[size - 1], kernel[size - 1])


def test_sizes_are_drawn_by_the_kernel():
    kernel = np.array([1 / (size * (12 - size)) for size in range(1, 12)])
    mass = np.mean(
        [
            np.bincount(one.presence.sum(axis=1), one.weights, 12)[1:]
            for one in (shapley_coalitions(12, 40, seed) for seed in range(400))
        ],
        axis=0,
    )
    # 400 times 19 pairs: the largest chance, of a quarter, has a standard error of a half per cent.
    np.testing.assert_allclose(mass, kernel / kernel.sum(), atol=0.015)
    by_feature = np.mean(
        [shapley_coalitions(12, 40, seed).presence.mean(axis=0) for seed in range(400)], axis=0
    )
    # A pair has each feature once, so there is nothing random in how often it is there.
    np.testing.assert_allclose(by_feature, 0.5)


def test_draws_depend_on_the_seed_and_the_number_of_features():
    for draw in (uniform_coalitions, lambda *given: shapley_coalitions(*given).presence):
        assert np.array_equal(draw(12, 50, 3), draw(12, 50, 3))
        assert not np.array_equal(draw(12, 50, 3)[:10], draw(12, 50, 4)[:10])
    assert uniform_coalitions(40, 2000, 0).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")
def test_a_linear_model_is_explained_exactly_by_few_samples(kit):
    weight, x = RNG.normal(size=(20, 2)), RNG.normal(size=(4, 20))
    model = kit.dense([(weight, np.zeros(2))], dtype="float64")
    base = np.linspace(-1, 1, 20)
    expected = weight[:, 1] * (x - base)
    shap = explain.attribute(model, x, "kernel_shap", target=1, baseline=base, n_samples=80)
    np.testing.assert_allclose(shap.values, expected, rtol=1e-5, atol=1e-6)
    for options in (
        {},
        {"interpretable_model": "ridge"},
        {"distance_mode": "euclidean", "kernel_width": 9.0},
    ):
        plain = explain.attribute(model, x, "lime", target=1, baseline=base, alpha=0, n_samples=80, **options)
        np.testing.assert_allclose(plain.values, expected, rtol=1e-5, atol=1e-6)
    # The ridge pulls each coefficient a little towards zero, the Lasso takes more off.
    ridge = explain.attribute(
        model, x, "lime", target=1, baseline=base, interpretable_model="ridge", n_samples=400, alpha=1
    )
    np.testing.assert_allclose(ridge.values, expected, atol=0.05 * abs(expected).max())
    assert (abs(ridge.values).sum(axis=1) < abs(expected).sum(axis=1)).all()
    strong = explain.attribute(model, x, "lime", target=1, baseline=base, alpha=0.2, n_samples=400)
    assert ((strong.values == 0).any(axis=1) & (strong.values != 0).any(axis=1)).all()


def test_fewer_samples_are_right_on_average():
    groups = np.arange(10)
    weight = np.random.default_rng(5).normal(size=(10, 10))

    def curved(x):
        return np.tanh(x @ weight[:, :4]).prod(axis=1) + np.tanh(x @ weight).sum(axis=1)

    x, base = np.random.default_rng(6).normal(size=10), np.zeros(10)
    expected = by_definition(curved, x, base, groups)

    def shap(n_samples, seed):
        return explain.attribute(
            curved,
            x[np.newaxis],
            "kernel_shap",
            framework="numpy",
            score="output",
            n_samples=n_samples,
            seed=seed,
        ).values[0]

    np.testing.assert_allclose(shap(1024, 0), expected, rtol=1e-5, atol=1e-6)
    found = np.array([shap(120, seed) for seed in range(60)])
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (abs(found.mean(axis=0) - expected) <= 3 * error + 1e-6).all()
    # And all but one in ten of them near: half the size of the map's typical value would be useless.
    assert np.quantile(np.linalg.norm(found - expected, axis=1), 0.9) < 0.2 * np.linalg.norm(expected)


@given(st.integers(1, 9), st.integers(4, 60), st.integers(0, 3))
@settings(deadline=None, max_examples=30)
def test_values_sum_to_the_difference_of_the_scores(width, n_samples, seed):
    weight = np.random.default_rng(seed).normal(size=(width, width))

    def function(x):
        return np.exp(np.tanh(x @ weight)).prod(axis=1)

    x = np.random.default_rng(seed + 1).normal(size=(2, width))
    with warnings.catch_warnings(action="ignore", category=SurrogateWarning):
        a = explain.attribute(
            function, x, "kernel_shap", framework="numpy", score="output", n_samples=n_samples, seed=seed
        )
    difference = function(x) - function(np.zeros_like(x))
    np.testing.assert_allclose(a.values.sum(axis=1, dtype=np.float64), difference, rtol=1e-5, atol=1e-5)
    assert (abs(a.delta) <= 1e-10 * (1 + abs(difference))).all()


def captums(kind, presence, weights=None, **keywords):
    """Captum's Lime or KernelShap of the kit's network on just these coalitions, one example at a time."""
    import torch
    from captum.attr import KernelShap, Lime

    first, second = LAYERS

    def score(x):
        hidden = torch.tanh(x @ torch.tensor(first[0]) + torch.tensor(first[1]))
        return hidden @ torch.tensor(second[0]) + torch.tensor(second[1])

    def coalitions(original, **_):
        for one in presence:
            yield torch.tensor(one[np.newaxis].astype(np.int64))

    if kind == "lime":
        method = Lime(score, perturb_func=coalitions, **keywords)
    else:
        method = KernelShap(score)
        method.perturb_func = coalitions
        by_coalition = {one.tobytes(): weight for one, weight in zip(presence, weights, strict=True)}
        method.similarity_func = lambda _, __, sample, **___: torch.tensor(
            [by_coalition[sample[0].numpy().astype(bool).tobytes()]]
        )

    def values(x, groups):
        return method.attribute(
            torch.tensor(x[np.newaxis]),
            baselines=torch.tensor(BASE[np.newaxis]),
            target=1,
            feature_mask=torch.tensor(groups[np.newaxis]),
            n_samples=len(presence),
        )[0].numpy()

    return values


@pytest.mark.parametrize("groups", GROUPS[:2], ids=lambda groups: f"{groups.max() + 1} features")
@pytest.mark.parametrize("mode", ["cosine", "euclidean"])
@pytest.mark.parametrize("kind", ["lasso", "ridge"])
def test_lime_is_captums_on_the_same_samples(kit, kind, mode, groups):
    from captum._utils.models.linear_model import SkLearnLasso, SkLearnRidge
    from captum.attr._core.lime import get_exp_kernel_similarity_function

    alpha, width = 0.02 if kind == "lasso" else 2.0, 0.7 if mode == "cosine" else 3.0
    # Ended as tightly as ours; Captum fits in float32, where the last steps cannot be told.
    theirs = SkLearnLasso(alpha=alpha, tol=1e-7) if kind == "lasso" else SkLearnRidge(alpha=alpha)
    values = captums(
        "lime",
        uniform_coalitions(groups.max() + 1, 60, seed=4),
        interpretable_model=theirs,
        similarity_func=get_exp_kernel_similarity_function(mode, width),
    )
    with warnings.catch_warnings(action="ignore"):
        expected = np.stack([values(x, groups) for x in X])
    a = explain.attribute(
        kit.dense(LAYERS, between="tanh", dtype="float64"),
        X,
        "lime",
        target=1,
        baseline=BASE,
        feature_mask=groups,
        n_samples=60,
        seed=4,
        interpretable_model=kind,
        alpha=alpha,
        distance_mode=mode,
        kernel_width=width,
    )
    # Captum fits in float32.
    np.testing.assert_allclose(a.values, expected, rtol=1e-4, atol=1e-5)
    assert (expected != 0).any(axis=1).all()


def test_limes_defaults_are_captums():
    values = captums("lime", uniform_coalitions(6, 100, seed=0))
    with warnings.catch_warnings(action="ignore"):
        expected = np.stack([values(x, np.arange(6)) for x in X])
    a = explain.attribute(
        network, X, "lime", framework="numpy", target=1, baseline=BASE, score="output", n_samples=100
    )
    # Its Lasso ends at a tolerance of 1e-4.
    np.testing.assert_allclose(a.values, expected, atol=1e-3)
    assert a.options["kernel_width"] == 1.0
    assert a.options["alpha"] == 0.01


@pytest.mark.parametrize("n_samples", [64, 24], ids=["all", "some"])
def test_kernel_shap_is_captums_on_the_same_coalitions(n_samples):
    drawn = shapley_coalitions(6, n_samples, seed=0)
    ends = np.array([np.ones(6, bool), np.zeros(6, bool)])
    # In Captum the ends are met by a weight of a million beside ones; more would be lost in its float32.
    values = captums(
        "shap",
        np.concatenate([ends, drawn.presence]),
        np.concatenate([[1e6, 1e6], drawn.weights * len(drawn.weights)]),
    )
    with warnings.catch_warnings(action="ignore"):
        expected = np.stack([values(x, np.arange(6)) for x in X])
    a = explain.attribute(
        network,
        X,
        "kernel_shap",
        framework="numpy",
        target=1,
        baseline=BASE,
        score="output",
        n_samples=n_samples,
    )
    np.testing.assert_allclose(a.values, expected, atol=2e-3 * abs(expected).max())


METHODS = [("lime", {"n_samples": 50}), ("kernel_shap", {"n_samples": 50})]


@pytest.mark.parametrize(
    ("method", "options"), METHODS, ids=lambda part: part if isinstance(part, str) else ""
)
def test_neither_chunks_nor_neighbours_matter(kit, method, options):
    def model(x):
        return kit.tanh(kit.sum(x * x, 2))

    # Sequences of 7, 4 and 1 steps have as many features.
    x, lengths = np.random.default_rng(1).normal(size=(3, 7, 2)), [7, 4, 1]
    function = kit.function(
        lambda x: kit.sum(model(x), 1) + kit.tanh(kit.sum(kit.sum(x, 2), 1)), dtype="float64"
    )
    keywords = {"score": "output", "lengths": lengths, "baseline": 0.3, **options}
    if method == "lime":
        keywords["alpha"] = 1e-4
    if kit.name == "torch":
        x = kit.tensor(x).numpy()

    def explained(rows=slice(None), **more):
        with warnings.catch_warnings(action="ignore", category=ExplainWarning):
            return explain.attribute(
                function, x[rows], method, **{**keywords, "lengths": lengths[rows], **more}
            ).values

    together = explained()
    for size in (1, 7, 1000):
        np.testing.assert_allclose(explained(batch_size=size), together, rtol=1e-6, atol=1e-7)
    for row in range(3):
        np.testing.assert_allclose(explained(slice(row, row + 1))[0], together[row], rtol=1e-6, atol=1e-7)
    for row, length in enumerate(lengths):
        assert (together[row, length:] == 0).all()
        # Every value of a step has the step's coefficient.
        assert (together[row, :length] == together[row, :length, :1]).all()
        assert (together[row, :length] != 0).all()
    assert not np.array_equal(explained(seed=1)[0], together[0]) or method == "kernel_shap"


def test_padding_is_never_touched():
    seen = []

    def reads_padding(x):
        seen.append(x[:, 2:])
        return x.sum(axis=(1, 2))

    x = np.random.default_rng(0).normal(size=(1, 4, 2))
    for method in ("lime", "kernel_shap"):
        a = explain.attribute(
            reads_padding,
            x,
            method,
            framework="numpy",
            layout="NTC",
            lengths=[2],
            baseline=7.0,
            score="output",
            **({"alpha": 0} if method == "lime" else {}),
        )
        np.testing.assert_allclose(
            a.values[0, :2], np.repeat((x[0, :2] - 7).sum(axis=1), 2).reshape(2, 2), rtol=1e-5
        )
        assert (a.values[0, 2:] == 0).all()
    assert all((part == x[:, 2:]).all() for part in seen)


def test_what_padding_holds_does_not_weigh():
    """A distance that took the padding in would weigh samples by what is never changed."""

    def function(x):
        return np.tanh(x[:, :3].sum(axis=2)).prod(axis=1)

    x = np.random.default_rng(0).normal(size=(1, 3, 2))
    filled = np.concatenate([x, np.full((1, 2, 2), 50.0)], axis=1)
    plain, padded = (
        explain.attribute(
            function,
            given,
            "lime",
            framework="numpy",
            score="output",
            lengths=[3],
            alpha=1e-6,
            kernel_width=0.2,
        ).values
        for given in (x, filled)
    )
    assert (plain != 0).all()
    np.testing.assert_allclose(padded[:, :3], plain, rtol=1e-6)


@pytest.mark.parametrize("method", ["lime", "kernel_shap"])
def test_a_model_with_a_fixed_batch(tensorflow_kit, method):
    keras = tensorflow_kit.keras
    free = tensorflow_kit.dense(LAYERS, between="tanh", dtype="float64")
    fixed = keras.Sequential([keras.Input(batch_shape=(2, 6), dtype="float64"), *free.layers])
    one, other = (
        explain.attribute(model, X, method, target=1, n_samples=30).values for model in (free, fixed)
    )
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_no_more_points_at_once_than_asked_for():
    sizes = []

    def function(x):
        sizes.append(len(x))
        return x.sum(axis=1)

    for method in ("lime", "kernel_shap"):
        explain.attribute(function, X, method, framework="numpy", score="output", batch_size=5, n_samples=60)
    assert max(sizes) == 5


def test_a_mask_is_in_the_result(tmp_path):
    a = explain.attribute(
        network, X, "shap", framework="numpy", target=0, score="output", feature_mask=GROUPS[1]
    )
    assert a.method == "kernel_shap"
    assert a.options["feature_mask"]["shape"] == [6]
    assert explain.load(a.save(tmp_path / "a")).options == a.options


def test_too_few_samples_are_told_of():
    x = np.random.default_rng(0).normal(size=(2, 30))
    for method, enough in (("lime", 100), ("kernel_shap", 100)):
        with pytest.warns(
            SurrogateWarning, match=r"n_samples=20 is too few.*\[0, 1\].*30 features.*feature_mask"
        ):
            a = explain.attribute(
                np.tanh, x, method, framework="numpy", target=0, score="output", n_samples=20
            )
        assert np.isfinite(a.values).all()
        with warnings.catch_warnings(action="error"):
            explain.attribute(
                np.tanh, x, method, framework="numpy", target=0, score="output", n_samples=enough
            )
            explain.attribute(
                np.tanh,
                x,
                method,
                framework="numpy",
                target=0,
                score="output",
                n_samples=20,
                feature_mask=np.arange(30) // 10,
            )


def test_a_kernel_so_narrow_that_few_samples_count_is_told_of():
    with pytest.warns(SurrogateWarning, match="do not determine"):
        explain.attribute(
            network,
            X,
            "lime",
            framework="numpy",
            target=0,
            score="output",
            alpha=0,
            distance_mode="euclidean",
            kernel_width=0.05,
            n_samples=40,
        )
    with pytest.raises(OptionError, match=r"kernel_width=1e-05 is too small.*every sample has weight zero"):
        explain.attribute(
            network,
            X,
            "lime",
            framework="numpy",
            target=0,
            score="output",
            distance_mode="euclidean",
            kernel_width=1e-5,
            n_samples=3,
            seed=2,
        )


def test_a_penalty_that_leaves_nothing_is_told_of():
    def probability(x):
        return 0.01 * np.tanh(x.sum(axis=1))

    with pytest.warns(SurrogateWarning, match=r"Every coefficient is zero.*alpha=0\.01.*units of the score"):
        a = explain.attribute(probability, X, "lime", framework="numpy", score="output")
    assert (a.values == 0).all()
    with warnings.catch_warnings(action="error"):
        explain.attribute(probability, X, "lime", framework="numpy", score="output", alpha=1e-5)
        # A score that does not change has no features to find, and nobody is to blame.
        explain.attribute(lambda x: np.ones(len(x)), X, "lime", framework="numpy", score="output")


@pytest.mark.parametrize("method", ["lime", "kernel_shap"])
def test_a_baseline_that_is_the_input(method):
    with pytest.warns(BaselineWarning, match=r"equals the input for example \[1\]"):
        a = explain.attribute(
            network,
            X,
            method,
            framework="numpy",
            target=0,
            score="output",
            baseline=np.stack([BASE, X[1], BASE]),
        )
    np.testing.assert_allclose(a.values[1], 0, atol=1e-7)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("lime", {"n_samples": 1}),
        ("lime", {"n_samples": 2.5}),
        ("lime", {"alpha": -0.1}),
        ("lime", {"alpha": float("nan")}),
        ("lime", {"kernel_width": 0}),
        ("lime", {"kernel_width": float("inf")}),
        ("lime", {"distance_mode": "manhattan"}),
        ("lime", {"interpretable_model": "tree"}),
        ("lime", {"interpretable_model": None}),
        ("lime", {"feature_mask": "pixels"}),
        ("kernel_shap", {"n_samples": 3}),
        ("kernel_shap", {"n_samples": "many"}),
        ("kernel_shap", {"feature_mask": np.array([0.5, 1])}),
        ("kernel_shap", {"feature_mask": [-1, 0]}),
        ("kernel_shap", {"feature_mask": np.arange(5)}),
        ("kernel_shap", {"feature_mask": "superpixels"}),
        ("kernel_shap", {"alpha": 0.1}),
    ],
    ids=str,
)
def test_bad_options(method, options):
    (name,) = options
    with pytest.raises(OptionError, match=name):
        explain.attribute(network, X, method, framework="numpy", target=0, score="output", **options)
