"""Stores small transformers with their AttnLRP relevance (arXiv:2402.05602) by lxt 2.1, for ``attn_lrp.stored``.

lxt needs an older transformers than the tests, so this runs in the environment of the benchmarks' peers:

    make benchmarks/.venv-peers/.installed
    PYTHONPATH=tests:. benchmarks/.venv-peers/bin/python -m attn_lrp.make

It writes ``tests/attn_lrp/NAME.safetensors``, the same bytes in every run, and prints how far lxt's values are from
embeddings × plain gradient, and how far they move by the other implementation of attention and by float32: relative
L2, the larger of the examples.
"""

from __future__ import annotations

import importlib.metadata
import json
from types import ModuleType
from typing import Any

import numpy as np
import torch
from attn_lrp.stored import FOLDER, MODELS, built, logits_of
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.lxt_rules import lxt_rules, modeling

_EXAMPLES, _TOKENS, _VOCABULARY = 2, 7, 50
# So large that attention is far from uniform.
_SPREAD = 0.2


def draw_weights(model: nn.Module, seed: int) -> None:
    """Give every parameter drawn numbers, norm weights round one, without the generator of any PyTorch version."""
    generator = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            drawn = generator.normal(scale=_SPREAD, size=tuple(parameter.shape))
            is_norm = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(torch.from_numpy(drawn + is_norm))


def explained(module: ModuleType, name: str, weights: dict[str, Tensor], ids: Tensor, **how: Any) -> Any:
    """Give the logits, the target and embeddings × gradient with the classes of a module."""
    model = built(module, name, how.get("attention", "sdpa"))
    model.load_state_dict(weights)
    model.to(how.get("dtype", torch.float64)).eval().requires_grad_(False)
    embeddings = model.get_input_embeddings()(ids).requires_grad_()
    logits = logits_of(name, model, embeddings)
    target = torch.ones(len(ids), dtype=torch.int64) if name == "bert" else logits.argmax(1)
    logits.gather(1, target[:, None]).sum().backward()
    return logits.detach(), target, embeddings.detach() * embeddings.grad


def apart(values: Tensor, reference: Tensor) -> float:
    """Give the relative L2 distance of the example that is farthest."""
    difference = (values.double() - reference).flatten(1).norm(dim=1)
    return float((difference / reference.flatten(1).norm(dim=1)).max())


def make(name: str) -> None:
    """Explain one model and store it."""
    plain = modeling(name)
    model = built(plain, name, "sdpa")
    draw_weights(model, seed=list(MODELS).index(name))
    weights = {key: value.detach().clone() for key, value in model.state_dict().items()}
    ids = torch.from_numpy(np.random.default_rng(17).integers(1, _VOCABULARY, (_EXAMPLES, _TOKENS)))
    *_, input_x_gradient = explained(plain, name, weights, ids)
    with lxt_rules(name) as patched:
        logits, target, relevance = explained(patched, name, weights, ids)
        *_, eager = explained(patched, name, weights, ids, attention="eager")
        *_, single = explained(patched, name, weights, ids, dtype=torch.float32)
    *_, unpatched = explained(plain, name, weights, ids)
    if not torch.equal(unpatched, input_x_gradient):
        raise RuntimeError("The rules of lxt did not leave the model.")
    values = {"ids": ids, "target": target, "logits": logits, "relevance": relevance}
    tensors = {f"model.{key}": value for key, value in weights.items()}
    tensors |= {f"value.{key}": value.contiguous() for key, value in values.items()}
    packages = {one: importlib.metadata.version(one) for one in ("lxt", "transformers", "torch")}
    save_file(tensors, FOLDER / f"{name}.safetensors", {"versions": json.dumps(packages)})
    print(
        f"{name}: input × gradient {apart(input_x_gradient, relevance):.2f}, "
        f"eager {apart(eager, relevance):.1e}, float32 {apart(single, relevance):.1e}"
    )


if __name__ == "__main__":
    for each in MODELS:
        make(each)
