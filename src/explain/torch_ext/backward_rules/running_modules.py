"""Which module of a model runs an operation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

# The module of each operation of a run: spans of the numbers that autograd gives to operations.
Spans = list[tuple[int, int, nn.Module]]


@contextmanager
def recording_modules() -> Iterator[Spans]:
    """Record which module runs which operations of this thread, by the numbers that autograd gives them."""
    found: Spans = []
    begun: list[int] = []
    thread = threading.get_ident()

    def before(module: nn.Module, arguments: Any) -> None:
        if threading.get_ident() == thread:
            begun.append(_next_number())

    def after(module: nn.Module, arguments: Any, output: Any) -> None:
        if threading.get_ident() == thread and begun:
            found.append((begun.pop(), _next_number(), module))

    handles = register_module_forward_pre_hook(before), register_module_forward_hook(after)
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def module_of(node: Any, spans: Spans, named: Mapping[str, nn.Module]) -> str:
    """Name the innermost module that ran an operation, with its class; empty if none did."""
    number = node._sequence_nr()
    around = [span for span in spans if span[0] <= number < span[1]]
    if not around:
        return ""
    *_, module = min(around, key=lambda span: span[1] - span[0])
    name = next((name for name, one in named.items() if one is module), "")
    kind = type(module).__name__
    return f"{name!r}, a {kind}" if name else kind


# PyTorch's profiler tells operations apart by the same numbers.
_next_number: Callable[[], int] = torch._C._autograd._get_sequence_nr
