"""The end of an affine prefix is kept by the model's structure; the map is that of a model that was never explained."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.torch_ext.affine_prefix import cut
from explain.torch_ext.backend import TorchBackend

X = np.random.default_rng(2).normal(size=(5, 6)).astype(np.float32)
PICTURES = np.random.default_rng(3).normal(size=(5, 2, 8, 8)).astype(np.float32)

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")


@pytest.fixture(autouse=True)
def few_points_are_worth_it(monkeypatch):
    monkeypatch.setattr(TorchBackend, "points_worth_a_survey", 1)


def _map(model, x, **options):
    return explain.attribute(
        model, x, "ig", target=1, rule="midpoint", n_steps=12, score="output", **options
    ).values


def _by_hand(model, x):
    """Integrated gradients by the midpoint rule, a point at a time."""
    end, total = torch.tensor(x), 0
    for step in range(12):
        point = ((step + 0.5) / 12 * end).requires_grad_()
        total = total + torch.autograd.grad(model(point)[:, 1].sum(), point)[0] / 12
    return (total * end).numpy()


def _close(found, expected):
    assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected) > 0


class Gated(nn.Module):
    """The values of its weights decide which operations it runs."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(6, 8), nn.Linear(8, 6), nn.Linear(6, 4)
        self.before, self.around, self.mask = (nn.Parameter(torch.zeros(())) for _ in range(3))
        self.more = False

    def forward(self, x):
        given = x
        if self.before.item():
            given = given + self.before * torch.relu(given)
        hidden = self.second(torch.tanh(self.first(given)))
        if self.around.item():
            hidden = hidden + self.around * x
        if self.more:
            hidden = hidden * x
        return self.head(hidden)


def _pictures_model():
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4))


def _load(model):
    model.load_state_dict({name: -2 * one for name, one in model.state_dict().items()})


def _assign(model):
    model.load_state_dict({name: 3 * one.clone() for name, one in model.state_dict().items()}, assign=True)


def _in_place(model):
    for one in model.parameters():
        one.data.copy_(one.data.flip(0))


def _replaced(model):
    model[0] = nn.Conv2d(2, 3, 3, bias=False)


def _kinked(model):
    model[0] = nn.Sequential(nn.ReLU(), nn.Conv2d(2, 3, 3))


def _hooked(model):
    model[0].register_forward_hook(lambda module, given, output: output * torch.sigmoid(output))


def _hooked_before(model):
    model[0].register_forward_pre_hook(lambda module, given: (torch.tanh(given[0]),))


def _set_otherwise(model):
    model[0].dilation = (2, 2)
    model[3] = nn.Linear(48, 4)


@pytest.mark.parametrize(
    "change", [_load, _assign, _in_place, _replaced, _kinked, _hooked, _hooked_before, _set_otherwise]
)
def test_a_changed_model_is_explained_as_a_fresh_copy(change):
    torch.manual_seed(1)
    model = _pictures_model()
    for _ in range(2):
        _close(_map(model, PICTURES), _by_hand(model, PICTURES))
    change(model)
    fresh = copy.deepcopy(model)
    for _ in range(2):
        _close(_map(model, PICTURES), _by_hand(model, PICTURES))
    _close(_map(fresh, PICTURES), _by_hand(model, PICTURES))


@pytest.mark.parametrize("name", ["before", "around"])
@pytest.mark.parametrize("n_at_once", [None, 7])
def test_a_branch_by_the_value_of_a_weight_is_seen(name, n_at_once):
    torch.manual_seed(4)
    model = Gated()
    for _ in range(2):
        _close(_map(model, X), _by_hand(model, X))
    getattr(model, name).data.fill_(0.7)
    # Another number of points at once is one that the model was not seen with.
    _close(_map(model, X, batch_size=n_at_once), _by_hand(model, X))
    getattr(model, name).data.fill_(0.0)
    model.more = True
    _close(_map(model, X), _by_hand(model, X))


def test_a_second_call_does_not_search_again(monkeypatch):
    searched = []
    found = cut._survey
    monkeypatch.setattr(cut, "_survey", lambda *about: searched.append(1) or found(*about))
    torch.manual_seed(1)
    model = _pictures_model()
    maps = [_map(model, PICTURES) for _ in range(3)]
    assert len(searched) == 1
    np.testing.assert_array_equal(maps[1], maps[2])
    model[1] = nn.Tanh()
    _map(model, PICTURES)
    assert len(searched) == 2


class Masking(nn.Module):
    """Uses its input beyond the first layer too, where no gradient goes."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(6, 6), nn.Linear(6, 4)

    def forward(self, x):
        return self.head(torch.relu(self.first(x)) * (x > 0.2))


def test_a_model_that_reads_its_input_elsewhere_is_searched_again(monkeypatch):
    searched = []
    found = cut._survey
    monkeypatch.setattr(cut, "_survey", lambda *about: searched.append(1) or found(*about))
    torch.manual_seed(1)
    model = Masking()
    for _ in range(3):
        _close(_map(model, X), _by_hand(model, X))
    assert len(searched) == 3
