"""The methods that perturb the input: Captum, formulas and closed forms, on three kinds of model."""

from __future__ import annotations

from itertools import permutations, product

import captum.attr
import numpy as np
import pytest
import torch
from models.recurrent import keras_last_step, keras_stateful

import explain
from explain.algorithms.perturbation.feature_permutation import drawn_permutations
from explain.algorithms.perturbation.occlusion import resolve_windows
from explain.algorithms.perturbation.rise import RandomMasks, interpolation
from explain.algorithms.perturbation.shapley_value_sampling import drawn_orders
from explain.errors import BaselineWarning, InputError, ModelCallError, OptionError
from explain.inputs.layout import Layout

pytestmark = [
    pytest.mark.filterwarnings("error::explain.errors.ExplainWarning"),
    pytest.mark.filterwarnings("ignore:Feature mask is missing:UserWarning"),
]

METHODS = ["occlusion", "feature_ablation", "feature_permutation", "rise", "shapley_value_sampling"]
QUICK = {"rise": {"n_masks": 20}, "shapley_value_sampling": {"n_samples": 3}}

# Results are float32, and Captum keeps its weights and sums in float32 even where scores are float64.
CLOSE = {"rtol": 2e-6, "atol": 2e-6}


def _weights(shape, seed=3):
    return np.random.default_rng(seed).normal(size=(int(np.prod(shape)), 3)) / np.sqrt(np.prod(shape))


class _ArrayKit:
    """The few models of this module as functions of arrays."""

    name = "numpy"
    matmul = staticmethod(lambda x, weight: x @ weight)
    tanh = staticmethod(np.tanh)

    @staticmethod
    def function(call, dtype="float64"):
        return call


@pytest.fixture(params=["torch", "tensorflow", "numpy"])
def any_kit(request):
    """Both frameworks, and functions of arrays."""
    if request.param == "numpy":
        return _ArrayKit()
    return request.getfixturevalue(f"{request.param}_kit")


def _model(kit, shape, seed=3):
    """A smooth function with products between all positions of an example."""
    weights = _weights(shape, seed)

    def call(x):
        flat = (
            x.reshape(len(x), -1) if kit.name != "tensorflow" else kit.tf.reshape(x, (-1, weights.shape[0]))
        )
        return kit.tanh(kit.matmul(flat, weights)) + kit.matmul(flat, weights) ** 2

    return kit.function(call, dtype="float64")


def _reference(x, seed=3):
    """The same, written in torch for Captum."""
    weights = torch.tensor(_weights(x.shape[1:], seed))

    def call(points):
        flat = points.reshape(len(points), -1) @ weights
        return torch.tanh(flat) + flat**2

    return call


def _x(*shape, seed=5):
    return np.random.default_rng(seed).normal(size=shape)


def _explained(kit, x, method, seed_of_model=3, **options):
    options = {"target": 1, **options}
    return explain.attribute(
        _model(kit, x.shape[1:], seed_of_model), x, method, framework=kit.name, score="output", **options
    )


# --- occlusion ---------------------------------------------------------------------------------------------

WINDOWS = [
    ((4, 5), "NC", (1,), 1),
    ((3, 9), "NC", (4,), 3),
    ((2, 7, 3), "NTC", (2, 3), (2, 1)),
    ((2, 7, 3), "NTC", (3, 2), (2, 2)),
    ((2, 3, 8, 7), "NCHW", (3, 3, 2), (1, 2, 2)),
    ((2, 8, 7, 3), "NHWC", (5, 4, 1), (3, 4, 1)),
    ((2, 4, 5, 6, 1), "NDHWC", (2, 3, 4, 1), (1, 2, 3, 1)),
]


@pytest.mark.parametrize(("shape", "layout", "window", "strides"), WINDOWS)
def test_occlusion_is_captums(any_kit, shape, layout, window, strides):
    x, base = _x(*shape), _x(*shape, seed=6)
    found = _explained(
        any_kit, x, "occlusion", layout=layout, baseline=base, sliding_window_shapes=window, strides=strides
    )
    expected = captum.attr.Occlusion(_reference(x)).attribute(
        torch.tensor(x),
        sliding_window_shapes=window,
        strides=strides,
        baselines=torch.tensor(base),
        target=1,
    )
    np.testing.assert_allclose(found.values, expected.numpy(), **CLOSE)


@pytest.mark.parametrize(
    ("sides", "layout", "shapes", "strides", "count"),
    [
        ((3, 224, 224), "NCHW", (3, 28, 28), (1, 14, 14), 225),
        ((32, 32, 3), "NHWC", (4, 4, 3), (2, 2, 1), 225),
        ((12, 57), "NTC", (1, 57), (1, 28), 12),
        ((57, 12), "NCT", (57, 1), (28, 1), 12),
        ((5,), "NC", (1,), (1,), 5),
        ((5, 16, 9), "NDHW", (1, 2, 2), (1, 1, 1), 5 * 15 * 8),
    ],
)
def test_usual_windows(sides, layout, shapes, strides, count):
    windows = resolve_windows(sides, Layout(layout), None, None)
    assert windows.shapes == shapes
    assert windows.strides == strides
    assert np.prod(windows.counts) == count


def test_occlusion_of_a_linear_model_with_windows_of_one(any_kit):
    x, base = _x(2, 4), _x(2, 4, seed=6)
    weights = np.array([[2.0], [-1.0], [0.5], [4.0]])
    model = any_kit.function(lambda x: any_kit.matmul(x, weights), dtype="float64")
    found = explain.attribute(
        model, x, "sliding_window", framework=any_kit.name, score="output", baseline=base
    )
    np.testing.assert_allclose(found.values, weights.T * (x - base), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"sliding_window_shapes": (9, 1)}, r"sliding_window_shapes=\(9, 1\) is larger"),
        ({"sliding_window_shapes": (1,)}, r"sliding_window_shapes=\(1,\) has 1 numbers"),
        ({"sliding_window_shapes": (2, 2), "strides": 3}, "strides=3 leaves positions"),
        ({"strides": (1, 1, 1)}, r"strides=\(1, 1, 1\) has 3 numbers"),
        ({"sliding_window_shapes": 3}, "sliding_window_shapes=3 is out of range"),
        ({"sliding_window_shapes": (0, 1)}, "out of range"),
        ({"strides": 0}, "strides=0 is out of range"),
        ({"strides": 1.5}, "strides=1.5 is out of range"),
    ],
)
def test_windows_that_are_none(options, named):
    with pytest.raises(OptionError, match=named):
        _explained(_ArrayKit(), _x(2, 7, 3), "occlusion", **options)


# --- features: ablation, permutation, Shapley values -------------------------------------------------------

MASKS = [
    ((3, 6), "NC", np.arange(6)),
    ((3, 6), "NC", np.array([[0, 1, 1, 2, 0, 2]])),
    ((2, 4, 3), "NTC", np.array([[[0], [1], [1], [2]]])),
    ((2, 2, 4, 4), "NCHW", np.arange(16).reshape(4, 4) // 5),
]


@pytest.mark.parametrize(("shape", "layout", "mask"), MASKS)
def test_feature_ablation_is_captums(any_kit, shape, layout, mask):
    x, base = _x(*shape), _x(*shape, seed=6)
    found = _explained(any_kit, x, "ablation", layout=layout, baseline=base, feature_mask=mask)
    expected = captum.attr.FeatureAblation(_reference(x)).attribute(
        torch.tensor(x), baselines=torch.tensor(base), target=1, feature_mask=torch.tensor(mask)
    )
    np.testing.assert_allclose(found.values, expected.numpy(), **CLOSE)
    assert found.options["feature_mask"]["shape"] == list(mask.shape)


def test_a_mask_for_each_example_is_as_each_example_alone(any_kit):
    x = _x(2, 5)
    masks = np.array([[0, 0, 1, 1, 2], [0, 1, 1, 1, 1]])
    for method in ("feature_ablation", "shapley_value_sampling"):
        both = _explained(any_kit, x, method, feature_mask=masks)
        for row in range(2):
            alone = _explained(any_kit, x[row : row + 1], method, feature_mask=masks[row])
            np.testing.assert_allclose(both.values[row], alone.values[0], **CLOSE)


@pytest.mark.parametrize(("shape", "layout", "mask"), MASKS)
def test_feature_permutation_is_captums(any_kit, shape, layout, mask):
    x = _x(4, *shape[1:])
    found = _explained(any_kit, x, "permutation", layout=layout, feature_mask=mask, seed=9)
    drawn = iter(drawn_permutations(len(np.unique(mask)), 4, seed=9))

    def given(points, feature):
        return torch.where(feature, points[torch.tensor(next(drawn))], points)

    expected = captum.attr.FeaturePermutation(_reference(x), perm_func=given).attribute(
        torch.tensor(x),
        target=1,
        feature_mask=torch.tensor(mask).reshape((1,) * (x.ndim - mask.ndim) + mask.shape),
    )
    np.testing.assert_allclose(found.values, expected.numpy(), **CLOSE)


def test_permutations_are_all_there_and_none_is_idle():
    drawn = drawn_permutations(6000, 3, seed=0)
    assert (np.sort(drawn, axis=1) == np.arange(3)).all()
    found, counts = np.unique(drawn, axis=0, return_counts=True)
    # Five permutations of three that move something; a count of 6000 draws is within four standard deviations.
    assert len(found) == 5
    assert np.abs(counts - 1200).max() < 4 * np.sqrt(6000 * 0.2 * 0.8)


def test_permutation_wants_a_batch_and_common_features(torch_kit):
    with pytest.raises(InputError, match="at least 2"):
        _explained(_ArrayKit(), _x(1, 4), "feature_permutation")
    with pytest.raises(OptionError, match="differs between the examples"):
        _explained(_ArrayKit(), _x(2, 2), "feature_permutation", feature_mask=[[0, 1], [1, 0]])
    with pytest.raises(OptionError, match="baseline"):
        _explained(_ArrayKit(), _x(2, 2), "feature_permutation", baseline=0)


@pytest.mark.parametrize(("shape", "layout", "mask"), MASKS)
def test_shapley_value_sampling_is_captums(any_kit, shape, layout, mask):
    x, base = _x(*shape), _x(*shape, seed=6)
    n_features = len(np.unique(mask))
    found = _explained(
        any_kit, x, "shapley_values", layout=layout, baseline=base, feature_mask=mask, n_samples=7, seed=4
    )
    method = captum.attr.ShapleyValueSampling(_reference(x))
    method.permutation_generator = lambda features, samples: drawn_orders(features, samples, seed=4).tolist()
    expected = method.attribute(
        torch.tensor(x),
        baselines=torch.tensor(base),
        target=1,
        feature_mask=torch.tensor(mask),
        n_samples=7,
    )
    np.testing.assert_allclose(found.values, expected.numpy(), **CLOSE)
    # What is given as the delta is that of the features, each once: the first position of each stands for it.
    first = np.unique(np.broadcast_to(mask, x.shape)[0], return_index=True)[1]
    ends = [_reference(x)(torch.tensor(one))[:, 1].numpy() for one in (x, base)]
    by_feature = found.values.reshape(len(x), -1)[:, first].sum(axis=1)
    assert len(first) == n_features
    np.testing.assert_allclose(by_feature, ends[0] - ends[1], rtol=1e-5, atol=1e-5)
    assert np.abs(found.delta).max() < 1e-12


def test_shapley_values_are_within_three_standard_errors_of_the_exact_ones(any_kit):
    x, n_samples = _x(2, 5), 400
    call = _reference(x)
    gains = []
    for order in permutations(range(5)):
        point, gain = np.zeros_like(x), np.zeros_like(x)
        before = call(torch.tensor(point))[:, 1].numpy()
        for feature in order:
            point[:, feature] = x[:, feature]
            after = call(torch.tensor(point))[:, 1].numpy()
            gain[:, feature] = after - before
            before = after
        gains.append(gain)
    exact, spread = np.mean(gains, axis=0), np.std(gains, axis=0)
    found = _explained(any_kit, x, "shapley_values", n_samples=n_samples)
    assert (np.abs(found.values - exact) <= 3 * spread / np.sqrt(n_samples) + 1e-6).all()
    # The bound means something: another order of magnitude would not pass.
    assert np.abs(exact).max() > 20 * spread.max() / np.sqrt(n_samples)


def test_a_single_feature_has_the_whole_difference(any_kit):
    x = _x(2, 4)
    found = _explained(any_kit, x, "shapley_values", feature_mask=np.zeros(4, int))
    difference = found.scores - _reference(x)(torch.zeros(2, 4).double())[:, 1].numpy()
    np.testing.assert_allclose(found.values, np.tile(difference[:, None], (1, 4)), **CLOSE)


@pytest.mark.parametrize("method", ["feature_ablation", "feature_permutation", "shapley_value_sampling"])
@pytest.mark.parametrize(
    "mask",
    ["squares", [[-1, 0, 0, 0]], [0.5, 1, 1, 1], 3.5, object()],
    ids=["word", "-1", "half", "number", "object"],
)
def test_feature_masks_that_are_none(method, mask):
    with pytest.raises(OptionError, match="feature_mask"):
        _explained(_ArrayKit(), _x(2, 4), method, feature_mask=mask)


@pytest.mark.parametrize("method", ["feature_ablation", "feature_permutation", "shapley_value_sampling"])
def test_feature_masks_that_do_not_fit(method):
    with pytest.raises(OptionError, match="does not broadcast"):
        _explained(_ArrayKit(), _x(2, 4), method, feature_mask=[0, 1, 2])


# --- RISE --------------------------------------------------------------------------------------------------

EXTENTS = [
    ((2, 5), "NC", None),
    ((2, 9, 3), "NTC", 4),
    ((2, 3, 8, 6), "NCHW", (3, 2)),
    ((2, 4, 5, 6), "NDHW", 2),
]


def _masks(x, layout, grid_size, n_masks, probability, seed):
    """The masks themselves, shaped to lie over an example."""
    masked = [axis for axis, letter in enumerate(layout) if letter in "TDHW"] or [1]
    sides = tuple(x.shape[axis] for axis in masked)
    sizes = sides if grid_size is None else grid_size
    cells = (sizes,) * len(masked) if isinstance(sizes, int) else sizes
    formed = RandomMasks(sides, cells, probability, seed, np.dtype(np.float64)).formed(slice(0, n_masks))
    return formed.reshape(n_masks, *[side if axis in masked else 1 for axis, side in enumerate(x.shape)][1:])


@pytest.mark.parametrize(("shape", "layout", "grid_size"), EXTENTS)
def test_rise_is_the_papers_and_xpliques_formula(any_kit, shape, layout, grid_size):
    x, n_masks, probability = _x(*shape), 150, 0.4
    found = _explained(
        any_kit,
        x,
        "rise",
        layout=layout,
        grid_size=grid_size,
        n_masks=n_masks,
        preservation_probability=probability,
        seed=2,
    )
    masks = _masks(x, layout, grid_size, n_masks, probability, 2)
    scores = np.stack([_reference(x)(torch.tensor(one * masks))[:, 1].numpy() for one in x])
    summed = np.tensordot(scores, masks, axes=1)
    papers = summed / (n_masks * probability)
    xpliques = summed / masks.sum(axis=0)
    mean = scores.mean(axis=1).reshape(-1, *[1] * (x.ndim - 1))
    # The values are Xplique's less the mean score, and times how often a place was kept of how often it should
    # have been, the paper's.
    np.testing.assert_allclose(found.values, np.broadcast_to(xpliques - mean, x.shape), **CLOSE)
    often = masks.sum(axis=0) / (n_masks * probability)
    np.testing.assert_allclose((found.values + mean) * often, np.broadcast_to(papers, x.shape), **CLOSE)


def test_rise_tends_to_half_the_effect_of_independent_columns(any_kit):
    # A linear model and columns kept one by one: E[F | kept] − E[F] = (1 − p) w (x − b).
    x, base, weights, p, n_masks = (
        _x(2, 4),
        _x(2, 4, seed=6),
        np.array([[2.0], [-1.0], [0.5], [4.0]]),
        0.3,
        4000,
    )
    model = any_kit.function(lambda x: any_kit.matmul(x, weights), dtype="float64")
    found = explain.attribute(
        model,
        x,
        "rise",
        framework=any_kit.name,
        score="output",
        baseline=base,
        preservation_probability=p,
        n_masks=n_masks,
    )
    effects = weights.T * (x - base)
    # The mean of the kept: the other columns' Bernoulli variance over the number of masks that keep this one.
    errors = np.sqrt(p * (1 - p) * (effects**2).sum(axis=1, keepdims=True) / (p * n_masks))
    assert (np.abs(found.values - (1 - p) * effects) < 3 * errors).all()
    assert (np.abs(effects).max(axis=1, keepdims=True) > 10 * errors).all()


def test_masks_have_the_mean_that_they_should_and_are_shifted():
    masks = RandomMasks((24, 20), (7, 5), 0.3, seed=1, dtype=np.dtype(np.float64)).formed(slice(0, 5000))
    assert masks.min() >= 0
    assert masks.max() <= 1
    # A place varies no more than a coin does: √(p q / n) is its largest standard error, four of them for 480 places.
    assert np.abs(masks.mean(axis=0) - 0.3).max() < 4.5 * np.sqrt(0.3 * 0.7 / 5000)
    at = interpolation(24, 7, np.linspace(0, 0.999, 50))
    np.testing.assert_allclose(at.sum(axis=2), 1, rtol=1e-12)
    assert len(np.unique(at, axis=0)) == 4  # cells of ceil(24 / 7) = 4 positions have four shifts


def test_interpolation_is_that_of_torch():
    # Enlarged by torch to one cell more than the side, and cut at the shift.
    side, cells = 12, 4
    low = np.random.default_rng(0).random((1, 1, cells))
    enlarged = torch.nn.functional.interpolate(
        torch.tensor(low), size=(cells + 1) * 3, mode="linear", align_corners=False
    ).numpy()[0, 0]
    for shift in range(3):
        weights = interpolation(side, cells, np.array([(shift + 0.5) / 3]))
        np.testing.assert_allclose(weights[0] @ low[0, 0], enlarged[shift : shift + side], rtol=1e-12)


def test_a_constant_added_to_the_score_changes_nothing():
    x = _x(2, 6)
    plain, raised = (
        explain.attribute(
            lambda x, added=added: np.tanh(x).sum(axis=1) + added,
            x,
            "rise",
            framework="numpy",
            score="output",
        ).values
        for added in (0, 1e6)
    )
    np.testing.assert_allclose(plain, raised, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"n_masks": 1}, "n_masks=1"),
        ({"preservation_probability": 1.0}, "preservation_probability=1.0"),
        ({"preservation_probability": 0}, "preservation_probability=0"),
        ({"grid_size": 0}, "grid_size=0"),
        ({"grid_size": (3, 3)}, r"grid_size=\(3, 3\) has 2 numbers"),
    ],
)
def test_masks_that_are_none(options, named):
    with pytest.raises(OptionError, match=named):
        _explained(_ArrayKit(), _x(2, 7, 3), "rise", **options)
    with pytest.raises(OptionError, match="each column"):
        _explained(_ArrayKit(), _x(2, 7), "rise", grid_size=3)


# --- all of them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("shape", "layout"), [((3, 5), "NC"), ((3, 8, 6, 2), "NHWC"), ((3, 6, 2), "NTC")])
def test_chunks_change_nothing(any_kit, method, shape, layout):
    x = _x(*shape)
    one, many = (
        _explained(any_kit, x, method, layout=layout, batch_size=size, **QUICK.get(method, {}))
        for size in (1, 1000)
    )
    np.testing.assert_allclose(one.values, many.values, rtol=1e-6, atol=1e-7)
    assert np.abs(one.values).max() > 0.05


@pytest.mark.parametrize("method", [name for name in METHODS if name != "feature_permutation"])
@pytest.mark.parametrize(("shape", "layout"), [((3, 5), "NC"), ((3, 16, 16, 2), "NHWC"), ((3, 6, 2), "NTC")])
def test_an_example_alone_is_as_in_a_batch(any_kit, method, shape, layout):
    x, more = _x(*shape), QUICK.get(method, {})
    both = _explained(any_kit, x, method, layout=layout, **more)
    alone = _explained(any_kit, x[2:], method, layout=layout, **more)
    np.testing.assert_allclose(both.values[2:], alone.values, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_padding_has_zero_and_no_say(any_kit, method):
    x, lengths, more = _x(3, 6, 2), [3, 6, 4], QUICK.get(method, {})
    other = x.copy()
    # What is padding in the first example is real in the second, whose values the first is given in exchange.
    if method != "feature_permutation":
        other[0, 3:] = 9.0
    weights = _weights((3, 2))

    def call(points):
        # Reads the first three steps alone, which are real in every example.
        if any_kit.name == "tensorflow":
            return any_kit.tanh(any_kit.matmul(any_kit.tf.reshape(points[:, :3], (-1, 6)), weights))
        return any_kit.tanh(any_kit.matmul(points[:, :3].reshape(-1, 6), weights))

    first, second = (
        explain.attribute(
            any_kit.function(call, dtype="float64"),
            points,
            method,
            framework=any_kit.name,
            target=1,
            score="output",
            lengths=lengths,
            **more,
        )
        for points in (x, other)
    )
    np.testing.assert_array_equal(first.values, second.values)
    assert (first.values[~first.mask] == 0).all()
    assert (np.abs(first.values[:, :3]).max(axis=(1, 2)) > 0.05).all()


@pytest.mark.parametrize("method", METHODS)
def test_padding_is_never_perturbed(method):
    x, lengths, shown = _x(3, 6, 2), [3, 3, 4], []

    def call(points):
        shown.extend(points)
        return points.sum(axis=(1, 2))

    explain.attribute(
        call, x, method, framework="numpy", score="output", lengths=lengths, **QUICK.get(method, {})
    )
    assert any((point[:3] != x[0, :3]).any() for point in shown)
    for point in shown:
        assert any((point[length:] == one[length:]).all() for one, length in zip(x, lengths, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_twins_with_channels_first_and_last_agree(torch_kit, tensorflow_kit, method):
    x = _x(3, 9, 8, 2)
    weights = _weights((9, 8, 2)).reshape(9, 8, 2, 3)

    def last(points):
        flat = tensorflow_kit.tf.einsum("nhwc,hwck->nk", points, tensorflow_kit.tensor(weights))
        return tensorflow_kit.tanh(flat) + flat**2

    def first(points):
        flat = torch.einsum("nchw,hwck->nk", points, torch.tensor(weights))
        return torch.tanh(flat) + flat**2

    more = dict(QUICK.get(method, {}))
    if "feature" in method or "shapley" in method:
        more["feature_mask"] = "elements" if method == "shapley_value_sampling" else "grid"
    a = explain.attribute(
        torch_kit.function(first),
        np.moveaxis(x, -1, 1),
        method,
        target=1,
        score="output",
        layout="NCHW",
        **more,
    )
    b = explain.attribute(
        tensorflow_kit.function(last, dtype="float64"),
        x,
        method,
        target=1,
        score="output",
        layout="NHWC",
        **more,
    )
    np.testing.assert_allclose(np.moveaxis(a.values, 1, -1), b.values, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_small_differences_of_large_scores_are_kept(method):
    # In float32, whose steps at a million are a sixteenth, nothing would be left; the inputs are float32.
    x = _x(3, 4).astype(np.float32)

    def call(points, added):
        return 1e-3 * points.astype(np.float64).sum(axis=1) + added

    plain, raised = (
        explain.attribute(
            lambda points, added=added: call(points, added),
            x,
            method,
            framework="numpy",
            score="output",
            **QUICK.get(method, {}),
        ).values
        for added in (0, 1e6)
    )
    np.testing.assert_allclose(plain, raised, rtol=0, atol=2e-9)
    assert np.abs(plain).max() > 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_seeds_and_files(tmp_path, method):
    x, more = _x(5, 6), QUICK.get(method, {})
    first, again, other = (_explained(_ArrayKit(), x, method, seed=seed, **more) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.values, again.values)
    drawn = method in ("feature_permutation", "rise", "shapley_value_sampling")
    assert (first.values != other.values).any() == drawn
    loaded = explain.load(first.save(tmp_path / "map.npz"))
    np.testing.assert_array_equal(loaded.values, first.values)
    assert set(loaded.options) == set(first.options)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "feature_permutation"])
def test_baseline_that_equals_the_input_warns(method):
    with pytest.warns(BaselineWarning, match=r"example \[1\]"):
        found = _explained(_ArrayKit(), np.array([[1.0, 2.0], [0.0, 0.0]]), method, **QUICK.get(method, {}))
    np.testing.assert_array_equal(found.values[1], 0)


@pytest.mark.parametrize("method", METHODS)
def test_scores_that_are_no_numbers_are_named(method):
    x = np.array([[1.0, 2.0], [3.0, 5.0]])

    def logarithm(points):
        with np.errstate(all="ignore"):
            return np.log(np.abs(points[:, 0] - points[:, 1] + 4) * points[:, 0] * points[:, 1])

    def undefined(points):
        kept = (points[:, None] == x).all(axis=2).any(axis=1)
        return np.where(kept, points.sum(axis=1), np.nan)

    with pytest.raises((ModelCallError, explain.errors.BaselineError), match="NaN or infinite"):
        explain.attribute(
            undefined if method == "feature_permutation" else logarithm,
            x,
            method,
            framework="numpy",
            score="output",
            **QUICK.get(method, {}),
        )


@pytest.mark.parametrize("method", [name for name in METHODS if name != "feature_permutation"])
def test_stateful_models_see_each_example_in_its_row(tensorflow_kit, method):
    keras = tensorflow_kit.keras
    model = keras_stateful(keras, keras.layers.GRU(4, stateful=True), (5, 3))
    tensorflow_kit.randomised(model)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    model(x)
    more = QUICK.get(method, {})
    found = explain.attribute(model, x, method, target=0, **more)
    states = [state.numpy() for state in model.layers[0].states]
    plain = keras_last_step(keras, keras.layers.GRU(4), (5, 3), "float32")
    plain.set_weights(model.get_weights())
    for row in range(2):

        class Begun(keras.Model):
            def __init__(self, start):
                super().__init__()
                self.start = start

            def call(self, inputs):
                start = tensorflow_kit.tf.repeat(self.start, tensorflow_kit.tf.shape(inputs)[0], axis=0)
                return plain.layers[1](plain.layers[0](inputs, initial_state=start))

        begun = Begun(tensorflow_kit.tensor(states[0][row : row + 1]))
        begun.built = True
        alone = explain.attribute(begun, x[row : row + 1], method, target=0, **more)
        np.testing.assert_allclose(found.values[row], alone.values[0], rtol=1e-4, atol=1e-6)


def test_every_position_of_every_window_is_covered():
    for side, shape in product(range(1, 9), range(1, 9)):
        for stride in range(1, shape + 1):
            if shape <= side:
                windows = resolve_windows((side,), Layout("NC"), (shape,), stride)
                covered = np.zeros(side, bool)
                for place in windows.slices(slice(0, windows.counts[0])):
                    covered[place] = True
                assert covered.all()
