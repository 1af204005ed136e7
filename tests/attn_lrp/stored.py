"""Small transformers with their AttnLRP relevance by lxt 2.1, stored by ``attn_lrp.make``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent

_SMALL = {"vocab_size": 50, "max_position_embeddings": 16}
_ENCODER = {
    **_SMALL,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
}
_DECODER = {**_ENCODER, "num_key_value_heads": 2}

# GPT-2's own lie beyond a small vocabulary.
_NO_SPECIAL = {"bos_token_id": None, "eos_token_id": None}

# Class and configuration of each family's model. What is not given is the default of every version of transformers.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", _DECODER),
    "qwen2": ("Qwen2ForCausalLM", _DECODER),
    "qwen3": ("Qwen3ForCausalLM", {**_DECODER, "head_dim": 8}),
    "gpt2": (
        "GPT2LMHeadModel",
        {
            "vocab_size": 50,
            "n_positions": 16,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
            "n_inner": 40,
            **_NO_SPECIAL,
        },
    ),
    "bert": ("BertForSequenceClassification", {**_ENCODER, "num_labels": 3}),
}


@dataclass(frozen=True)
class Stored:
    """A model with an explanation of it by lxt.

    Attributes
    ----------
    model : transformers.PreTrainedModel
        The model, in evaluation mode, in the precision and with the attention asked for.
    ids : numpy.ndarray of int64, shape (N, T)
        The token ids.
    embeddings : numpy.ndarray of float64, shape (N, T, E)
        Their word embeddings, which are what is explained.
    target : numpy.ndarray of int64, shape (N,)
        The explained logit: of a decoder that of the last token, its largest; of BERT class 1.
    logits : numpy.ndarray of float64, shape (N, classes)
        The logits of the last token, or those of BERT.
    relevance : numpy.ndarray of float64, shape (N, T, E)
        AttnLRP by lxt, in float64: the embeddings × the gradient that its rules make.
    """

    model: Any
    ids: npt.NDArray[np.int64]
    embeddings: npt.NDArray[np.float64]
    target: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float64]
    relevance: npt.NDArray[np.float64]


def stored(name: str, *, attn_implementation: str = "sdpa", dtype: str = "float64") -> Stored:
    """Load a model and its explanation.

    Parameters
    ----------
    name : {"llama", "qwen2", "qwen3", "gpt2", "bert"}
        The family of the model.
    attn_implementation : {"sdpa", "eager"}
        How the attention is calculated.
    dtype : {"float64", "float32"}
        The precision of the model. The weights are numbers of float32 in both; the values were calculated in float64.
    """
    import torch
    from safetensors.torch import load_file

    tensors = load_file(FOLDER / f"{name}.safetensors")
    model = built(import_module(f"transformers.models.{name}.modeling_{name}"), name, attn_implementation)
    model.load_state_dict({key[6:]: value for key, value in tensors.items() if key.startswith("model.")})
    found = {key[6:]: value.numpy() for key, value in tensors.items() if key.startswith("value.")}
    model.to(getattr(torch, dtype)).eval()
    with torch.no_grad():
        embeddings = model.get_input_embeddings()(torch.from_numpy(found["ids"])).double().numpy()
    return Stored(model, embeddings=embeddings, **found)


def built(module: ModuleType, name: str, attn_implementation: str) -> Any:
    """Build a model with random weights from the classes of a module of transformers."""
    from transformers import AutoConfig

    kind, options = MODELS[name]
    config = AutoConfig.for_model(name, **options, attn_implementation=attn_implementation)
    return getattr(module, kind)(config)


def logits_of(name: str, model: Any, embeddings: Any) -> Any:
    """Give the logits (N, classes) that are explained: those of the last token where there are some of each token."""
    # A cache for tokens to come would hold on to what the model calculated.
    options = {} if name == "bert" else {"use_cache": False}
    logits = model(inputs_embeds=embeddings, **options).logits
    return logits if name == "bert" else logits[:, -1]


def versions() -> dict[str, str]:
    """Say which versions of lxt, transformers and PyTorch made the stored values."""
    from safetensors import safe_open

    with safe_open(FOLDER / "bert.safetensors", "pt") as file:
        held: dict[str, str] = json.loads(file.metadata()["versions"])
    return held
