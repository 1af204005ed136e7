"""Integrated gradients in PyTorch, written by hand for each measured model as an expert would.

The code uses every optimisation of the engine, and none of its checks: the affine layers before the first
non-linearity run once at both ends of the path, the gradient is computed at their output and pulled back once; pictures
have the channels-last memory format; the rule is the midpoint rule; the number of points at once is the fastest tried.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.cases import Case

Parts = tuple[Tensor, ...]


@dataclass(frozen=True)
class Split:
    """A model in two parts: affine layers, and the rest.

    Attributes
    ----------
    prefix : callable
        Maps the input to the outputs of the affine layers that take it.
    tail : callable
        Maps those outputs to the logits.
    """

    prefix: Callable[[Tensor], Parts]
    tail: Callable[[Parts], Tensor]


def splits(case: Case, model: nn.Module) -> dict[str, Split]:
    """Give the ways to write the loop for a model: with its affine layers split off, and with the whole model.

    For an LSTM the whole model may be faster: PyTorch's own kernel runs both layers at once, and without the first
    layer's projection its time loop must be written by hand.
    """
    if case.model in _SKIPPED:
        return {
            "prefix once": _SKIPPED[case.model](model),
            "whole model": Split(lambda x: (x,), lambda z: model(*z)),
        }
    raise ValueError(f"no hand-written loop for {case.model!r}")


def saliency(case: Case, model: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    """Write the plain gradient by hand."""
    prepared = _channels_last(model)

    def run(x: Tensor, targets: Tensor) -> Tensor:
        points = _ordered(x).requires_grad_()
        scores = prepared(points)[torch.arange(len(x), device=x.device), targets]
        (gradient,) = torch.autograd.grad(scores.sum(), points)
        return gradient

    return run


def integrated_gradients(
    split: Split, x: Tensor, targets: Tensor, n_steps: int, points_at_once: int
) -> Tensor:
    """Integrate from zeros with the midpoint rule, a few steps of all examples at a time.

    Parameters
    ----------
    split : Split
        The model.
    x : torch.Tensor
        The examples.
    targets : torch.Tensor
        One class per example.
    n_steps : int
        The number of steps.
    points_at_once : int
        The number of points in a chunk, at least one step of every example.
    """
    count = len(x)
    nodes = torch.from_numpy(((np.arange(n_steps) + 0.5) / n_steps).astype(np.float32)).to(x.device)
    x = _ordered(x)
    with torch.no_grad():
        starts, ends = split.prefix(torch.zeros_like(x)), split.prefix(x)
        differences = [end - start for start, end in zip(starts, ends, strict=True)]
    totals = [torch.zeros_like(end) for end in ends]
    steps_at_once = max(1, points_at_once // count)
    for first in range(0, n_steps, steps_at_once):
        some = nodes[first : first + steps_at_once]
        points = tuple(
            (start + some.reshape(-1, *[1] * start.ndim) * difference).flatten(0, 1).requires_grad_()
            for start, difference in zip(starts, differences, strict=True)
        )
        rows = torch.arange(count * len(some), device=x.device)
        scores = split.tail(points)[rows, targets.repeat(len(some))]
        for total, gradient in zip(totals, torch.autograd.grad(scores.sum(), points), strict=True):
            total += gradient.unflatten(0, (len(some), count)).sum(0)
    leaf = x.detach().requires_grad_()
    outputs = split.prefix(leaf)
    (pulled,) = torch.autograd.grad(outputs, leaf, totals) if outputs[0] is not leaf else totals
    return pulled * x / n_steps


def _convolutional(
    stem: Callable[[nn.Module, Tensor], Tensor], rest: Callable[[nn.Module, Tensor], Tensor]
) -> Any:
    """Split a network of pictures, laid out channels last in memory."""

    def split(model: nn.Module) -> Split:
        prepared = _channels_last(model)
        return Split(lambda x: (stem(prepared, x),), lambda z: rest(prepared, z[0]))

    return split


def _channels_last(model: nn.Module) -> nn.Module:
    """Copy the model to channels last; the caller's model does not change."""
    return copy.deepcopy(model).to(memory_format=torch.channels_last)


def _ordered(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _after_first(model: Any, features: Tensor) -> Tensor:
    """Run all but the first layer of a sequence of layers."""
    for layer in list(model)[1:]:
        features = layer(features)
    return features


def _convolutional_tail(model: Any, features: Tensor) -> Tensor:
    features = nn.functional.max_pool2d(nn.functional.relu(features), 2)
    features = nn.functional.max_pool2d(nn.functional.relu(model.conv2(features)), 2)
    logits: Tensor = model.fc(nn.functional.relu(model.conv3(features)).mean((2, 3)))
    return logits


def _efficientnet_tail(model: Any, features: Tensor) -> Tensor:
    features = model._swish(features)
    for block in model._blocks:
        features = block(features)
    features = model._swish(model._bn1(model._conv_head(features)))
    logits: Tensor = model._fc(model._avg_pooling(features).flatten(1))
    return logits


def _names(model: Any) -> Split:
    letters = model.i2h.in_features - model.hidden_size
    hidden_weight, output_weight = model.i2h.weight[:, letters:], model.i2o.weight[:, letters:]

    def prefix(x: Tensor) -> Parts:
        return (
            nn.functional.linear(x[:, :-1], model.i2h.weight[:, :letters], model.i2h.bias),
            nn.functional.linear(x[:, -1], model.i2o.weight[:, :letters], model.i2o.bias),
        )

    def tail(parts: Parts) -> Tensor:
        projected, last = parts
        hidden = projected[:, 0]
        for step in range(1, projected.shape[1]):
            hidden = torch.addmm(projected[:, step], hidden, hidden_weight.T)
        return torch.addmm(last, hidden, output_weight.T)

    return Split(prefix, tail)


def _fashion(model: Any) -> Split:
    first = model.model.rnn1
    bias = first.bias_ih_l0 + first.bias_hh_l0

    def tail(parts: Parts) -> Tensor:
        (projected,) = parts
        hidden, states = torch.tanh(projected[:, 0]), []
        states.append(hidden)
        for step in range(1, projected.shape[1]):
            hidden = torch.tanh(torch.addmm(projected[:, step], hidden, first.weight_hh_l0.T))
            states.append(hidden)
        outputs, _ = model.model.rnn2(torch.stack(states, 1))
        logits: Tensor = model.model.fc(outputs[:, -1])
        return logits

    return Split(lambda x: (nn.functional.linear(x, first.weight_ih_l0, bias),), tail)


def _lstm(model: Any) -> Split:
    lstm = model.lstm
    bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
    second = (
        nn.LSTM(lstm.hidden_size, lstm.hidden_size, batch_first=True).to(bias.device).requires_grad_(False)
    )
    second.load_state_dict(
        {name.replace("_l1", "_l0"): part for name, part in lstm.state_dict().items() if "_l1" in name}
    )

    def tail(parts: Parts) -> Tensor:
        (projected,) = parts
        hidden = cell = projected.new_zeros(len(projected), lstm.hidden_size)
        states = []
        for step in range(projected.shape[1]):
            gates = torch.addmm(projected[:, step], hidden, lstm.weight_hh_l0.T)
            entering, forgetting, candidate, leaving = gates.chunk(4, 1)
            cell = torch.sigmoid(forgetting) * cell + torch.sigmoid(entering) * torch.tanh(candidate)
            hidden = torch.sigmoid(leaving) * torch.tanh(cell)
            states.append(hidden)
        outputs, _ = second(torch.stack(states, 1))
        logits: Tensor = model.fc(outputs[:, -1])
        return logits

    return Split(lambda x: (nn.functional.linear(x, lstm.weight_ih_l0, bias),), tail)


_SKIPPED: dict[str, Callable[[nn.Module], Split]] = {
    "cifar_net": _convolutional(lambda model, x: model.conv1(x), _after_first),
    "cifar_keras": _convolutional(lambda model, x: model.conv1(x), _after_first),
    "convolutional": _convolutional(lambda model, x: model.conv1(x), _convolutional_tail),
    "resnet18": _convolutional(
        lambda model, x: model.bn1(model.conv1(x)), lambda model, z: model.after_stem(z)
    ),
    "efficientnet_lite0": _convolutional(
        lambda model, x: model._bn0(model._conv_stem(x)), _efficientnet_tail
    ),
    "names_rnn": lambda model: _names(model.model),
    "fashion_rnn": _fashion,
    "lstm": _lstm,
}
