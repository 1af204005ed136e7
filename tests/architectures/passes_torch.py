"""Plain passes of a PyTorch model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from architectures.passes import Array, Passes
from architectures.relevance_torch import NoReferenceError, Relevance
from torch.overrides import TorchFunctionMode


class TorchPasses(Passes):
    """PyTorch's forward passes, hooks and autograd, and nothing else."""

    def __init__(self, architecture: Any) -> None:
        # Attention has another path without gradients; the references take the one that gradients take.
        torch.backends.mha.set_fastpath_enabled(False)
        super().__init__(architecture)
        logits = architecture.logits
        self.called = logits(self.model) if logits is not None else self.model

    def vectors(self, name: str, key: Any, ids: Array) -> Array:
        module = self.model.get_submodule(name)
        if self.architecture.package != "torchfm":
            with torch.no_grad():
                given = module(torch.as_tensor(ids)).numpy()
            return np.moveaxis(given, 1, 0) if self.time_first else given
        # Its embeddings get the ids with an offset for each field.
        found: list[torch.Tensor] = []
        handle = module.register_forward_hook(lambda *a: found.append(a[2].detach()))
        with handle, torch.no_grad():
            given = [ids if one == key else array for one, array in self.every_input()]
            self.forward([torch.as_tensor(one) for one in given], np.arange(self.count))
        return found[0].numpy()

    def forward(self, inputs: Any, rows: Array) -> Any:
        kwargs = self.as_tensors(self.kwargs_rows(rows))
        called = getattr(self, "called", self.model)
        if isinstance(self.x, dict):
            return called(**dict(zip(self.x, inputs, strict=True)), **kwargs)
        return called(*inputs, **kwargs)

    def as_tensors(self, further: dict[str, Any]) -> dict[str, Any]:
        return {
            name: torch.as_tensor(value) if isinstance(value, np.ndarray) else value
            for name, value in further.items()
        }

    def run(self, points: Sequence[torch.Tensor], rows: Array) -> torch.Tensor:
        """The scores at points that are tensors."""
        given, vectors = self.with_points(points, rows)
        inputs = [torch.as_tensor(one) for one in (given.values() if isinstance(given, dict) else given)]
        with ExitStack() as stack:
            for (name, _), one in vectors.items():
                placed = one.movedim(0, 1) if self.time_first else one
                stack.enter_context(_replaced(self.model.get_submodule(name), placed))
            return self.picked(self.forward(inputs, rows))

    def scores(self, points: Sequence[Array], rows: Array) -> Array:
        def answer(points: Sequence[Array], rows: Array) -> Array:
            with torch.no_grad():
                return self.run([torch.as_tensor(one) for one in points], rows).double().numpy()

        return np.concatenate(self.in_chunks(answer, points, rows))

    def gradients(self, points: Sequence[Array], rows: Array, rectified: bool = False) -> list[Array]:
        return self.gradients_under(_Rectified if rectified else ExitStack, points, rows)

    def weights(self) -> list[torch.Tensor]:
        return list(self.model.parameters())

    def relevances(self) -> list[Array] | None:
        own = [one for one in self.weights() if one.requires_grad]
        for one in own:
            one.requires_grad_(False)
        try:
            found = self.gradients_under(Relevance, self.starts, self.rows)
        except NoReferenceError:
            return None
        finally:
            for one in own:
                one.requires_grad_(True)
        return [one * start for one, start in zip(found, self.starts, strict=True)]

    def gradients_under(self, mode: Callable[[], Any], points: Sequence[Array], rows: Array) -> list[Array]:
        """The gradients that autograd gives when a model runs in such a mode."""

        def answer(points: Sequence[Array], rows: Array) -> list[Array]:
            leaves = [torch.tensor(one).requires_grad_() for one in points]
            with mode():
                total = self.run(leaves, rows).sum()
            found = torch.autograd.grad(total, leaves, allow_unused=True)
            return [
                np.zeros_like(leaf.detach()) if one is None else one.numpy()
                for one, leaf in zip(found, leaves, strict=True)
            ]

        chunks = self.in_chunks(answer, points, rows)
        return [np.concatenate(one) for one in zip(*chunks, strict=True)]

    # The layers, for class activation maps, activations and conductance.

    def at_layer(
        self, points: Sequence[Array], rows: Array, name: str, call: int, enters: bool = False
    ) -> tuple[Array, Array]:
        """A layer's output, and the gradient of the scores to it."""
        kept: list[torch.Tensor] = []
        leaves = [torch.tensor(one).requires_grad_() for one in points]
        with _intercepted(self.model.get_submodule(name), call, lambda one: kept.append(one) or one):
            total = self.run(leaves, rows).sum()
        (gradient,) = torch.autograd.grad(total, kept[:1], allow_unused=True)
        gradient = torch.zeros_like(kept[0]) if gradient is None else gradient
        return kept[0].detach().numpy(), gradient.numpy()

    def when_held(
        self, points: Sequence[Array], rows: Array, name: str, call: int, enters: bool = False
    ) -> Array:
        """The size of the gradient at the input when that layer's output is a constant."""
        leaves = [torch.tensor(one).requires_grad_() for one in points]
        with _intercepted(self.model.get_submodule(name), call, lambda one: one.detach()):
            total = self.run(leaves, rows).sum()
        if not total.requires_grad:
            return np.zeros(1)
        found = torch.autograd.grad(total, leaves, allow_unused=True)
        return np.array([0.0 if one is None else float(one.abs().max()) for one in found])


@contextmanager
def _replaced(module: torch.nn.Module, points: torch.Tensor) -> Any:
    """The first call of an embedding gives these points."""
    calls = []

    def hook(module: Any, args: Any, output: Any) -> Any:
        calls.append(output)
        if len(calls) == 1:
            assert output.shape == points.shape, (output.shape, points.shape)
            return points
        return None

    # Before the hooks of a reference that reads this very layer.
    with module.register_forward_hook(hook, prepend=True):
        yield


@contextmanager
def _intercepted(module: torch.nn.Module, wanted: int, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """One call of a module gives what `change` makes of its first tensor."""
    calls = [-1]

    def hook(module: Any, args: Any, output: Any) -> Any:
        calls[0] += 1
        if calls[0] != wanted:
            return None
        if isinstance(output, torch.Tensor):
            return change(output)
        if isinstance(output, tuple):
            return (change(output[0]), *output[1:])
        if isinstance(output, dict):
            first = next(iter(output))
            return type(output)(**{**output, first: change(output[first])})
        return None

    with module.register_forward_hook(hook):
        yield


class _RectifiedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, most: float) -> torch.Tensor:
        ctx.save_for_backward((z > 0) & (z < most))
        return z.clamp(0, most)

    @staticmethod
    def backward(ctx: Any, *incoming: torch.Tensor) -> Any:
        (passes,) = ctx.saved_tensors
        return incoming[0].clamp(min=0) * passes, None


class _Rectified(TorchFunctionMode):
    """Every ReLU passes on positive gradients alone."""

    RELUS = frozenset(
        {
            torch.relu,
            torch.relu_,
            torch.nn.functional.relu,
            torch.nn.functional.relu_,
            torch.Tensor.relu,
            torch.Tensor.relu_,
        }
    )

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in self.RELUS:
            return _RectifiedReLU.apply(args[0], float("inf"))
        if function is torch.nn.functional.relu6:
            return _RectifiedReLU.apply(args[0], 6.0)
        if function in (torch.nn.functional.hardtanh, torch.nn.functional.hardtanh_):
            least, most = (
                [*args[1:], *(kwargs or {}).values()][:2]
                if len(args) > 1
                else ((kwargs or {}).get("min_val", -1), (kwargs or {}).get("max_val", 1))
            )
            if least == 0:
                return _RectifiedReLU.apply(args[0], float(most))
        return function(*args, **(kwargs or {}))
