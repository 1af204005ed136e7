"""Blur and guided integrated gradients and XRAI: held to the `saliency` package, closed forms and themselves."""

from __future__ import annotations

import numpy as np
import pytest
import saliency.core as oracle
from saliency.core import guided_ig as oracle_guided_ig
from saliency.core import xrai as oracle_xrai
from scipy.ndimage import gaussian_filter

import explain
from explain.algorithms.path.blur_integrated_gradients import gaussian_blur
from explain.algorithms.path.xrai import SCALES, region_map, segments
from explain.errors import BaselineWarning, ConvergenceWarning, OptionError, UnsupportedInputError

# Few steps, and the published rules with them, need not converge.
pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")

# The result is float32.
CLOSE = {"rtol": 1e-5, "atol": 1e-7}
PUBLISHED_BLUR = {"spacing": "linear", "edges": "zeros", "grad_step": 0.01}


def pictures(kit, count=3, channels=2, side=(8, 10), seed=1):
    """The same pictures in each framework's own layout."""
    x = np.random.default_rng(seed).normal(size=(count, *side, channels))
    return np.moveaxis(x, -1, 1) if kit.name == "torch" else x


def channels_last(kit, array):
    return np.moveaxis(array, 1, -1) if kit.name == "torch" else array


def caller(kit, model, target):
    """What the oracle calls for gradients of pictures whose channels are last: our saliency."""

    def call(batch, call_model_args=None, expected_keys=None):
        batch = np.asarray(batch, np.float64)
        own = np.moveaxis(batch, -1, 1) if kit.name == "torch" else batch
        found = explain.attribute(model, np.ascontiguousarray(own), "saliency", target=target)
        return {oracle.INPUT_OUTPUT_GRADIENTS: channels_last(kit, found.values).astype(np.float64)}

    return call


def polynomial(kit):
    """A smooth score whose gradient depends on the point: half the sum of x³ / 3."""
    return kit.function(lambda x: kit.sum(x * x * x, (1, 2, 3)) / 3, dtype="float64")


def call_polynomial(batch, call_model_args=None, expected_keys=None):
    return {oracle.INPUT_OUTPUT_GRADIENTS: np.asarray(batch) ** 2}


# --- blur ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.05, 0.4, 1.3, 20.0])
@pytest.mark.parametrize(("edges", "mode"), [("reflect", "reflect"), ("zeros", "constant")])
def test_blur_is_scipys(sigma, edges, mode):
    x = np.random.default_rng(0).normal(size=(2, 5, 9, 3))
    expected = gaussian_filter(x, sigma=(0, sigma, sigma, 0), mode=mode)
    np.testing.assert_allclose(gaussian_blur(x, sigma, edges), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("spacing", "sqrt"), [("linear", False), ("sqrt", True)])
def test_blur_ig_is_the_published_one_at_its_settings(kit, spacing, sqrt):
    x = pictures(kit)
    given = {**PUBLISHED_BLUR, "spacing": spacing, "n_steps": 7, "max_sigma": 3}
    found = explain.attribute(polynomial(kit), x, "blur_ig", **given)
    for own, one in zip(channels_last(kit, found.values), channels_last(kit, x), strict=True):
        expected = oracle.BlurIG().GetMask(one, call_polynomial, steps=7, max_sigma=3, sqrt=sqrt)
        np.testing.assert_allclose(own, expected, **CLOSE)
    model = kit.cnn(channels=2, side=(8, 10), dtype="float64")
    found = explain.attribute(model, x, "blur_ig", target=1, **given)
    for own, one in zip(channels_last(kit, found.values), channels_last(kit, x), strict=True):
        expected = oracle.BlurIG().GetMask(one, caller(kit, model, 1), steps=7, max_sigma=3, sqrt=sqrt)
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-6)


def test_blur_ig_of_a_linear_model_is_what_the_blur_takes_away(kit):
    x = pictures(kit)
    model = kit.function(lambda x: kit.sum(3 * x, (1, 2, 3)), dtype="float64")
    for edges, mode in (("reflect", "reflect"), ("zeros", "constant")):
        found = explain.attribute(model, x, "blur_ig", max_sigma=2, n_steps=3, edges=edges)
        last = channels_last(kit, x)
        last = gaussian_filter(last, sigma=(0, 2, 2, 0), mode=mode)
        np.testing.assert_allclose(
            channels_last(kit, found.values), 3 * (channels_last(kit, x) - last), rtol=1e-5, atol=1e-6
        )
        assert abs(found.delta).max() < 1e-9


def test_blur_ig_converges_to_one_integral(kit):
    """However the path is cut, the limit is one; ours is nearer to it than the published rule."""
    x, model = pictures(kit), polynomial(kit)
    limit = explain.attribute(model, x, "blur_ig", n_steps=2000, max_sigma=4).values
    far = {}
    for name, given in {
        "ours": {},
        "linear": {"spacing": "linear"},
        "published": {"spacing": "linear", "grad_step": 0.001},
    }.items():
        found = explain.attribute(model, x, "blur_ig", n_steps=100, max_sigma=4, **given)
        far[name] = np.linalg.norm(found.values - limit) / np.linalg.norm(limit)
    assert far["ours"] < 1e-3
    assert far["linear"] < 1e-2
    assert far["ours"] < far["published"] < 0.2


def test_blur_ig_of_a_padded_sequence_is_that_of_the_sequence_alone(kit):
    x = np.random.default_rng(2).normal(size=(2, 6, 3))
    model = kit.function(lambda x: kit.sum(x * x * x, (1, 2)), dtype="float64")
    together = explain.attribute(model, x, "blur_ig", n_steps=5, max_sigma=3, lengths=[6, 4], layout="NTC")
    alone = explain.attribute(model, x[1:, :4], "blur_ig", n_steps=5, max_sigma=3, layout="NTC")
    np.testing.assert_allclose(together.values[1, :4], alone.values[0], **CLOSE)
    assert not together.values[1, 4:].any()


def test_blur_ig_says_that_an_even_picture_has_nothing_to_blur(kit):
    with pytest.warns(BaselineWarning, match=r"example \[0\]"):
        found = explain.attribute(polynomial(kit), np.ones((1, 4, 4, 2)), "blur_ig", n_steps=2)
    np.testing.assert_allclose(found.values, 0, atol=1e-12)


# --- guided -------------------------------------------------------------------------------------------------


@pytest.fixture
def published_guided_ig(monkeypatch):
    """The oracle, which still says `interpolation` where NumPy now says `method`."""
    plain = np.quantile
    monkeypatch.setattr(
        oracle_guided_ig.np, "quantile", lambda a, q, interpolation: plain(a, q, method=interpolation)
    )
    return oracle.GuidedIG()


@pytest.mark.parametrize(
    ("n_steps", "fraction", "max_dist"),
    [(20, 0.25, 0.02), (10, 0.1, 1.0), (7, 1.0, 0.3), (12, 0.5, 0.0), (30, 0.0, 0.2)],
)
def test_guided_ig_is_the_published_one(kit, published_guided_ig, n_steps, fraction, max_dist):
    x = pictures(kit)
    baseline = np.random.default_rng(5).normal(size=x.shape)
    # A position that does not move, and an example that does not.
    baseline[0, 1, 1, 1] = x[0, 1, 1, 1]
    baseline[2] = x[2]
    given = {"n_steps": n_steps, "fraction": fraction, "max_dist": max_dist, "rule": "riemann_left"}
    smooth, network = polynomial(kit), kit.cnn(channels=2, side=(8, 10), dtype="float64")
    for model, call, target in (
        (smooth, call_polynomial, None),
        (network, caller(kit, network, 2), 2),
    ):
        with pytest.warns(BaselineWarning, match=r"example \[2\]"):
            found = explain.attribute(model, x, "guided_ig", target=target, baseline=baseline, **given)
        for row in range(3):
            expected = published_guided_ig.GetMask(
                channels_last(kit, x)[row],
                call,
                x_baseline=channels_last(kit, baseline)[row],
                x_steps=n_steps,
                fraction=fraction,
                max_dist=max_dist,
            )
            # The network's gradients reach the oracle as float32.
            np.testing.assert_allclose(
                channels_last(kit, found.values)[row], expected, rtol=1e-4, atol=1e-6 if target else 1e-7
            )


def test_guided_ig_of_a_linear_model_is_exact(kit):
    weights = np.array([[2.0], [-1.0], [0.5]])
    x, base = np.array([[1.0, -2.0, 0.5]]), np.array([[0.5, 1.0, -0.5]])
    found = explain.attribute(
        kit.dense([(weights, np.zeros(1))], dtype="float64"), x, "guided_ig", baseline=base, n_steps=9
    )
    np.testing.assert_allclose(found.values, weights.T * (x - base), **CLOSE)
    assert abs(found.delta).max() < 1e-9


@pytest.mark.parametrize(("rule", "nodes"), [("riemann_left", 20), ("trapezoid", 21)])
def test_guided_ig_without_leeway_is_the_straight_path(kit, rule, nodes):
    x, model = pictures(kit), polynomial(kit)
    guided = explain.attribute(model, x, "guided_ig", n_steps=20, max_dist=0, rule=rule)
    straight = explain.attribute(model, x, "ig", n_steps=nodes, rule=rule)
    np.testing.assert_allclose(guided.values, straight.values, **CLOSE)


def test_both_ends_of_a_step_keep_completeness_and_its_beginning_does_not(kit):
    """Positions move where their gradient is least, so that the gradient where a step begins is too small."""
    x, model = pictures(kit), kit.cnn(channels=2, side=(8, 10), dtype="float64")
    missed = {
        rule: explain.attribute(
            model, x, "guided_ig", target=0, rule=rule, max_dist=0.1
        ).relative_delta.mean()
        for rule in ("trapezoid", "riemann_left")
    }
    assert missed["trapezoid"] < missed["riemann_left"] / 2


def test_guided_ig_does_not_count_padding(kit):
    x = np.random.default_rng(2).normal(size=(2, 6, 3))
    model = kit.function(lambda x: kit.sum(x * x * x, (1, 2)), dtype="float64")
    given = {"n_steps": 8, "max_dist": 0.5, "layout": "NTC"}
    together = explain.attribute(model, x, "guided_ig", lengths=[6, 4], **given)
    alone = explain.attribute(model, x[1:, :4], "guided_ig", **given)
    np.testing.assert_allclose(together.values[1, :4], alone.values[0], **CLOSE)
    assert not together.values[1, 4:].any()


# --- XRAI ---------------------------------------------------------------------------------------------------


def blobs(side=(40, 52), seed=0):
    """A picture with something to segment, channels last."""
    noise = np.random.default_rng(seed).normal(size=(*side, 3))
    return gaussian_filter(noise, sigma=(4, 4, 0)) * 10


@pytest.mark.parametrize("radius", [0, 1, 5])
def test_regions_are_the_published_ones(radius):
    picture = blobs()
    expected = oracle_xrai._get_segments_felzenszwalb(picture, dilation_rad=radius)
    found = segments(picture, SCALES, radius)
    # A region that no pixel of the small picture is left of is taken by neither.
    np.testing.assert_array_equal(found, np.stack([mask for mask in expected if mask.any()]))


@pytest.mark.parametrize("least", [1, 50])
def test_regions_are_ranked_as_published(least):
    generator = np.random.default_rng(3)
    picture = blobs(seed=4)
    attribution = gaussian_filter(generator.normal(size=picture.shape[:2]), 2)
    masks = segments(picture, SCALES, 2)
    expected, _ = oracle.XRAI._xrai(attribution, list(masks), min_pixel_diff=least)
    np.testing.assert_allclose(region_map(attribution, masks, least), expected, rtol=1e-9, atol=1e-12)
    # Completeness: means times areas.
    np.testing.assert_allclose(region_map(attribution, masks, least).sum(), attribution.sum(), rtol=1e-9)


def test_xrai_is_the_published_one_given_the_attributions(kit):
    picture = blobs()
    x = picture[np.newaxis] if kit.name == "tensorflow" else np.moveaxis(picture, -1, 0)[np.newaxis]
    weight = np.random.default_rng(7).normal(size=x.shape)
    model = kit.function(lambda x: kit.sum(kit.tanh(x * kit.tensor(weight)), (1, 2, 3)), dtype="float64")
    bounds = (-30.0, 25.0)
    mean = sum(
        explain.attribute(model, x, "ig", n_steps=50, baseline=bound).values.astype(np.float64)
        for bound in bounds
    )
    found = explain.attribute(model, x, "xrai", bounds=bounds, channels="max", dilation=5, min_pixel_diff=50)
    expected = oracle.XRAI().GetMask(picture, None, base_attribution=channels_last(kit, mean / 2)[0])
    np.testing.assert_allclose(
        channels_last(kit, found.values)[0].sum(axis=-1), expected, rtol=1e-4, atol=1e-6
    )
    assert found.delta is None


def test_xrai_adds_up(kit):
    x = np.stack([blobs(seed=seed) for seed in range(2)])
    x = np.moveaxis(x, -1, 1) if kit.name == "torch" else x
    model = polynomial(kit)
    found = explain.attribute(model, x, "xrai", bounds=(-2.0, 1.0), scales=[100, 500])
    size = x[0].size
    scores = (x.reshape(2, -1) ** 3 / 3).sum(axis=1)
    expected = scores - size * ((-2.0) ** 3 + 1.0) / 3 / 2
    np.testing.assert_allclose(found.values.reshape(2, -1).sum(axis=1), expected, rtol=1e-5)
    assert found.relative_delta.max() < 1e-9
    assert found.options["scales"] == [100, 500]


def test_xrai_of_an_even_picture_is_one_region(kit):
    x = np.full((1, *kit.picture_shape(3, 12, 12)), 0.5)
    found = explain.attribute(polynomial(kit), x, "xrai", bounds=(0, 1), scales=(100,))
    assert np.ptp(found.values) < 1e-6
    assert found.values.any()


# --- all three ----------------------------------------------------------------------------------------------

SMALL = {
    "blur_ig": {"n_steps": 6, "max_sigma": 4.0},
    "guided_ig": {"n_steps": 6, "max_dist": 0.3},
    "xrai": {"n_steps": 6, "scales": (100,), "bounds": (-2.0, 2.0)},
}


@pytest.mark.parametrize("method", SMALL)
def test_neither_chunks_nor_company_matter(kit, method):
    model, x = kit.cnn(channels=2, side=(8, 10), dtype="float64"), pictures(kit)
    together = explain.attribute(model, x, method, target=[0, 1, 2], batch_size=1000, **SMALL[method])
    assert together.values.any()
    for size in (1, 4):
        chunked = explain.attribute(model, x, method, target=[0, 1, 2], batch_size=size, **SMALL[method])
        np.testing.assert_allclose(chunked.values, together.values, rtol=1e-6, atol=1e-9)
    alone = explain.attribute(model, x[1:2], method, target=1, **SMALL[method])
    np.testing.assert_allclose(alone.values[0], together.values[1], rtol=1e-6, atol=1e-9)


def test_pictures_without_channels(kit):
    x = np.random.default_rng(0).normal(size=(2, 9, 7))
    model = kit.function(lambda x: kit.sum(x * x * x, (1, 2)) / 3, dtype="float64")
    for method, given in SMALL.items():
        found = explain.attribute(model, x, method, layout="NHW", **given)
        with_channel = explain.attribute(polynomial(kit), x[..., None], method, layout="NHWC", **given)
        np.testing.assert_allclose(found.values, with_channel.values[..., 0], **CLOSE)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("blur_ig", {"n_steps": 0}),
        ("blur_ig", {"max_sigma": 0}),
        ("blur_ig", {"spacing": "cubic"}),
        ("blur_ig", {"edges": ["zeros"]}),
        ("blur_ig", {"grad_step": 0}),
        ("guided_ig", {"fraction": 1.5}),
        ("guided_ig", {"max_dist": -0.1}),
        ("guided_ig", {"n_steps": 2.5}),
        ("guided_ig", {"rule": "midpoint"}),
        ("xrai", {"scales": ()}),
        ("xrai", {"scales": (100, -1)}),
        ("xrai", {"dilation": -1}),
        ("xrai", {"min_pixel_diff": 0}),
        ("xrai", {"channels": "mean"}),
    ],
)
def test_options_out_of_range(torch_kit, method, options):
    (name,) = options
    with pytest.raises(OptionError, match=f"{name}="):
        explain.attribute(torch_kit.cnn(channels=2), pictures(torch_kit), method, **options)


def test_xrai_needs_bounds(torch_kit):
    with pytest.raises(OptionError, match="bounds=\\(least, greatest\\)"):
        explain.attribute(
            torch_kit.cnn(channels=2, side=(8, 10)), pictures(torch_kit).astype(np.float32), "xrai"
        )


@pytest.mark.parametrize("method", ["blur_ig", "xrai"])
def test_tables_are_refused(kit, method):
    model = kit.dense([(np.ones((3, 2)), np.zeros(2))])
    with pytest.raises(UnsupportedInputError, match="is a table"):
        explain.attribute(model, np.ones((2, 3), np.float32), method, target=0)


@pytest.mark.parametrize("method", ["blur_ig", "guided_ig"])
def test_what_has_not_converged_is_told(kit, method):
    with pytest.warns(ConvergenceWarning, match="has not converged for"):
        explain.attribute(polynomial(kit), pictures(kit), method, n_steps=2)
