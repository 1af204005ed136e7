"""A backward rule runs on the forward pass of the prediction, where that is safe."""

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.backends import Examples, Layout, Question, Target
from explain.errors import GradientError, UnsupportedModelError
from explain.torch_ext.extension import extension

X = np.random.default_rng(3).normal(size=(3, 6)).astype(np.float32)
# The whole batches that a method runs: the prediction, and the baseline for one that compares with it.
BATCHES = {"lrp": 1, "guided_backprop": 1, "deconvolution": 1, "deep_lift": 2}


def _model(*last: nn.Module) -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 4), *last).eval()


def _batches(model: nn.Module, method: str) -> tuple[int, np.ndarray]:
    """Count the runs on all examples; also give the values."""
    rows: list[int] = []
    handle = model[0].register_forward_pre_hook(lambda module, given: rows.append(len(given[0])))
    # A hook may make a model random, so that the first call with it asks.
    explain.attribute(model, X, method, target=1)
    rows.clear()
    values = explain.attribute(model, X, method, target=1).values
    handle.remove()
    return rows.count(len(X)), values


@pytest.mark.parametrize("method", BATCHES)
def test_no_pass_is_run_twice(method):
    model = _model()
    count, values = _batches(model, method)
    assert count == BATCHES[method]
    np.testing.assert_array_equal(values, explain.attribute(model, X, method, target=1).values)


@pytest.mark.parametrize("method", BATCHES)
def test_a_model_that_runs_again_without_its_softmax(method):
    """The first run finds the softmax, and the model runs again without it: a record of both is no record of one."""
    plain, ended = _model(), _model(nn.Softmax(-1))
    ended.load_state_dict(plain.state_dict())
    expected = explain.attribute(plain, X, method, target=1).values
    # With one example and batch_size=1, no check runs the model before the prediction does.
    first = explain.attribute(ended, X[:1], method, target=1, batch_size=1).values
    np.testing.assert_allclose(first, expected[:1], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(explain.attribute(ended, X, method, target=1).values, expected)
    assert _batches(ended, method)[0] == BATCHES[method]


@pytest.mark.parametrize("score", ["probability", "log_probability"])
@pytest.mark.parametrize("method", BATCHES)
def test_a_score_that_is_computed_from_the_output(method, score):
    """In chunks of one example each, no run is shared."""
    shared = explain.attribute(_model(), X, method, target=1, score=score)
    alone = explain.attribute(_model(), X, method, target=1, score=score, batch_size=1)
    np.testing.assert_allclose(shared.values, alone.values, rtol=1e-5, atol=1e-7)


def test_a_first_run_that_is_run_again():
    """The first run finds softmax as a function, and the model runs again without it: the tape would have both."""
    x = X.astype(np.float64)
    backend = extension.open(_Ended().double().eval(), Question(Layout("NC")), x)
    examples = Examples((x,), Target(indices=np.ones((3, 1), np.int64)))
    with backend.session():
        backend.outputs(examples, ahead="rescale")
        (slopes,), _, at_baselines = backend.rule_gradients(examples, "rescale", (np.zeros_like(x),))
        expected = backend.scores(examples) - at_baselines
    np.testing.assert_allclose((slopes * x).sum(1), expected, rtol=1e-9)


class _Ended(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plain = _model()

    def forward(self, x):
        return torch.softmax(self.plain(x), -1)


class _Scaling(nn.Module):
    """Multiplies by a number; a model that counts changes the number in place at every call."""

    def __init__(self, number: float, counts: bool) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.embedding = nn.Embedding(9, 5)
        self.head = nn.Linear(5, 3)
        self.register_buffer("number", torch.tensor([number]))
        self.counts = counts

    def forward(self, ids):
        if self.counts:
            self.number += 1
        return self.head(torch.relu(self.embedding(ids) * self.number).sum(1))


IDS = np.random.default_rng(1).integers(1, 9, (3, 4))


@pytest.mark.parametrize("method", ["lrp", "guided_backprop", "deconvolution"])
def test_a_state_that_changes_in_place(method):
    counting, plain = _Scaling(1.0, counts=True).eval(), _Scaling(2.0, counts=False).eval()
    found, expected = (explain.attribute(one, IDS, method, target=1) for one in (counting, plain))
    assert float(counting.number) == 1
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)


def test_deep_lift_names_a_state_that_changes_in_place():
    """Before the run at the baseline the number is restored in place, on which the graph of the first run depends."""
    counting, plain = _Scaling(1.0, counts=True).eval(), _Scaling(2.0, counts=False).eval()
    with pytest.raises(
        UnsupportedModelError, match=r"changes 'number' of the _Scaling in place .* use integrated_gradients"
    ) as told:
        explain.attribute(counting, IDS, "deep_lift", target=1)
    assert isinstance(told.value.__cause__, GradientError)
    found, expected = (explain.attribute(one, IDS, "ig", target=1).values for one in (counting, plain))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert float(counting.number) == 1
