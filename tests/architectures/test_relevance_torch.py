"""The reference of layer-wise relevance propagation: lxt's values, and `explain`'s however a model spells itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as PyTorch's documentation has it
from architectures.relevance_torch import NoReferenceError, Relevance
from architectures.spellings import HEADS, ROWS, STEPS, B, W, apart, by_reference, first, module, second
from attn_lrp.stored import MODELS, logits_of, stored
from torch import nn

import explain


class Model(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def by_explain(function, x):
    return explain.attribute(Model(function), x, "lrp", target=1, rule="epsilon", epsilon=1e-14).values


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", MODELS)
def test_of_transformers_it_is_what_lxt_gives(name, attention):
    held = stored(name, attn_implementation=attention)
    held.model.requires_grad_(False)
    points = torch.tensor(held.embeddings).requires_grad_()
    with Relevance():
        logits = logits_of(name, held.model, points)
        total = logits.gather(1, torch.tensor(held.target)[:, None]).sum()
    (found,) = torch.autograd.grad(total, points)
    # An eager softmax of LLaMA and Qwen is in single precision.
    assert apart((points * found).detach().numpy(), held.relevance) < 1e-6


# Of a product of gates and of a softmax a probability is explained, as is meant.
@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
@pytest.mark.parametrize("name", ROWS)
def test_however_a_row_is_spelled(name):
    x = np.random.default_rng(4).normal(size=(3, 6))
    assert apart(by_explain(ROWS[name], x), by_reference(ROWS[name], x)) < 1e-6


@pytest.mark.parametrize("name", STEPS)
def test_however_steps_are_spelled(name):
    x = np.random.default_rng(4).normal(size=(3, 4, 6))
    assert apart(by_explain(STEPS[name], x), by_reference(STEPS[name], x)) < 1e-6


# Fused functions, and the same written out for the reference.

RNN, GRU = (module(kind, 6, 6, batch_first=True) for kind in (nn.RNN, nn.GRU))
RNN_CELL, GRU_CELL, LSTM_CELL = (module(kind, 6, 6) for kind in (nn.RNNCell, nn.GRUCell, nn.LSTMCell))


def steps(layer, step, width):
    """The last state of a recurrent layer, written out."""
    on_input, on_state, bias, bias_on_state = layer.parameters()

    def run(x):
        states = [torch.zeros(len(x), 6, dtype=x.dtype)] * width
        for one in x.unbind(1):
            states = step(
                F.linear(one, on_input, bias), F.linear(states[0], on_state, bias_on_state), *states
            )
        return states[0]

    return run


def gated_step(a, b, state):
    (reset, update, new), (of_reset, of_update, of_new) = a.chunk(3, 1), b.chunk(3, 1)
    update = torch.sigmoid(update + of_update)
    new = torch.tanh(new + torch.sigmoid(reset + of_reset) * of_new)
    return ((1 - update) * new + update * state,)


def memory_step(a, b, state, cell):
    enters, forgets, news, leaves = (a + b).chunk(4, 1)
    cell = torch.sigmoid(forgets) * cell + torch.sigmoid(enters) * torch.tanh(news)
    return torch.sigmoid(leaves) * torch.tanh(cell), cell


def simple_step(a, b, state):
    return (torch.tanh(a + b),)


def each(cell, width):
    """A cell that is called step by step."""

    def run(x):
        states = [torch.zeros(len(x), 6, dtype=x.dtype)] * width
        for one in x.unbind(1):
            found = cell(one, tuple(states) if width > 1 else states[0])
            states = found if width > 1 else [found]
        return states[0]

    return run


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


WRITTEN_OUT = {
    "RNN": (lambda x: RNN(x)[0][:, -1], steps(RNN, simple_step, 1)),
    "GRU": (lambda x: GRU(x)[0][:, -1], steps(GRU, gated_step, 1)),
    "RNN cell": (each(RNN_CELL, 1), steps(RNN_CELL, simple_step, 1)),
    "GRU cell": (each(GRU_CELL, 1), steps(GRU_CELL, gated_step, 1)),
    "LSTM cell": (each(LSTM_CELL, 2), steps(LSTM_CELL, memory_step, 2)),
    "heads with their weights": (lambda x: HEADS(x, x, x)[0].sum(1), STEPS["heads"]),
    "unit length": (lambda x: F.normalize(first(x), dim=-1).sum(1), lambda x: unit(first(x)).sum(1)),
    "cosine": (
        lambda x: F.cosine_similarity(first(x), second(x), dim=-1),
        lambda x: (unit(first(x)) * unit(second(x))).sum(-1),
    ),
    "softmin": (
        lambda x: F.softmin(first(x), -1)[:, :, 0] @ W[:4],
        lambda x: (-first(x)).softmax(-1)[:, :, 0] @ W[:4],
    ),
    "tanhshrink": (lambda x: F.tanhshrink(first(x)).sum(1), lambda x: (first(x) - first(x).tanh()).sum(1)),
}


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_fused_functions_are_those_written_out(name):
    fused, written = WRITTEN_OUT[name]
    x = np.random.default_rng(4).normal(size=(3, 4, 6))
    assert apart(by_explain(fused, x), by_reference(written, x)) < 1e-6


def test_what_has_no_rule_is_said():
    x = np.ones((1, 6))
    with pytest.raises(NoReferenceError, match="no rule for prod of 1 tensor"):
        by_reference(lambda x: first(x).prod(1, keepdim=True) * B, x)

    class Unseen(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, incoming):
            return incoming * 2

    with pytest.raises(NoReferenceError, match=r"is not seen: .*Unseen"):
        by_reference(lambda x: Unseen.apply(first(x)) * B, x)
