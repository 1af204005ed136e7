"""Calls that are alike: what was checked of their arguments is kept, and what their values decide is asked anew."""

import gc
import weakref
from functools import partial

import numpy as np
import pytest
import torch
import xarray
from torch import nn

import explain
from explain.errors import ExplainError, InputError, TargetError
from explain.explanation import checked_request, request

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 6, 6)).astype(np.float32)


def made():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5)).eval()


def kept_of(model):
    return len(request._kept.get(model, {}))


@pytest.fixture
def checked(monkeypatch):
    """Count how often the arguments are checked."""
    found = []
    original = checked_request.checked_request

    def counting(*arguments, **named):
        found.append(named)
        return original(*arguments, **named)

    monkeypatch.setattr(checked_request, "checked_request", counting)
    return found


def gradients_of(model, x, target):
    points = torch.tensor(x, dtype=torch.float32, requires_grad=True)
    scores = model(points)[torch.arange(len(x)), target]
    return torch.autograd.grad(scores.sum(), points)[0].numpy()


def test_a_call_like_an_earlier_one_is_checked_once_and_has_its_own_values(checked):
    model = made()
    for number in range(4):
        x, target = RNG.normal(size=X.shape).astype(np.float32), [number, 4 - number]
        found = explain.attribute(model, x, "saliency", target=target)
        np.testing.assert_allclose(found.values, gradients_of(model, x, target), atol=1e-6)
        np.testing.assert_array_equal(found.inputs, x)
        assert found.target == tuple(target)
    assert len(checked) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"x": X[:1]},
        {"x": X.astype(np.float64)},
        {"x": torch.from_numpy(X)},
        {"method": "gradient"},
        {"score": "probability"},
        {"target": None},
        {"layout": "NCHW"},
        {"batch_size": 1},
        {"seed": 1},
    ],
)
def test_another_kind_of_argument_is_checked(checked, other):
    model, usual = made(), {"x": X, "method": "saliency", "target": 3}
    for _ in range(2):
        explain.attribute(model, **usual)
    explain.attribute(model, **{**usual, **other})
    assert len(checked) == 2


def test_numbers_of_different_types_are_different_arguments():
    model = made()
    for _ in range(2):
        explain.attribute(model, X, "smoothgrad", target=3, n_samples=1)
    with pytest.raises(ExplainError, match="n_samples=True"):
        explain.attribute(model, X, "smoothgrad", target=3, n_samples=True)


def test_wrong_values_are_refused_as_at_the_first_call():
    model = made()
    for _ in range(2):
        explain.attribute(model, X, "saliency", target=3)
    bad = X.copy()
    bad[1, 0, 2, 3] = np.nan
    with pytest.raises(InputError, match=r"NaN or infinite, the first at index \(1, 0, 2, 3\)"):
        explain.attribute(model, bad, "saliency", target=3)
    with pytest.raises(TargetError, match="target=7 is out of range"):
        explain.attribute(model, X, "saliency", target=7)


def test_what_holds_more_than_plain_values_is_checked_each_time(checked):
    model = made()
    for _ in range(2):
        explain.attribute(model, X, "integrated_gradients", target=3, baseline=np.zeros_like(X), n_steps=3)
        explain.attribute(model, X, "saliency", target=lambda outputs: outputs[:, 0])
        explain.attribute(model, X, "saliency", target=3, display={"classes": list("abcde")})
    assert len(checked) == 6


def test_a_change_of_the_model_has_its_arguments_checked_again(checked):
    model = made()
    for _ in range(2):
        explain.attribute(model, X, "saliency", target=3)
    with torch.no_grad():
        model[0].weight.mul_(2)
    explain.attribute(model, X, "saliency", target=3)
    assert len(checked) == 1
    model.append(nn.Softmax(1))
    changed = explain.attribute(model, X, "saliency", target=3)
    assert len(checked) == 2
    np.testing.assert_allclose(changed.values, gradients_of(model[:-1], X, [3, 3]), atol=1e-6)


def test_the_axes_of_a_series_follow_the_layer_that_reads_them():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(4, 5, batch_first=True)

        def forward(self, x):
            return self.rnn(x)[0][:, -1]

    model, x = Reads(), X[:, 0, :5, :4]
    for _ in range(2):
        assert explain.attribute(model, x, "saliency", target=1).layout == "NTC"
    model.rnn.batch_first = False
    with pytest.raises(ExplainError, match="takes time first"):
        explain.attribute(model, x, "saliency", target=1)


def test_what_the_class_of_a_model_states_is_read_again():
    class Bounded(nn.Sequential):
        input_bounds = (-1.0, 1.0)

    model = Bounded(*made())
    for bounds in ((-1.0, 1.0), (-1.0, 1.0), (-0.25, 0.25)):
        Bounded.input_bounds = bounds
        found = explain.attribute(model, np.clip(X, *bounds), "activation_maximization", target=3, n_steps=2)
        assert np.abs(found.values).max() <= bounds[1] + 1e-6


def test_a_wrapped_model_is_not_taken_for_the_model():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = made()

        def forward(self, x, scale=1.0):
            return scale * self.inner(x)

    model = Scaled()
    expected = {scale: scale * gradients_of(model, X, [3, 3]) for scale in (1.0, 2.0, 3.0)}
    for _ in range(2):
        for scale, wrapped in (
            (2.0, partial(model, scale=2.0)),
            (1.0, model),
            (3.0, partial(model, scale=3.0)),
        ):
            found = explain.attribute(wrapped, X, "saliency", target=3)
            np.testing.assert_allclose(found.values, expected[scale], rtol=1e-5, atol=1e-6)


def test_a_model_that_is_given_is_not_held():
    model = made()
    for _ in range(2):
        explain.attribute(model, X, "saliency", target=3)
    assert kept_of(model) == 1
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_few_requests_are_kept():
    model = made()
    for count in range(1, 40):
        explain.attribute(model, X[:1], "saliency", target=3, seed=count)
    assert kept_of(model) == request._MOST


class _OwnArray(np.ndarray):
    pass


@pytest.mark.parametrize(
    "contained",
    [np.ma.array, lambda x: np.ma.array(x, mask=x > 0), lambda x: x.view(_OwnArray), xarray.DataArray],
    ids=["masked array", "some values masked", "own array", "xarray"],
)
def test_a_container_of_another_kind_gives_what_it_gives_a_fresh_model(contained):
    model = made()
    for x in (X, -X, 2 * X):
        answers = []
        for asked in (model, made()):
            try:
                answers.append(explain.attribute(asked, contained(x), "saliency", target=1).values)
            except ExplainError as error:
                answers.append(np.array(str(error)))
        np.testing.assert_array_equal(*answers)
