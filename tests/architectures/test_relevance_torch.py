"""The reference of layer-wise relevance propagation: lxt's values, and `explain`'s however a model spells itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as PyTorch's documentation has it
from architectures.relevance_torch import NoReferenceError, Relevance
from attn_lrp.stored import MODELS, logits_of, stored
from torch import nn

import explain

generator = torch.Generator().manual_seed(0)
W, V = (torch.randn(6, 6, generator=generator, dtype=torch.float64) / 2 for _ in range(2))
B = torch.randn(6, generator=generator, dtype=torch.float64)


def first(x):
    return x @ W + B


def second(x):
    return x @ V - B


def of_first(function):
    """A function of a layer's result, several times."""
    return lambda x: function(first(x))


def of_halves(function):
    return lambda x: function(*first(x).chunk(2, -1))


def module(kind, *arguments, **options):
    """A layer with weights that a seed fixes, as a constant."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return kind(*arguments, **options).double().eval().requires_grad_(False)


def centred(z):
    return z - z.mean(-1, keepdim=True)


def by_reference(function, x):
    """The reference's relevance of a function's output 1."""
    points = torch.tensor(x).requires_grad_()
    with Relevance():
        result = function(points)
        total = result[:, 1].sum()
    np.testing.assert_allclose(result.detach(), function(points).detach(), rtol=1e-12, atol=1e-12)
    return (points * torch.autograd.grad(total, points)[0]).detach().numpy()


class Model(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def by_explain(function, x):
    return explain.attribute(Model(function), x, "lrp", target=1, rule="epsilon", epsilon=1e-14).values


def apart(values, reference):
    return np.linalg.norm(values - reference) / np.linalg.norm(reference)


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


ROWS = {
    "SiLU": of_first(lambda z: z * torch.sigmoid(z)),
    "SiLU, scaled": of_first(lambda z: z * torch.sigmoid(1.702 * z)),
    "SiLU as a quotient": of_first(lambda z: z / (1 + torch.exp(-z))),
    "GELU": of_first(lambda z: 0.5 * z * (1 + torch.erf(z / 2**0.5))),
    "GELU by tanh": of_first(lambda z: 0.5 * z * (1 + torch.tanh(0.7979 * (z + 0.0447 * z * z * z)))),
    "hard swish": of_first(lambda z: z * F.relu6(z + 3) / 6),
    "hard swish by clamp": of_first(lambda z: z * torch.clamp(z / 6 + 0.5, 0, 1)),
    "Mish": of_first(lambda z: z * torch.tanh(F.softplus(z))),
    "softsign": of_first(F.softsign),
    "square": of_first(lambda z: z * z),
    "function of the flipped": of_first(lambda z: z * torch.tanh(z.flip(1))),
    "scaled in itself": of_first(lambda z: (z * B) * torch.sigmoid(z)),
    "GLU": of_first(F.glu),
    "GLU by hand": of_halves(lambda a, b: a * torch.sigmoid(b)),
    "GEGLU": of_halves(lambda a, b: a * F.gelu(b)),
    "own half": of_halves(lambda a, b: a * torch.sigmoid(a) + b),
    "gated tanh": lambda x: torch.tanh(first(x)) * torch.sigmoid(second(x)),
    "two gates": lambda x: torch.sigmoid(first(x)) * torch.sigmoid(second(x)),
    "a gate and its complement": lambda x: (lambda g: x * (1 - g) + second(x) * g)(torch.sigmoid(first(x))),
    "gate of all": lambda x: x * torch.sigmoid(first(x).mean(1, keepdim=True)).expand(-1, 6),
    "mean of gates": lambda x: x * torch.sigmoid(first(x)).mean(1, keepdim=True),
    "joined gates": lambda x: x * torch.cat([torch.sigmoid(first(x)), F.hardsigmoid(second(x))], 1)[:, 3:9],
    "gate and value, joined": lambda x: x * torch.cat([torch.sigmoid(first(x)), second(x)], 1)[:, 3:9],
    "gate in place": lambda x: x * first(x).sigmoid_(),
    "sigmoid by hand": lambda x: second(x) * (1 / (1 + torch.exp(-first(x)))),
    "clamp as a gate": lambda x: x * torch.clamp(second(x) / 6 + 0.5, 0, 1),
    "product": lambda x: first(x) * second(x),
    "product in place": lambda x: first(x).mul_(second(x)),
    "quotient": lambda x: first(x) / (1 + second(x).abs()),
    "constant over a value": lambda x: B / (first(x) ** 2 + 1),
    "reciprocal": lambda x: first(x) * (2 / (1 + second(x) ** 2)),
    "negative power": lambda x: first(x) * (1 + second(x) ** 2) ** -0.5,
    "gate and reciprocal": lambda x: torch.sigmoid(first(x)) * torch.rsqrt(1 + second(x) ** 2),
    "layer norm": lambda x: second(F.layer_norm(first(x), (6,), B)),
    "layer norm by hand": of_first(lambda z: centred(z) / (centred(z).square().mean(-1, True) + 1e-5).sqrt()),
    "layer norm by variance": of_first(lambda z: centred(z) * (z.var(-1, keepdim=True) + 1e-5).rsqrt()),
    "layer norm by deviation": of_first(lambda z: centred(z) / (z.std(-1, keepdim=True) + 1e-5)),
    "RMS norm": lambda x: F.rms_norm(first(x), (6,), B),
    "RMS norm by hand": of_first(lambda z: z * torch.rsqrt(z.pow(2).mean(-1, keepdim=True) + 1e-6)),
    "norm": lambda x: first(x).norm(dim=1, keepdim=True) * B,
    "deviation": lambda x: first(x).std(1, keepdim=True) * B,
    "variance": lambda x: first(x).var(1, keepdim=True) * B,
    "softmax": lambda x: second(torch.softmax(first(x), 1)),
    "softmax by hand": of_first(lambda z: (lambda e: e / e.sum(1, keepdim=True))(torch.exp(z))),
    "log softmax": lambda x: F.log_softmax(first(x), 1) @ W,
    "log of a sum": lambda x: torch.logsumexp(first(x), 1, keepdim=True) * B,
    "log of a sigmoid": lambda x: F.logsigmoid(first(x)) @ W,
    "power of two": lambda x: 2.0 ** first(x),
    "where": lambda x: torch.where(x > 0, torch.exp(x), first(x)),
    "greater of two": lambda x: torch.maximum(first(x), second(x)),
    "rectified twice": lambda x: torch.tanh(F.relu(first(x))) @ W,
    "outer product": lambda x: (first(x)[:, :, None] * second(x)[:, None]).sum(1),
    "PReLU": of_first(lambda z: F.prelu(z, torch.tensor([0.3], dtype=z.dtype))),
}


def attention(q, k, v):
    return torch.softmax(q @ k.transpose(1, 2) / 6**0.5, -1) @ v


HEADS = module(nn.MultiheadAttention, 6, 2, batch_first=True)
ENCODER = module(nn.TransformerEncoderLayer, 6, 2, 8, batch_first=True, norm_first=True)
DECODER = module(nn.TransformerDecoderLayer, 6, 2, 8, batch_first=True)
LSTM = module(nn.LSTM, 6, 6, num_layers=2, bidirectional=True, batch_first=True)
CAUSAL = torch.ones(4, 4).triu(1).bool()
STEPS = {
    "attention": lambda x: attention(first(x), second(x), x).sum(1),
    "attention of itself": lambda x: F.scaled_dot_product_attention(x, x, x).sum(1),
    "causal": lambda x: F.scaled_dot_product_attention(first(x), second(x), x, is_causal=True).sum(1),
    "mask of the input": lambda x: F.scaled_dot_product_attention(
        first(x), second(x), x, attn_mask=x @ x.transpose(1, 2)
    ).sum(1),
    "einsum": lambda x: torch.einsum("nqd,nkd->nqk", first(x), second(x)).softmax(-1).matmul(x).sum(1),
    "heads": lambda x: HEADS(x, x, x, need_weights=False)[0].sum(1),
    "masked heads": lambda x: HEADS(x, x, x, need_weights=False, attn_mask=CAUSAL)[0].sum(1),
    "constant queries": lambda x: HEADS(W[None, :2].expand(len(x), -1, -1), x, x, need_weights=False)[0].sum(
        1
    ),
    "encoder": lambda x: ENCODER(x).sum(1),
    "decoder": lambda x: DECODER(x, x.flip(1)).sum(1),
    "instance norm": lambda x: (F.instance_norm(first(x)) * B).sum(2) @ W[:4],
    "group norm": lambda x: F.group_norm(first(x), 2).sum(1),
    "LSTM": lambda x: LSTM(x)[0][:, 1],
    "squeeze and excitation": lambda x: (x * torch.sigmoid(F.relu(first(x.mean(1))))[:, None]).sum(1),
    "state space": lambda x: (torch.exp(-F.softplus(first(x)).cumsum(1)) * x).sum(1),
}


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
