"""Runs a PyTorch model on an example, to record how it uses its layers with parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explain.inputs.wiring import inputs_and_wiring
from explain.keras.calls import wired
from explain.keras.layers import is_keras_model
from explain.keras.parameters.use import recorded_uses
from explain.parameters.canonical import ParameterLayer
from explain.parameters.recorded_use import UseRecorder, recorded_run
from explain.parameters.use import as_used
from explain.torch_ext.model.state import inference_mode
from explain.torch_ext.model.structure import structure_of
from explain.torch_ext.model.transfer import to_host


def as_used_on(model: Any, layers: Sequence[ParameterLayer], x: Any) -> tuple[ParameterLayer, ...]:
    """Run a PyTorch model in inference mode, several times, see `explain.parameters.use.as_used`.

    Examples
    --------
    >>> from explain.torch_ext.parameters.read_and_write import read_parameters
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten(), nn.Linear(8, 3))
    >>> as_used_on(model, read_parameters(model), np.ones((1, 1, 3, 3)))[1].settings["flattened"]
    (Block(positions=4, channels=2, channels_last=False, spatial=True),)
    """
    # A compiled model may skip the hooks of its modules, so call the original model.
    called = getattr(model, "_orig_mod", model)
    of_keras = is_keras_model(model)
    parameter = next(model.parameters(), torch.zeros(()))
    inputs, wiring = inputs_and_wiring(x)
    tensors = [_as_taken(one, parameter) for one in inputs]
    given, keywords = wired(model, wiring, tensors, {}, keras=of_keras)
    wanted = {one.name for one in layers}
    names = {id(module): name for name, module in model.named_modules() if name in wanted}
    with inference_mode(called, structure_of(called), parameter.device) as put_back:

        def call(recorder: UseRecorder) -> None:
            put_back()
            recorded = recorded_uses if of_keras else _recorded_uses
            with recorded(model, names, recorder), torch.no_grad():
                called(*given, **keywords)

        return as_used(layers, recorded_run(call, to_host, _with_nan))


@contextmanager
def _recorded_uses(model: nn.Module, names: Mapping[int, str], recorder: UseRecorder) -> Iterator[None]:
    """Record the calls of named modules with hooks, for the duration of a context."""
    begun: list[int] = []

    def begin(module: nn.Module, given: Any) -> None:
        begun.append(recorder.begin())

    def end(module: nn.Module, given: Any, output: Any) -> Any:
        return recorder.end(begun.pop(), names[id(module)], given[0] if given else None, output)

    with ExitStack() as stack:
        for module in model.modules():
            if id(module) in names:
                stack.callback(module.register_forward_pre_hook(begin).remove)
                stack.callback(module.register_forward_hook(end).remove)
        yield


def _with_nan(tensor: Tensor, axis: int, channel: int) -> Tensor:
    changed = tensor.clone()
    changed.select(axis, channel).fill_(torch.nan)
    return changed


def _as_taken(value: Any, like: Tensor) -> Tensor:
    tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
    return tensor.detach().to(like.device, like.dtype if tensor.is_floating_point() else None)
