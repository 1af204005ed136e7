"""The executor runs any expansion in chunks, keeps to its budget, and finds the fastest chunk."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.backends.question import Question
from explain.errors import MemoryBudgetError, OptionError
from explain.inputs.examples import Examples, Target
from explain.inputs.layout import Layout
from explain.running.execution import Executor
from explain.running.expansion import expanded_gradients, expanded_scores
from explain.running.tuning import Tuning, largest_chunk_of, tuning_of
from explain.torch_ext.extension import extension


@dataclass(frozen=True)
class Windows:
    """Each example with one of its values after another set to zero."""

    x: np.ndarray

    @property
    def n_points(self):
        return self.x.shape[1]

    def inputs(self, rows, points):
        covered = 1 - np.eye(self.n_points)[points]
        return ((self.x[rows][:, None] * covered).reshape(-1, self.n_points),)


def opened(model, x, target=1):
    backend = extension.open(model, Question(Layout("NC"), score="output"), x)
    return backend, Examples((x,), Target(np.full((len(x), 1), target)))


@pytest.mark.parametrize("size", [1, 3, 64, 1000])
def test_any_expansion_is_run_whatever_the_chunk(size):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    x = np.random.default_rng(0).normal(size=(4, 5))
    backend, examples = opened(model, x)
    weights = np.random.default_rng(1).normal(size=(2, 5))
    expected, gradients = np.zeros((4, 5)), np.zeros((2, 4, 5))
    for row in range(4):
        for place in range(5):
            point = torch.tensor(x[row])
            point[place] = 0
            point.requires_grad_()
            score = model(point[None])[0, 1]
            expected[row, place] = float(score)
            gradient = torch.autograd.grad(score, point)[0].numpy()
            gradients[:, row] += np.multiply.outer(weights[:, place], gradient)
    with backend.session():
        scores = expanded_scores(backend, examples, Windows(x), Executor(size))
        (sums,) = expanded_gradients(backend, examples, Windows(x), weights, Executor(size))
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    np.testing.assert_allclose(sums, gradients, rtol=1e-12, atol=1e-14)


def test_no_block_holds_more_points_than_the_budget_allows(monkeypatch):
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    x = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    backend, examples = opened(model, x)
    with backend.session():
        need = backend.bytes_per_point(examples)
    sizes = []
    plain = Executor.blocks

    def watched(self, *arguments, **keywords):
        for rows, points in plain(self, *arguments, **keywords):
            sizes.append((rows.stop - rows.start) * (points.stop - points.start))
            yield rows, points

    monkeypatch.setattr(Executor, "blocks", watched)
    for budget, options in (
        (10 * need, {}),
        (10 * need, {"batch_size": 500}),
        (7 * need, {"n_steps": "auto"}),
    ):
        sizes.clear()
        explain.attribute(model, x, "ig", target=0, memory_budget=budget, **{"n_steps": 40, **options})
        assert sizes
        assert max(sizes) <= budget // need


def test_a_budget_too_small_for_one_example_is_refused():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    x = np.ones((2, 8), np.float32)
    for method in ("ig", "saliency"):
        with pytest.raises(MemoryBudgetError, match="memory_budget=16 bytes") as caught:
            explain.attribute(model, x, method, target=0, memory_budget=16)
        assert isinstance(caught.value, MemoryError)
    for value in (0, -1, 2.5, True, "1GB"):
        with pytest.raises(OptionError, match="memory_budget="):
            explain.attribute(model, x, "ig", target=0, memory_budget=value)


def test_the_fastest_size_is_found_and_the_limit_kept():
    cost = {16: 5.0, 32: 3.0, 64: 2.0, 128: 1.5, 256: 1.0, 512: 1.4, 1024: 2.0}

    def settled(start, limit=4096, points=10**6):
        tuning = Tuning()
        for _ in range(40):
            size = tuning.size(start, limit, points)
            assert size <= limit
            tuning.record(size, size, cost[size] * size)
        return tuning.size(start, limit, points)

    assert settled(64) == 256
    assert settled(64, limit=130) == 128
    assert settled(512) == 256
    # What the work cannot fill is not tried.
    assert settled(64, points=100) == 128


def test_what_is_known_of_a_model_goes_with_it():
    model = nn.Linear(2, 2)
    assert tuning_of(model, "key") is tuning_of(model, "key")
    assert tuning_of(model, "key") is not tuning_of(model, "other")
    explain.attribute(model, np.ones((3, 2), np.float32), "ig", target=0)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_stated_chunk_size_is_not_searched_for():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    x = np.ones((4, 8), np.float32)
    explain.attribute(model, x, "ig", target=0, n_steps=50, batch_size=16)
    assert largest_chunk_of(model) == 0
    explain.attribute(model, x, "ig", target=0, n_steps=50)
    assert largest_chunk_of(model) == 64


def test_sizes_that_are_close_are_timed_again_before_one_is_chosen():
    tuning, timed = Tuning(), []
    # The larger one is a tenth faster, and unlucky the first times.
    for _ in range(40):
        size = tuning.size(64)
        timed.append(size)
        unlucky = size == 128 and timed.count(128) <= 4
        tuning.record(
            size, size, {64: 1.0, 128: 0.9, 32: 1.5}.get(size, 2.0) * (1.12 if unlucky else 1) * size
        )
    assert tuning.size(64) == 128


def _groups_and_blocks(executor, count, n_points):
    """The rows of each group, and the points of each of its blocks."""

    def compute(group):
        rows = group.stop - group.start
        done = [
            (part.stop - part.start) * (points.stop - points.start)
            for part, points, _ in executor.over_blocks(rows, n_points, lambda *_: None)
        ]
        return rows, done

    return [found for _, found in executor.over_groups(count, n_points, compute)]


@pytest.mark.parametrize(
    ("count", "n_points", "size", "groups", "most_blocks"),
    # Few points of many examples are one group of full chunks; many points keep a group's tensors few.
    [(32, 8, 128, 1, 2), (16, 16, 64, 1, 4), (32, 50, 128, 2, 14), (64, 200, 64, 8, 200), (3, 7, 1, 3, 21)],
)
def test_a_group_is_large_where_its_points_are_few(count, n_points, size, groups, most_blocks):
    found = _groups_and_blocks(Executor(size), count, n_points)
    assert len(found) == groups
    assert all(rows <= max(1, size // 4) for rows, _ in found)
    sizes = [number for _, done in found for number in done]
    assert sum(sizes) == count * n_points
    assert len(sizes) <= most_blocks


def test_the_search_goes_by_the_points_of_all_groups():
    tuning = Tuning()
    executor = Executor(64, lambda: 4096, lambda: tuning)
    for _ in range(40):
        _groups_and_blocks(executor, 256, 8)
    assert max(tuning.seconds) > 64


def test_examples_do_not_depend_on_groups_and_chunks():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 4))
    x = np.random.default_rng(1).normal(size=(40, 3, 8, 8)).astype(np.float32)
    backend = extension.open(model, Question(Layout("NCHW"), score="output"), x)
    examples = Examples((x,), Target(np.full((len(x), 1), 1)))
    alphas = (np.arange(8, dtype=np.float32) + 0.5) / 8
    weights = np.stack([np.full(8, 1 / 8), np.r_[np.full(4, 1 / 4), np.zeros(4)]]).astype(np.float32)
    starts = (np.zeros_like(x),)
    with backend.session():
        every = [
            backend.path_gradients(examples, starts, alphas, weights, Executor(size))[0]
            for size in (3, 64, 128, 512)
        ]
        (alone,) = backend.path_gradients(
            examples.rows(slice(5, 6)), (starts[0][5:6],), alphas, weights, Executor(64)
        )
    for found in every:
        np.testing.assert_allclose(found, every[0], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(every[0][:, 5:6], alone, rtol=1e-5, atol=1e-7)
