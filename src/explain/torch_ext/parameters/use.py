"""A PyTorch model run on an example, to see how its layers with parameters are used."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explain.errors import ModelCallError
from explain.inputs.wiring import inputs_and_wiring
from explain.keras import parameter_use as keras_parameter_use
from explain.keras.layers import is_keras_model, wired
from explain.parameters.canonical import ParameterLayer
from explain.parameters.use import Use, as_used
from explain.torch_ext.model.layers import named_layers
from explain.torch_ext.model.state import inference_mode
from explain.torch_ext.model.structure import structure_of
from explain.torch_ext.model.transfer import to_host


def as_used_on(model: Any, layers: Sequence[ParameterLayer], x: Any) -> tuple[ParameterLayer, ...]:
    """Give layers in the order in which a model uses them, with what was put in a row before each, as seen.

    Parameters
    ----------
    model : torch.nn.Module
        It is run in inference mode, several times.
    layers : sequence of ParameterLayer
        Its own.
    x : array_like, or tuple or dict of array_like
        A batch, as the model takes it; of several inputs a tuple, or a dict by their names.

    Raises
    ------
    ModelCallError
        If the model fails.

    Examples
    --------
    >>> from explain.torch_ext.parameters.access import read_parameters
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten(), nn.Linear(8, 3))
    >>> as_used_on(model, read_parameters(model), np.ones((1, 1, 3, 3)))[1].settings["flattened"]
    (Block(positions=4, channels=2, channels_last=False, spatial=True),)
    """
    # A compiled model may leave out the hooks of its modules; the one that it was made from is called.
    called = getattr(model, "_orig_mod", model)
    parameter = next(model.parameters(), torch.zeros(()))
    inputs, wiring = inputs_and_wiring(x)
    tensors = [_as_taken(one, parameter) for one in inputs]
    given, keywords = wired(model, wiring, tensors, {}, keras=is_keras_model(model))

    def call() -> None:
        with torch.no_grad():
            called(*given, **keywords)

    def run(spoiled: int | None = None, axis: int = -1, channel: int = 0) -> list[Use]:
        uses: list[Use] = []
        try:
            if is_keras_model(model):
                names = {id(layer): name for name, layer in named_layers(model).items()}
                keras_parameter_use.noted(
                    model, names, uses, call, _spoiled, to_host, (spoiled, axis, channel)
                )
            else:
                _noted(model, {one.name for one in layers}, uses, call, (spoiled, axis, channel))
        except Exception as error:
            raise ModelCallError(f"The model failed on x, given to see its layers called: {error}") from error
        return uses

    with inference_mode(called, structure_of(called), parameter.device) as put_back:

        def run_afresh(spoiled: int | None = None, axis: int = -1, channel: int = 0) -> list[Use]:
            put_back()
            return run(spoiled, axis, channel)

        return as_used(layers, run_afresh)


def _noted(
    model: nn.Module, names: set[str], uses: list[Use], call: Any, spoil: tuple[int | None, int, int]
) -> None:
    begun: list[int] = []
    # They are held, so that no other tensor has their identity.
    given_by: dict[int, tuple[str, Tensor]] = {}

    def begin(module: nn.Module, given: Any) -> None:
        begun.append(len(uses))
        uses.append(Use("", (), ()))

    def end(name: str) -> Any:
        def note(module: nn.Module, given: Any, output: Any) -> Any:
            place = begun.pop()
            first = output[0] if isinstance(output, tuple) and output else output
            taken = given[0] if given else None
            source = given_by.get(id(taken), (None, None))[0]
            uses[place] = _use(name, taken, first, source)
            if isinstance(first, Tensor):
                given_by[id(first)] = name, first
            if place != spoil[0]:
                return None
            return _spoiled(first, *spoil[1:]) if isinstance(first, Tensor) else None

        return note

    with ExitStack() as stack:
        for name, module in model.named_modules():
            if name in names:
                stack.callback(module.register_forward_pre_hook(begin).remove)
                stack.callback(module.register_forward_hook(end(name)).remove)
        call()


def _use(name: str, given: Any, output: Any, after: str | None) -> Use:
    takes = tuple(given.shape) if isinstance(given, Tensor) else ()
    gives = tuple(output.shape) if isinstance(output, Tensor) else ()
    return Use(name, takes, gives, np.array(to_host(given)) if len(takes) in (2, 3) else None, after)


def _spoiled(tensor: Tensor, axis: int, channel: int) -> Tensor:
    changed = tensor.clone()
    changed.select(axis, channel).fill_(torch.nan)
    return changed


def _as_taken(value: Any, like: Tensor) -> Tensor:
    tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
    return tensor.detach().to(like.device, like.dtype if tensor.is_floating_point() else None)
