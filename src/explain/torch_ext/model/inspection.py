"""The properties of a PyTorch model that are known without running it."""

from __future__ import annotations

import sys
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explain.backends.embeddings.readers import is_embedding
from explain.backends.inspection import Complaint, Inspection, model_call_error, uncallable_error
from explain.backends.stepwise import RUN_STEPWISE, is_stepwise, takes_state
from explain.errors import ExplainError, LayoutError, ModelNotBuiltError, UnsupportedModelError
from explain.inputs.layout import Layout
from explain.inputs.layout import default_layout as usual_layout
from explain.inputs.naming.brief import message_of
from explain.inputs.wiring import STATE_NAMES, Wiring, parameters_of
from explain.keras import inspection as keras_inspection
from explain.keras.building import check_complete
from explain.keras.layers import is_keras_model, layers_of
from explain.records import changed
from explain.torch_ext.model.structure import Structure, structure_of

_DECODER_IDS = "decoder_input_ids"
_IS_META = attrgetter("is_meta")
_CONVOLUTIONS: dict[type[nn.Module], int] = {nn.Conv1d: 3, nn.Conv2d: 4, nn.Conv3d: 5}


@dataclass(frozen=True, kw_only=True)
class TorchInspection(Inspection):
    """An unwrapped model and its kind.

    Parameters
    ----------
    several : bool
        True if the caller gives several inputs.
    keras : bool
        True for a Keras model that runs on torch.
    structure : Structure
        Its modules.
    """

    several: bool = False
    keras: bool = False
    structure: Structure = field(default_factory=Structure)


def inspect_model(model: Any, given: Any = (), wiring: Wiring | None = None) -> TorchInspection:
    """Unwrap a model and determine its kind.

    Parameters
    ----------
    model : object
        The model.
    given : Mapping
        The keyword arguments that the caller passes.
    wiring : Wiring, optional
        Maps the given inputs to the model's arguments, if the caller gives several: a state is then one of them.
    """
    original = _unwrapped(model)
    several = wiring is not None
    if not isinstance(original, nn.Module):
        return TorchInspection(model=original, opaque=True, several=several)
    if is_keras_model(original):
        check_complete(original)
    structure = structure_of(original)
    # The names of arguments may be any container.
    known: TorchInspection | None = None if given else structure.known.get(("inspection", several))
    if known is not None:
        return changed(known, model=original, structure=structure)
    found = _inspected(original, structure, given, several=several)
    # Of a graph, and of a model of Keras, more than its modules decides.
    if not (given or found.keras or isinstance(original, torch.fx.GraphModule)):
        structure.known["inspection", several] = changed(found, model=None, structure=Structure())
    return found


def _inspected(
    original: nn.Module, structure: Structure, given: Container[str], *, several: bool
) -> TorchInspection:
    if not is_keras_model(original) and getattr(original.forward, "__func__", None) is nn.Module.forward:
        parts = [name for name, _ in original.named_children()]
        raise uncallable_error(type(original).__name__, "forward", "torch.nn.Module", parts)
    if structure.lazy:
        raise ModelNotBuiltError(
            f"model of type {type(original).__name__} has layers whose shape is not known yet (Lazy modules): call it "
            "once on a batch before explaining it."
        )
    is_flat = isinstance(original, torch.fx.GraphModule) and _is_flat(original)
    if is_flat or isinstance(original, torch.jit.ScriptModule):
        size = _exported_batch_size(original) if isinstance(original, torch.fx.GraphModule) else None
        return TorchInspection(
            model=original, opaque=True, several=several, fixed_batch_size=size, structure=structure
        )
    return TorchInspection(
        model=original,
        opaque=False,
        stepwise=not several and is_stepwise(_forward_of(original), given),
        takes_state=takes_state(_forward_of(original)),
        several=several,
        keras=is_keras_model(original),
        fixed_batch_size=1 if structure.by_batch else None,
        structure=structure,
    )


def default_layout(model: Any, ndim: int) -> Layout:
    """Give the layout of a first input of rank `ndim`.

    Raises
    ------
    LayoutError
        If a recurrent or attention layer takes the time axis first, so that the model may expect either order.
    """
    original = _unwrapped(model)
    if is_keras_model(original):
        return keras_inspection.default_layout(original, ndim)
    if ndim != 3:
        return usual_layout(ndim, "first")
    inspection = inspect_model(model)
    if inspection.stepwise or not isinstance(original, nn.Module):
        return Layout("NTC")
    for module in original.modules():
        if isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
            if module.batch_first:
                return Layout("NTC")
            raise LayoutError(
                f"x has 3 axes and the model's {type(module).__name__} takes time first, so the batch axis of x is "
                "unknown. Give layout='TNC' if x is (time, batch, features), or layout='NTC' if the model swaps the "
                "axes itself."
            )
        if isinstance(module, nn.Conv1d):
            return Layout("NCT")
        if isinstance(module, nn.Conv2d):
            return Layout("NHW")
    return Layout("NTC")


def stated_input_shape(model: Any) -> tuple[int | None, ...] | None:
    """Give the shape of one example, without the batch axis, if the model has an ``input_shape``."""
    original = _unwrapped(model)
    if is_keras_model(original):
        return keras_inspection.stated_input_shape(original)
    shape = getattr(original, "input_shape", None)
    return shape if isinstance(shape, tuple) else None


def reads_token_ids(model: Any) -> bool:
    """Tell whether the model has an accessible embedding layer."""
    # A state that the caller gives is not known here.
    inspection = inspect_model(model, STATE_NAMES)
    layers = layers_of(inspection.model) if inspection.keras else inspection.structure.modules
    return inspection.has_layers and any(map(is_embedding, layers))


def device_and_dtype(inspection: TorchInspection, like: Any) -> tuple[torch.device, torch.dtype]:
    """Give the device and the dtype of the model's parameters, or of its input if it has none.

    Raises
    ------
    UnsupportedModelError
        If a parameter or buffer is on the device "meta", where tensors have no values.
    """
    # Parameters before buffers: statistics may have another dtype than weights.
    kept = (
        getattr(module, name)
        for name in ("_parameters", "_buffers")
        for module in inspection.structure.modules
    )
    tensors = [tensor for part in kept for tensor in part.values() if tensor is not None]
    if any(map(_IS_META, tensors)):
        raise UnsupportedModelError(
            "The model has parameters or buffers on the device 'meta', which have a shape and no values: load its "
            "weights, for example model.to_empty(device='cpu') and then load_state_dict(...)."
        )
    for tensor in tensors:
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    if isinstance(like, Tensor):
        return like.device, like.dtype if like.is_floating_point() else torch.float32
    return torch.device("cpu"), torch.float64 if getattr(like, "dtype", None) == np.float64 else torch.float32


def first_layer_complaint(model: Any, shape: tuple[int, ...]) -> Complaint | None:
    """Describe why an input's shape does not fit the model's first convolution or recurrent layer; None if it fits."""
    if not isinstance(model, nn.Module) or isinstance(model, torch.jit.ScriptModule):
        return None
    for name, module in model.named_modules():
        for kind, ndim in _CONVOLUTIONS.items():
            if isinstance(module, kind):
                assert isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
                return _convolution_complaint(name, ndim, module.in_channels, shape)
        if isinstance(module, nn.RNNBase):
            if len(shape) == 2:
                axes = "(N, T, C)" if module.batch_first else "(T, N, C)"
                return Complaint(
                    f"layer {name!r} wants series, {axes} of {module.input_size} features, x has shape {shape}: give "
                    "it in these axes (a table in a file is read so with series=True)"
                )
            if shape[-1] == module.input_size:
                return None
            return Complaint(
                f"layer {name!r} wants {module.input_size} features on the last axis, x has shape {shape}"
            )
    return None


def call_error(
    inspection: TorchInspection,
    cause: Exception,
    inputs: Sequence[Any],
    wiring: Wiring | None,
    keywords: Container[str] = (),
) -> ExplainError:
    """Give the error for a model that raised: it names a wrong input shape if there is one, else the model's error."""
    names = (wiring.names if wiring else None) or ("",) * len(inputs)
    tensors = [(name, one) for name, one in zip(names, inputs, strict=True) if isinstance(one, Tensor)]
    complaint = None
    # Of token ids, an embedding makes the features.
    if not (inspection.several or inspection.stepwise) and tensors[0][1].is_floating_point():
        complaint = first_layer_complaint(inspection.model, tuple(tensors[0][1].shape))
    if complaint is not None:
        return complaint.error(f" (The model raised: {message_of(cause)})")
    passed = "The model gets a tuple by position, a dict by name." if inspection.several else None
    return model_call_error(
        cause,
        [(name, tuple(one.shape), str(one.dtype)) for name, one in tensors],
        passed,
        RUN_STEPWISE if inspection.stepwise else _decoder_remedy(inspection.model, keywords),
    )


def _decoder_remedy(model: Any, keywords: Container[str]) -> str:
    """Say what an encoder with a decoder needs; nothing if it has it, or of another model."""
    if _DECODER_IDS in keywords or _DECODER_IDS not in parameters_of(model):
        return ""
    return (
        f"An encoder with a decoder needs the tokens that the decoder has written, forward_kwargs={{{_DECODER_IDS!r}: "
        "...}: at first a column of model.config.decoder_start_token_id, one row an example."
    )


def _convolution_complaint(name: str, ndim: int, channels: int, shape: tuple[int, ...]) -> Complaint | None:
    wanted = {3: "(N, C, T)", 4: "(N, C, H, W)", 5: "(N, C, D, H, W)"}[ndim]
    if len(shape) == ndim - 1 and channels == shape[0] == 1:
        return Complaint(
            f"x has shape {shape}, without its batch axis or an axis of channels: add the one that lacks, x[None] or "
            f"x[:, None], to make it {wanted}"
        )
    if len(shape) == ndim - 1 and channels == 1:
        return Complaint(
            f"x has shape {shape} without an axis of channels: add it, x[:, None], to make it {wanted}"
        )
    if len(shape) == ndim - 1 and shape[0] == channels:
        return Complaint(
            f"x has shape {shape}, a single example: add the batch axis, x[None], to make it {wanted}"
        )
    if len(shape) != ndim:
        return Complaint(
            f"layer {name!r} wants {ndim} axes {wanted}, x has shape {shape}: give x in these axes"
        )
    if shape[1] != channels and shape[-1] == channels:
        return Complaint(
            f"x has shape {shape} with {channels} channels last, but layer {name!r} wants channels first, {wanted}: "
            "give np.moveaxis(x, -1, 1)",
            is_order=True,
        )
    if shape[1] != channels:
        return Complaint(
            f"layer {name!r} wants {channels} channels on axis 1, {wanted}; x has shape {shape}",
            is_order=True,
        )
    return None


def _unwrapped(model: Any) -> Any:
    """Give the original model behind `torch.compile`, `DataParallel` and `torch.export`."""
    if isinstance(model, torch.export.ExportedProgram):
        return model.module()
    # Whoever compiled a model has loaded the compiler; loading it to ask takes over a second.
    compiler = sys.modules.get("torch._dynamo")
    while True:
        if compiler is not None and isinstance(model, compiler.OptimizedModule):
            model = model._orig_mod
        elif isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        else:
            return model


def _forward_of(model: nn.Module) -> Any:
    return model.call if is_keras_model(model) else model.forward


def _is_flat(model: torch.fx.GraphModule) -> bool:
    """Tell whether a graph calls operations only: an exported model has no layers."""
    return not any(node.op == "call_module" and "guard" not in str(node.target) for node in model.graph.nodes)


# An exported model that takes at most some number of examples gets as many at once, or this many.
_AT_ONCE = 16
# PyTorch takes sizes of 0 and 1 for special: a batch that may be one has 2 as its least.
_LEAST = 2


def _exported_batch_size(model: torch.fx.GraphModule) -> int | None:
    for node in model.graph.nodes:
        if node.op == "placeholder" and isinstance(node.meta.get("val"), torch.Tensor):
            shape = node.meta["val"].shape
            return _fitting_size(shape[0]) if len(shape) else None
    return None


def _fitting_size(size: int | torch.SymInt) -> int | None:
    """Give a batch size that an exported model takes; None if it takes any."""
    if isinstance(size, int):
        return size
    bounds = size.node.shape_env.bound_sympy(size.node.expr)
    least = int(bounds.lower)
    if not size.node.expr.is_Symbol:
        # Such as the multiples of a number.
        return least or None
    if bounds.upper.is_Integer:
        return min(int(bounds.upper), max(least, _AT_ONCE))
    return least if least > _LEAST else None
