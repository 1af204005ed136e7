"""Times calls on a transformer of BERT's size in this process: `python -m benchmarks.bert_calls WHERE ROUNDS METHOD`.

It takes any number of methods, and prints what it measured as JSON. WHERE is ``own`` or, in the environment of the
peers, where lxt takes part, ``peers``.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

import explain
from benchmarks.interleaving import Timed, interleaved, ratio, spread
from benchmarks.lxt_rules import lxt_rules, modeling
from benchmarks.path_gradients import relative
from benchmarks.processes import PEERS

PASS, LXT = "one pass", "lxt"
# Whatever else a method is asked with.
OPTIONS: dict[str, dict[str, Any]] = {"lrp": {"rule": "epsilon"}}
SIZES = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
EXAMPLES, TOKENS = 8, 128
_TARGET = 1


def relevance_by_lxt(model: nn.Module, ids: Tensor) -> Tensor:
    """Explain the token ids as the page of lxt has it, with its rules in place for the length of the call."""
    with lxt_rules("bert"):
        embeddings = model.get_input_embeddings()(ids).requires_grad_()
        model(inputs_embeds=embeddings).logits[:, _TARGET].sum().backward()
        return (embeddings * embeddings.grad).sum(-1).detach()


def one_pass(model: nn.Module, ids: Tensor) -> Tensor:
    """Run the model, and take the gradient at its word embeddings alone; its parameters ask for theirs, as loaded."""
    embeddings = model.get_input_embeddings()(ids).detach().requires_grad_()
    score = model(inputs_embeds=embeddings).logits[:, _TARGET].sum()
    return torch.autograd.grad(score, embeddings)[0]


def measured(methods: list[str], rounds: int, *, with_lxt: bool) -> dict[str, Any]:
    """Time calls of `explain` beside one forward and backward pass, and beside lxt.

    Parameters
    ----------
    methods : list of str
        The methods to call.
    rounds : int
        The number of rounds.
    with_lxt : bool
        Whether lxt takes part, and how far our map of each method is from its map is measured.
    """
    torch.manual_seed(0)
    config = transformers.BertConfig(**SIZES)
    model = modeling("bert").BertForSequenceClassification(config).eval()
    ids = torch.from_numpy(np.random.default_rng(0).integers(1, SIZES["vocab_size"], (EXAMPLES, TOKENS)))
    calls: dict[str, Callable[[], Any]] = {PASS: partial(one_pass, model, ids)}
    if with_lxt:
        calls[LXT] = partial(relevance_by_lxt, _twin_of_lxt(model), ids)
    for method in methods:
        calls[method] = partial(
            explain.attribute, model, ids.numpy(), method, target=_TARGET, **OPTIONS.get(method, {})
        )
    found, firsts = {}, {}
    for name, call in calls.items():
        began = time.perf_counter()
        found[name] = call()
        firsts[name] = time.perf_counter() - began
    seconds = interleaved({name: Timed(call) for name, call in calls.items()}, rounds, "BERT")
    others = [PASS, LXT] if with_lxt else [PASS]
    return {
        "first": firsts,
        "seconds": {name: spread(spent) for name, spent in seconds.items()},
        "ratios": {method: {other: ratio(seconds, method, other) for other in others} for method in methods},
        "apart": {
            method: float(np.max(relative(found[method].values, found[LXT].numpy()))) for method in methods
        }
        if with_lxt
        else {},
        "versions": {"PyTorch": torch.__version__, "transformers": transformers.__version__},
        "threads": torch.get_num_threads(),
    }


def _twin_of_lxt(model: nn.Module) -> nn.Module:
    """Make the model from lxt's own classes, on the same weights, which ask for no gradient."""
    with lxt_rules("bert") as patched:
        twin = patched.BertForSequenceClassification(model.config)
    twin.load_state_dict(model.state_dict())
    return twin.eval().requires_grad_(False)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        where, times, *names = sys.argv[1:]
        print(json.dumps(measured(names, int(times), with_lxt=where == PEERS)))
