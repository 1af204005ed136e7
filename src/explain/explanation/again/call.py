"""A whole call of `explain.attribute`: its four steps, and its warnings as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from explain.explanation.arguments import OWN_ENGINE
from explain.explanation.checked_request import checked_or_kept
from explain.explanation.posed import posed
from explain.explanation.request import Notes, Request
from explain.explanation.run import run
from explain.explanation.wrap_up import wrap_up

DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "tokenizer": None,
        "target": None,
        "baseline": None,
        "score": "logit",
        "output": None,
        "layer": None,
        "layer_layout": None,
        "neuron": None,
        "reduce": None,
        "layout": None,
        "lengths": None,
        "forward_kwargs": None,
        "framework": None,
        "engine": OWN_ENGINE,
        "batch_size": None,
        "memory_budget": None,
        "bounds": None,
        "seed": 0,
        "display": None,
    }
)
"""The arguments of `explain.attribute` besides model, input, method and options, with their defaults."""


def explained(request: Request) -> tuple[Any, Notes]:
    """Explain a checked request: give the result, or one for each of several inputs, and the warnings."""
    with posed(request) as problem:
        found = run(problem)
    return wrap_up(problem, found)


def request_of(model: Any, x: Any, method: str, arguments: Mapping[str, Any]) -> Request:
    """Check the arguments of `explain.attribute`, options among them, as the function itself does.

    Parameters
    ----------
    model, x, method
        As for `explain.attribute`.
    arguments : Mapping
        Its other arguments, and the options of the method, by name; those that are missing have their defaults.

    Raises
    ------
    explain.errors.ExplainError
        As `explain.attribute` does.
    """
    own = {name: arguments.get(name, default) for name, default in DEFAULTS.items()}
    options = {name: value for name, value in arguments.items() if name not in DEFAULTS}
    return checked_or_kept(model, x, method, options=options, **own)
