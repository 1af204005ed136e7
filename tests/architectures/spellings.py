"""Small functions, each a way to spell an operation, in PyTorch; and their relevance by the reference."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as PyTorch's documentation has it
from architectures.relevance_torch import Relevance
from torch import nn

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


def apart(values, reference):
    return np.linalg.norm(values - reference) / np.linalg.norm(reference)


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
