"""Infidelity: equal to Captum's from the same draws, and to its formula written out."""

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as of_captum
from models.mapped import drawn, measured, subject_of, with_map
from torch import nn

import explain
from explain.errors import EvaluationError, OptionError
from explain.metrics.drops.subsets import random_subsets
from explain.metrics.faithfulness.infidelity import noisy_points
from explain.metrics.subject import Subject

X = drawn(3, 6)
WEIGHT = drawn(6, seed=1).astype(np.float64)


def linear(x):
    return (x @ WEIGHT)[:, np.newaxis]


def curved(x):
    return np.tanh(x @ WEIGHT)[:, np.newaxis] + (x[:, :1] * x[:, 1:2]) ** 2


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(3 * 2 * 3, 4)).double().eval()


PICTURES = drawn(3, 2, 4, 5, seed=2)


def captums(network, attribution, perturbations, moved, normalize):
    """Captum's infidelity; it asks for the draws of an example one after the other."""

    def scores(x):
        return network(x)[
            torch.arange(len(x)), torch.tensor(attribution.target).repeat_interleave(len(x) // 3)
        ]

    def flat(array):
        return torch.tensor(array.reshape(-1, *PICTURES.shape[1:]))

    found = of_captum(
        scores,
        lambda inputs: (flat(perturbations), flat(moved)),
        torch.tensor(PICTURES, dtype=torch.float64),
        torch.tensor(np.asarray(attribution.values, np.float64)),
        n_perturb_samples=perturbations.shape[1],
        normalize=normalize,
    )
    return found.numpy()


@pytest.mark.parametrize("normalize", [False, True])
def test_slopes_multiply_gaussian_noise_as_in_captum(network, normalize):
    a = explain.attribute(network, PICTURES, "saliency", seed=3)
    subject = Subject(network, a, {}, seed=3)
    with subject.opened() as model:
        (moved,) = noisy_points(subject, model, 0.2, 7).inputs(slice(0, 3), slice(0, 7))
    moved = moved.reshape(3, 7, 2, 4, 5).astype(np.float64)
    noise = PICTURES[:, np.newaxis] - moved
    assert np.allclose(noise.std(axis=(1, 2, 3, 4)), 0.2 * np.ptp(PICTURES.reshape(3, -1), axis=1), rtol=0.15)
    expected = captums(network, a, noise, moved, normalize)
    options = {"n_samples": 7, "noise": 0.2, "normalize": normalize}
    found = explain.evaluate(network, a, {"infidelity": options}, seed=3)["infidelity"].values
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("normalize", [False, True])
def test_shares_multiply_the_mask_of_removed_places_as_in_captum(network, normalize):
    a = explain.attribute(network, PICTURES, "ig", baseline=0.5, n_steps=20)
    subject = Subject(network, a, {}, seed=1)
    removed = np.stack([random_subsets(subject, row, 5, 9) for row in range(3)]).reshape(3, 9, 1, 4, 5)
    moved = np.where(removed, 0.5, PICTURES[:, np.newaxis]).astype(np.float64)
    expected = captums(network, a, np.broadcast_to(removed, moved.shape) * 1.0, moved, normalize)
    options = {"n_samples": 9, "normalize": normalize}
    found = explain.evaluate(network, a, {"infidelity": options}, seed=1)["infidelity"].values
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_slopes_multiply_what_removal_takes_away(network):
    a = explain.attribute(network, PICTURES, "saliency")
    subject = Subject(network, a, {}, seed=1)
    removed = np.stack([random_subsets(subject, row, 3, 9) for row in range(3)]).reshape(3, 9, 1, 4, 5)
    away = removed * (PICTURES[:, np.newaxis] - np.float64(0.25))
    expected = captums(network, a, away, PICTURES[:, np.newaxis] - away, False)
    options = {"perturbation": "removal", "subset_size": 3, "reference": 0.25, "n_samples": 9}
    found = explain.evaluate(network, a, {"infidelity": options}, seed=1)["infidelity"].values
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_shares_multiply_noise_over_what_they_have_of_the_input():
    x = X.copy()
    x[0, 2] = 0.5  # equal to the baseline: the denominator is one there
    values = drawn(3, 6, seed=4)
    a = with_map(curved, x, values, baseline=np.full_like(x, 0.5))
    subject = subject_of(curved, a)
    with subject.opened() as model:
        (moved,) = noisy_points(subject, model, 0.1, 5).inputs(slice(0, 3), slice(0, 5))
    expected = []
    for row in range(3):
        errors = []
        for point in moved.reshape(3, 5, 6)[row]:
            noise = x[row].astype(np.float64) - point
            apart = [one if one != 0 else 1.0 for one in x[row].astype(np.float64) - 0.5]
            predicted = sum(values[row, i] * noise[i] / apart[i] for i in range(6))
            errors.append((predicted - (curved(x[row : row + 1]) - curved(point[np.newaxis]))[0, 0]) ** 2)
        expected.append(np.mean(errors))
    found = measured(curved, a, "infidelity", perturbation="gaussian", n_samples=5).values
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("method", "exact"), [("saliency", np.tile(WEIGHT, (3, 1))), ("integrated_gradients", X * WEIGHT)]
)
@pytest.mark.parametrize("perturbation", [None, "removal"])
def test_the_exact_map_of_a_linear_model_is_best(method, exact, perturbation):
    good, bad = (with_map(linear, X, one, method=method) for one in (exact, drawn(3, 6, seed=9)))
    best = measured(linear, good, "infidelity", perturbation=perturbation).values
    assert best.max() < 1e-10
    assert (measured(linear, bad, "infidelity", perturbation=perturbation).values > 1e-2).all()
    doubled = with_map(linear, X, 2 * exact, method=method)
    assert measured(linear, doubled, "infidelity", perturbation=perturbation).values.min() > 1e-3
    scaled = measured(linear, doubled, "infidelity", perturbation=perturbation, normalize=True).values
    assert scaled.max() < 1e-10


@pytest.mark.parametrize("rule", ["superpixels", "grid", "elements"])
def test_the_value_of_a_feature_counts_once(rule):
    weight = drawn(2, 12, 12, seed=1).astype(np.float64)

    def model(x):
        return np.einsum("nchw,chw->n", x, weight)[:, np.newaxis]

    x = drawn(2, 2, 12, 12, seed=5)
    arguments = {"framework": "numpy", "score": "output", "target": 0, "layout": "NCHW"}
    a = explain.attribute(model, x, "feature_ablation", feature_mask=rule, **arguments)
    # With all places removed, the sum over the features is the score: at the baseline zero it is zero.
    found = measured(model, a, "infidelity", subset_size=144, n_samples=1).values
    np.testing.assert_allclose(found, 0, atol=1e-8)
    mask = np.arange(144).reshape(12, 12) % 5
    a = explain.attribute(model, x, "kernel_shap", feature_mask=mask, **arguments)
    given = {"given": {"feature_mask": mask}}
    np.testing.assert_allclose(
        measured(model, a, "infidelity", subset_size=144, n_samples=1, **given).values, 0, atol=1e-8
    )
    with pytest.raises(EvaluationError, match="give feature_mask="):
        measured(model, a, "infidelity")


def test_padding_is_never_removed_and_adds_nothing():
    weight = drawn(5, 2, seed=1).astype(np.float64)

    def model(x):
        return np.tanh((x * weight).sum(axis=(1, 2)))[:, np.newaxis]

    x, lengths = drawn(2, 5, 2, seed=2), np.array([3, 5])
    mask = np.arange(5) < lengths[:, np.newaxis]
    values = drawn(2, 5, 2, seed=3) * mask[..., np.newaxis]
    a = with_map(model, x, values, "NTC", mask=mask)
    removed = random_subsets(subject_of(model, a), 0, 1, 6)
    assert removed.shape == (6, 3)
    errors = []
    for one in removed:
        place = int(np.flatnonzero(one)[0])
        moved = x[:1].copy()
        moved[0, place] = 0
        errors.append((values[0, place].sum() - (model(x[:1]) - model(moved))[0, 0]) ** 2)
    found = measured(model, a, "infidelity", n_samples=6).values
    np.testing.assert_allclose(found[0], np.mean(errors), rtol=1e-6)
    slopes = with_map(model, x, values, "NTC", mask=mask, method="saliency")
    subject = subject_of(model, slopes)
    with subject.opened() as opened:
        (moved,) = noisy_points(subject, opened, 0.1, 4).inputs(slice(0, 1), slice(0, 4))
    assert (moved[:, 3:] == x[0, 3:]).all()
    assert (moved[:, :3] != x[0, :3]).all()


def test_the_same_in_both_layouts_and_for_each_example_alone_of_a_row():
    weight = drawn(4, 5, 3, seed=1).astype(np.float64)

    def last(x):
        return np.tanh(np.einsum("nhwc,hwc->n", x, weight))[:, np.newaxis]

    def first(x):
        return last(np.moveaxis(x, 1, -1))

    x, values = drawn(2, 4, 5, 3, seed=2), drawn(2, 4, 5, 3, seed=3)
    for method in ("saliency", "integrated_gradients"):
        a = with_map(last, x, values, "NHWC", method=method)
        moved = [np.moveaxis(one, -1, 1) for one in (x, values)]
        b = with_map(first, *moved, "NCHW", method=method)
        both = [measured(f, one, "infidelity", seed=2).values for f, one in ((last, a), (first, b))]
        np.testing.assert_allclose(*both, rtol=1e-9)
        np.testing.assert_allclose(measured(last, a[:1], "infidelity", seed=2).values, both[0][:1], rtol=1e-9)
        assert not np.allclose(measured(last, a, "infidelity", seed=3).values, both[0])


def test_token_ids_are_removed_and_never_moved():
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.words, self.head = nn.Embedding(9, 4), nn.Linear(4, 2)

        def forward(self, ids):
            return self.head(torch.tanh(self.words(ids)).mean(1))

    reader, ids = Reader().double().eval(), np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    a = explain.attribute(reader, ids, "ig", baseline=0, reduce="sum")
    subject = Subject(reader, a, {}, seed=0)

    def score(one, row):
        return reader(torch.tensor(one[np.newaxis]))[0, a.target[row]].item()

    expected = []
    for row in range(2):
        errors = []
        for removed in random_subsets(subject, row, 2, 5):
            dropped = score(ids[row], row) - score(np.where(removed, 0, ids[row]), row)
            errors.append((np.asarray(a.values, np.float64)[row][removed].sum() - dropped) ** 2)
        expected.append(np.mean(errors))
    found = explain.evaluate(reader, a, {"infidelity": {"subset_size": 0.5, "n_samples": 5}})
    np.testing.assert_allclose(found["infidelity"].values, expected, rtol=1e-6)
    slopes = explain.attribute(reader, ids, "saliency")
    assert explain.evaluate(reader, slopes, "infidelity")["infidelity"].count == 2
    with pytest.raises(
        EvaluationError, match="the input is tokens, which cannot change gradually: give perturbation"
    ):
        explain.evaluate(reader, slopes, {"infidelity": {"perturbation": "gaussian"}})


def test_maps_and_inputs_without_information():
    zero = with_map(linear, X, np.zeros_like(X))
    subject = subject_of(linear, zero)
    drops = [(random_subsets(subject, row, 2, 64) @ (X[row] * WEIGHT)) for row in range(3)]
    for normalize in (False, True):
        found = measured(linear, zero, "infidelity", normalize=normalize)
        np.testing.assert_allclose(found.values, np.mean(np.square(drops), axis=1), rtol=1e-6)
    flat = np.ones((1, 6), np.float32)
    found = measured(linear, with_map(linear, flat, flat, method="saliency"), "infidelity")
    assert np.isnan(found.values).all()
    assert "one value everywhere" in found.left_out[0]
    few = measured(linear, zero, "infidelity", subset_size=7)
    assert few.left_out == dict.fromkeys(range(3), "It has 6 places, fewer than subset_size=7.")

    def one(x):
        return 3 * x

    a = with_map(one, [[2.0]], [[5.0]])
    assert measured(one, a, "infidelity").values.tolist() == [1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"perturbation": "blur"}, "perturbation='blur'"),
        ({"n_samples": 0}, "n_samples=0"),
        ({"noise": 0}, "noise=0"),
        ({"subset_size": 1.5}, "subset_size=1.5"),
        ({"normalize": 1}, "normalize=1"),
        ({"reference": None}, "reference=None"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(OptionError, match=message):
        measured(linear, with_map(linear, X, X), "infidelity", **options)
