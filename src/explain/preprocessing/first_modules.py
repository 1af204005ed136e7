"""What a PyTorch model does to pixels before its first weights, observed by hooks: PyTorch is not imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

_NO_MODULE = "code before its first layer"


class _ReachedError(Exception):
    """Stops the model at its first weights."""


def channels_of(model: Any) -> int | None:
    """Give the channels that the first convolution takes; None if the first weights are of another kind.

    Examples
    --------
    >>> channels_of("not a model") is None
    True
    """
    if not _is_module(model):
        return None
    weight = getattr(next(iter(_with_weights(model)), None), "weight", None)
    if weight is None or len(weight.shape) != 4:
        return None
    return int(weight.shape[1])


def seen_by_first_weights(
    model: Any, pictures: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], tuple[str, ...]] | None:
    """Run a model up to its first weights, and give what they get.

    Parameters
    ----------
    model : object
        A ``torch.nn.Module``; of anything else nothing is seen.
    pictures : numpy.ndarray of float32, shape (N, C, H, W)
        What it is given.

    Returns
    -------
    seen : numpy.ndarray
        What the first module with weights gets.
    names : tuple of str
        The modules before it.

    Examples
    --------
    >>> seen_by_first_weights("not a model", np.zeros((1, 3, 8, 8), np.float32)) is None
    True
    """
    # Of a compiled model the one within: running it compiles nothing.
    model = getattr(model, "_orig_mod", model)
    like = next(model.parameters(), None) if _is_module(model) else None
    if like is None or not like.is_floating_point():
        return None
    seen: list[Any] = []
    names: list[str] = []

    def reached(module: Any, args: tuple[Any, ...]) -> None:
        seen.extend(args[:1])
        raise _ReachedError

    weighted = set(map(id, _with_weights(model)))
    hooks: list[Any] = []
    try:
        # TorchScript takes no hooks, and a model may raise for pictures that are not its own: then nothing is seen.
        for name, module in model.named_modules():
            if id(module) in weighted:
                hooks.append(module.register_forward_pre_hook(reached))
            elif not list(module.children()):
                hooks.append(module.register_forward_pre_hook(lambda *_, name=name: names.append(name)))
        with _restored(model):
            model(like.detach().new_tensor(pictures))
    except Exception:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    if not seen or not hasattr(seen[0], "detach"):
        return None
    values = np.asarray(seen[0].detach().cpu().float()).copy()
    return values, tuple(names) or (_NO_MODULE,)


def _is_module(model: Any) -> bool:
    return all(
        callable(getattr(model, name, None))
        for name in ("register_forward_pre_hook", "named_modules", "buffers")
    )


def _with_weights(model: Any) -> Iterator[Any]:
    """Give the modules that hold weights themselves, in the order of their definition."""
    return (module for module in model.modules() if any(True for _ in module.parameters(recurse=False)))


@contextmanager
def _restored(model: Any) -> Iterator[None]:
    """Put a model into inference mode; restore that and its buffers, which a step before its weights may change."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    try:
        # Not by `eval`, which some models override to change their weights.
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for buffer, values in buffers:
            buffer.data.copy_(values)
