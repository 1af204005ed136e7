"""The state of the user's model: put it in inference mode, and restore it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from explain.inputs.examples import Array
from explain.keras.calls import kept_losses
from explain.keras.masks import held_masks
from explain.running.random_state import preserved_random_state
from explain.torch_ext.model.structure import Structure

# The attributes of nn.Module itself: dictionaries whose contents are restored separately (buffers, submodules) or are
# not changed by a forward pass (parameters, hooks).
_OF_MODULE_ITSELF = frozenset(nn.Module().__dict__)

_RECURRENT = frozenset(kind.__name__ for kind in (nn.RNN, nn.LSTM, nn.GRU))

# Statistics have at most so many numbers: those of a channel each.
_FEW = 8192

# Values that cannot be changed in place and contain no tensor.
_PLAIN = frozenset({bool, int, float, str, type(None)})


class Restore:
    """Restores the state of a model; before the first call there is nothing to restore.

    Parameters
    ----------
    snapshots : list
        Copies of the state, added before the first call.
    """

    def __init__(self, snapshots: list[_Snapshot | _Tensors]) -> None:
        self._snapshots = snapshots
        self._untouched = True

    def __call__(self) -> None:
        """Undo the changes of the last forward pass."""
        if not self._untouched:
            for snapshot in self._snapshots:
                snapshot.restore()
        self._untouched = False

    def kept_state(self) -> tuple[str, ...]:
        """Name the attributes and buffers with tensors that the last forward pass changed."""
        modules = [one for one in self._snapshots if isinstance(one, _Snapshot)]
        return tuple(name for module in modules for name in module.changed_tensors())


@contextmanager
def inference_mode(model: Any, structure: Structure, device: torch.device) -> Iterator[Restore]:
    """Put every module in inference mode; restore modes, buffers, attributes and random states on exit.

    Set the mode module by module, since a model may override ``eval()`` and an exported module may refuse it. Disable
    cuDNN for models with recurrent layers, since cuDNN has no gradient for them in inference mode. Attention layers
    take the same path with gradients and without.

    Yields
    ------
    Restore
        Restores buffers and attributes: a model with a state between calls then starts every call from the same
        state.
    """
    random_state = torch.get_rng_state()
    on_cuda = device.type == "cuda"
    cuda_random_state = torch.cuda.get_rng_state(device) if on_cuda else None
    recurrent = on_cuda and any(map(is_recurrent, structure.modules))
    snapshots: list[_Snapshot | _Tensors] = []
    restore = Restore(snapshots)
    # `Module.compile` puts a compiled call beside the module's own, which skips the hooks of its layers.
    compiled = [(module, call) for module in structure.modules if (call := _compiled_call(module))]
    try:
        for module, _ in compiled:
            module._compiled_call_impl = None
        for module in structure.training:
            module.training = False
        if isinstance(model, torch.jit.ScriptModule):
            snapshots.append(_Tensors(model.buffers(), _silent(model.buffers())))
        elif not structure.stock:
            # Custom code may change a PyTorch module inside it, such as the statistics of a batch norm.
            snapshots.extend(map(_Snapshot, structure.modules))
        with ExitStack() as stack:
            stack.enter_context(_one_attention_path())
            stack.enter_context(_uncompiled())
            if snapshots or not structure.modules:
                # The model has custom code, which may draw from any generator.
                stack.enter_context(preserved_random_state())
            if recurrent:
                stack.enter_context(without_cudnn())
            if torch.is_inference_mode_enabled():
                stack.enter_context(torch.inference_mode(False))
            if not torch.is_grad_enabled():
                stack.enter_context(torch.enable_grad())
            yield restore
    finally:
        restore()
        for module in structure.training:
            module.training = True
        for module, call in compiled:
            module._compiled_call_impl = call
        torch.set_rng_state(random_state)
        if cuda_random_state is not None:
            torch.cuda.set_rng_state(cuda_random_state, device)


def is_recurrent(module: nn.Module) -> bool:
    """Tell whether a module is a recurrent layer of PyTorch, or one that was scripted or traced.

    Examples
    --------
    >>> is_recurrent(nn.GRU(2, 3)), is_recurrent(torch.jit.script(nn.LSTM(2, 3))), is_recurrent(nn.Linear(2, 3))
    (True, True, False)
    """
    return isinstance(module, nn.RNNBase) or getattr(module, "original_name", None) in _RECURRENT


@contextmanager
def without_cudnn() -> Iterator[None]:
    """Switch cuDNN off, and nothing else: ``torch.backends.cudnn.flags`` sets its other flags too.

    It also raises an error if the caller gave convolutions and recurrent layers different precisions.
    """
    enabled = torch._C._get_cudnn_enabled()
    torch._C._set_cudnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_cudnn_enabled(enabled)


def _compiled_call(module: nn.Module) -> Any:
    """Give the compiled call of a module that was compiled in place, None for any other."""
    return None if isinstance(module, torch.jit.ScriptModule) else module.__dict__.get("_compiled_call_impl")


def _uncompiled() -> AbstractContextManager[Any]:
    """Run what `torch.compile` made as it was written, such as a part of the model, or its ``forward``.

    The compiler would compile the hooks of the layers too, anew for each of their shapes.
    """
    # Before PyTorch 2.6 the compiler had no such switch; it is loaded if anything was compiled.
    has_switch = "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance")
    return torch.compiler.set_stance("force_eager") if has_switch else nullcontext()


@contextmanager
def _one_attention_path() -> Iterator[None]:
    """Keep PyTorch's attention layers in this thread on the path that has gradients.

    Without gradients they take a fast path, which gives other values at padding, and whose layers give nested tensors.
    PyTorch's own switch is for all threads: it would change the predictions of other models meanwhile.
    """
    switch, thread = torch.backends.mha, threading.get_ident()
    original = switch.get_fastpath_enabled

    def get_fastpath_enabled() -> bool:
        # While PyTorch compiles a part of the model, it cannot ask for the thread.
        return not torch.compiler.is_compiling() and threading.get_ident() != thread and original()

    switch.get_fastpath_enabled = get_fastpath_enabled
    try:
        yield
    finally:
        switch.get_fastpath_enabled = original


@contextmanager
def held_keras_layers(layers: Sequence[Any], masks: Sequence[Array], device: torch.device) -> Iterator[None]:
    """Fix the masks that Keras layers compute from values, and restore the losses that a call adds to the layers."""
    held = [torch.from_numpy(mask).to(device) for mask in masks]
    with kept_losses(layers), held_masks(layers, held, _masked):
        yield


def _masked(inputs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.where(mask[..., None], inputs, torch.zeros((), dtype=inputs.dtype, device=inputs.device))


_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
)


class OwnHooks:
    """The hooks that a model's own code adds to its modules while it runs, to remove them.

    Some models add recorders to their layers at the first call, and note in an attribute that they did. Attributes are
    restored before each pass: without this, every pass would add the recorders again.

    Parameters
    ----------
    modules : sequence of torch.nn.Module
        The modules of the model.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._hooks = [vars(module)[name] for module in modules for name in _HOOKS if name in vars(module)]
        self._added: list[tuple[dict[int, Any], int]] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note which hooks are added meanwhile, and stay."""
        first = RemovableHandle.next_id
        try:
            yield
        finally:
            if RemovableHandle.next_id != first:
                self._added += [
                    (hooks, number) for hooks in self._hooks for number in hooks if number >= first
                ]

    def remove(self) -> None:
        """Remove them."""
        for hooks, number in self._added:
            hooks.pop(number, None)
        self._added.clear()


class _Tensors:
    """A copy of tensors, to restore them.

    Parameters
    ----------
    tensors : iterable of object
        Other objects are ignored.
    silent : iterable of object
        Tensors that may change without a change of their version.
    """

    def __init__(self, tensors: Iterable[Any], silent: Iterable[Any] = ()) -> None:
        # An in-place change increases a tensor's version. Only tensors with a new version are copied back.
        self._before = [(tensor, tensor._version, tensor.detach().clone()) for tensor in _kept(tensors)]
        self._silent = [(tensor, tensor.detach().clone()) for tensor in _kept(silent)]

    def has_changed(self, tensor: torch.Tensor) -> bool:
        """Tell whether a tensor was changed in place."""
        return any(one is tensor and one._version != version for one, version, _ in self._before)

    def restore(self) -> None:
        """Undo changes in place."""
        # First, since it gives a tensor a new version.
        for tensor, before in self._silent:
            # An unneeded write would invalidate a graph before its backward pass.
            if not torch.equal(tensor, before):
                _put_into(tensor, before)
        for index, (tensor, version, before) in enumerate(self._before):
            if tensor._version != version:
                _put_into(tensor, before)
                self._before[index] = (tensor, tensor._version, before)


@torch.no_grad()
def _put_into(tensor: torch.Tensor, values: torch.Tensor) -> None:
    if tensor.shape != values.shape:
        # An observer gives its numbers the size of what it sees first.
        tensor.resize_(values.shape)
    tensor.copy_(values)


def _kept(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    return (value for value in values if isinstance(value, torch.Tensor) and not value.is_inference())


def _tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Give the floating-point tensors in an attribute: a tensor, or a container of tensors."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point() and value.ndim > 0:
            yield value
    elif isinstance(value, (list, tuple, set, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _tensors_in(one)


def _silent(buffers: Iterable[Any]) -> list[Any]:
    """Give the buffers that an operation may change without a new version.

    Batch normalisation so changes its running statistics, and an observer of a model that learns to be quantised the
    extremes that it saw, a few numbers for each channel.
    """
    return [one for one in buffers if isinstance(one, torch.Tensor) and one.numel() <= _FEW]


class _Snapshot:
    """A copy of a module's buffers, submodules and own attributes, to restore them."""

    def __init__(self, module: nn.Module) -> None:
        own = module.__dict__
        self._own, self._kind = own, type(module).__name__
        self._attributes = own.copy()
        self._identities = [*map(id, own.values())]
        # Most modules fill only these dictionaries, which a forward pass may change.
        containers: list[Any] = [own["_buffers"], own["_modules"]]
        held = [*own["_buffers"].values()]
        for name, value in self._attributes.items():
            kind = type(value)
            if kind in _PLAIN or name in _OF_MODULE_ITSELF:
                continue
            if isinstance(value, (list, dict, set)):
                containers.append(value)
                held.extend(value.values() if isinstance(value, dict) else value)
            elif isinstance(value, tuple):
                held.extend(value)
            else:
                held.append(value)
        self._containers = [(container, container.copy(), _identities(container)) for container in containers]
        self._tensors = _Tensors(held, _silent(own["_buffers"].values()))

    def changed_tensors(self) -> Iterator[str]:
        """Name the attributes and buffers with floating-point tensors that a forward pass replaced or changed."""
        buffers = self._containers[0]
        for name, value in (*self._attributes.items(), *buffers[1].items()):
            now = (self._own | buffers[0]).get(name)
            before = list(_tensors_in(value)) if name not in _OF_MODULE_ITSELF else []
            is_same = now is value and not any(self._tensors.has_changed(tensor) for tensor in before)
            if before and not is_same:
                yield f"{name!r} of the {self._kind}"

    def restore(self) -> None:
        """Undo the changes of a forward pass."""
        own = self._own
        if [*map(id, own.values())] != self._identities:
            own.clear()
            own.update(self._attributes)
        for container, value, identities in self._containers:
            if _identities(container) != identities:
                container.clear()
                container.extend(value) if isinstance(container, list) else container.update(value)
        self._tensors.restore()


def _identities(container: list[Any] | dict[Any, Any] | set[Any]) -> Any:
    """Give the identities of the elements of a container, to detect that one was replaced."""
    if isinstance(container, dict):
        return [*container, *map(id, container.values())]
    return {*map(id, container)} if isinstance(container, set) else [*map(id, container)]
