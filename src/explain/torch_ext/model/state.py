"""The state of the user's model: put it in inference mode, and restore it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from explain.inputs.examples import Array
from explain.keras.calls import kept_losses
from explain.keras.masks import held_masks
from explain.running.random_state import preserved_random_state
from explain.torch_ext.contents import are_same, identities_of, keys_and_values, put_back
from explain.torch_ext.model.structure import OF_MODULE_ITSELF, OWN, Structure

# Statistics have at most so many numbers: those of a channel each.
_FEW = 8192

# What a forward pass may change besides attributes, in every module.
_BUFFERS_AND_CHILDREN = itemgetter("_buffers", "_modules")


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
        return tuple(name for all_modules in modules for name in all_modules.changed_tensors())


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
    snapshots: list[_Snapshot | _Tensors] = []
    restore = Restore(snapshots)
    # `Module.compile` puts a compiled call beside the module's own, which skips the hooks of its layers.
    compiled = [(module, module._compiled_call_impl) for module in structure.compiled]
    try:
        for module, _ in compiled:
            module._compiled_call_impl = None
        for module in structure.training:
            module.training = False
        if isinstance(model, torch.jit.ScriptModule):
            snapshots.append(_Tensors(model.buffers(), ()))
        elif not structure.stock and structure.modules:
            # Custom code may change a PyTorch module inside it, such as the statistics of a batch norm.
            snapshots.append(_Snapshot(structure))
        with _OneAttentionPath(), ExitStack() as stack:
            if "torch._dynamo" in sys.modules:
                stack.enter_context(_uncompiled())
            if snapshots or not structure.modules:
                # The model has custom code, which may draw from any generator.
                stack.enter_context(preserved_random_state())
            if on_cuda and structure.recurrent:
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


def _uncompiled() -> AbstractContextManager[Any]:
    """Run what `torch.compile` made as it was written, such as a part of the model, or its ``forward``.

    The compiler would compile the hooks of the layers too, anew for each of their shapes.
    """
    # Before PyTorch 2.6 the compiler had no such switch; it is loaded if anything was compiled.
    return (
        torch.compiler.set_stance("force_eager") if hasattr(torch.compiler, "set_stance") else nullcontext()
    )


class _OneAttentionPath:
    """Keep PyTorch's attention layers in this thread on the path that has gradients.

    Without gradients they take a fast path, which gives other values at padding, and whose layers give nested tensors.
    PyTorch's own switch is for all threads: it would change the predictions of other models meanwhile.
    """

    def __enter__(self) -> None:
        """Replace PyTorch's switch."""
        thread = threading.get_ident()
        original = self._original = torch.backends.mha.get_fastpath_enabled

        def get_fastpath_enabled() -> bool:
            # While PyTorch compiles a part of the model, it cannot ask for the thread.
            return not torch.compiler.is_compiling() and threading.get_ident() != thread and original()

        torch.backends.mha.get_fastpath_enabled = get_fastpath_enabled

    def __exit__(self, *_: object) -> None:
        """Put it back."""
        torch.backends.mha.get_fastpath_enabled = self._original


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

    As a context manager it notes which hooks are added meanwhile, and stay.

    Parameters
    ----------
    modules : sequence of torch.nn.Module
        The modules of the model.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._modules = modules
        self._added: list[tuple[dict[int, Any], int]] = []
        self._first = 0

    def __enter__(self) -> None:
        """Begin to note."""
        self._first = RemovableHandle.next_id

    def __exit__(self, *_: object) -> None:
        """Note which hooks are there now."""
        first = self._first
        if RemovableHandle.next_id != first:
            kept = [vars(module)[name] for module in self._modules for name in _HOOKS if name in vars(module)]
            self._added += [(hooks, number) for hooks in kept for number in hooks if number >= first]

    def remove(self) -> None:
        """Remove them."""
        for hooks, number in self._added:
            hooks.pop(number, None)
        self._added.clear()


class _Tensors:
    """A copy of tensors, to restore them.

    Parameters
    ----------
    buffers : iterable of object
        Tensors that, where they are small, may change without a change of their version: batch normalisation so changes
        its running statistics, and an observer of a model that learns to be quantised the extremes that it saw.
    others : iterable of object
        Tensors that may not. Other objects are ignored.
    """

    def __init__(self, buffers: Iterable[Any], others: Iterable[Any]) -> None:
        # An in-place change increases a tensor's version. Only tensors with a new version are copied back.
        self._before: list[tuple[torch.Tensor, int, torch.Tensor]] = []
        self._silent: list[tuple[torch.Tensor, int, torch.Tensor]] = []
        together: dict[Any, list[torch.Tensor]] = {}
        for one in _kept(buffers):
            if one.numel() > _FEW:
                self._before.append(_copied(one))
            elif type(one) is torch.Tensor and one.layout == torch.strided and one.is_contiguous():
                together.setdefault((one.dtype, one.device), []).append(one)
            else:
                self._silent.append(_copied(one))
        self._before += map(_copied, _kept(others))
        # Small tensors are copied and compared as one.
        self._together = [_Joined(tensors) for tensors in together.values()]

    def has_changed(self, tensor: torch.Tensor) -> bool:
        """Tell whether a tensor was changed in place."""
        return any(one is tensor and one._version != version for one, version, _ in self._all())

    def _all(self) -> Iterator[tuple[torch.Tensor, int, torch.Tensor]]:
        yield from self._before
        yield from self._silent
        for joined in self._together:
            yield from joined.parts

    def restore(self) -> None:
        """Undo changes in place."""
        for joined in self._together:
            if joined.has_changed():
                _restore_all(joined.parts, by_value=True)
        _restore_all(self._silent, by_value=True)
        _restore_all(self._before, by_value=False)


class _Joined:
    """Copies of small contiguous tensors of one type, as one tensor."""

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        self._tensors = tensors
        self._values = _joined(tensors)
        self._shapes = [tensor.shape for tensor in tensors]
        self._versions = [tensor._version for tensor in tensors]

    @cached_property
    def parts(self) -> list[tuple[torch.Tensor, int, torch.Tensor]]:
        """Each tensor with its version and its copy."""
        copies = self._values.split_with_sizes([shape.numel() for shape in self._shapes])
        found = zip(self._tensors, self._versions, copies, self._shapes, strict=True)
        return [(tensor, version, copy.view(shape)) for tensor, version, copy, shape in found]

    def has_changed(self) -> bool:
        """Tell whether any tensor has other values, in its bits, or another shape."""
        return [tensor.shape for tensor in self._tensors] != self._shapes or not torch.equal(
            _joined(self._tensors).view(torch.uint8), self._values.view(torch.uint8)
        )


@torch.no_grad()
def _joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor if tensor.ndim == 1 else tensor.reshape(-1) for tensor in tensors])


def _copied(tensor: torch.Tensor) -> tuple[torch.Tensor, int, torch.Tensor]:
    return tensor, tensor._version, tensor.detach().clone()


def _restore_all(tensors: list[tuple[torch.Tensor, int, torch.Tensor]], *, by_value: bool) -> None:
    """Write the former values to tensors that have changed: another version, or other values, show it.

    An unneeded write would invalidate a graph before its backward pass.
    """
    for index, (tensor, version, before) in enumerate(tensors):
        changed = not torch.equal(tensor, before) if by_value else tensor._version != version
        if changed:
            _put_into(tensor, before)
            tensors[index] = (tensor, tensor._version, before)


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


class _Snapshot:
    """A copy of the modules' buffers, submodules and own attributes, to restore them."""

    def __init__(self, structure: Structure) -> None:
        self._modules, places = structure.modules, structure.places
        own = self._own = [*map(OWN, structure.modules)]
        self._attributes = [*map(dict.copy, own)]
        self._names, self._values = keys_and_values(own)
        # Most modules fill only these dictionaries, which a forward pass may change.
        of_modules = [*chain.from_iterable(map(_BUFFERS_AND_CHILDREN, own))]
        of_models = [own[number][name] for number, name in places.dictionaries]
        lists = [own[number][name] for number, name in places.lists]
        self._dictionaries = [*of_modules, *of_models]
        self._contents = [*map(dict.copy, self._dictionaries)]
        self._counts = [*map(len, self._dictionaries)]
        self._keys, self._elements = keys_and_values(self._dictionaries)
        self._lists = [(one, one.copy(), identities_of(one)) for one in lists if not isinstance(one, tuple)]
        self._tensors = _Tensors(
            chain.from_iterable(part.values() for part in of_modules[::2]),
            chain(
                *(part.values() for part in of_models),
                *lists,
                (own[number][name] for number, name in places.others),
            ),
        )

    def changed_tensors(self) -> Iterator[str]:
        """Name the attributes and buffers with floating-point tensors that a forward pass replaced or changed."""
        for number, (module, own, before) in enumerate(
            zip(self._modules, self._own, self._attributes, strict=True)
        ):
            # Of each module, first its buffers and then its submodules.
            buffers, kept = self._dictionaries[2 * number], self._contents[2 * number]
            for name, value in (*before.items(), *kept.items()):
                now = (own | buffers).get(name)
                tensors = list(_tensors_in(value)) if name not in OF_MODULE_ITSELF else []
                is_same = now is value and not any(self._tensors.has_changed(tensor) for tensor in tensors)
                if tensors and not is_same:
                    yield f"{name!r} of the {type(module).__name__}"

    def restore(self) -> None:
        """Undo the changes of a forward pass."""
        if not are_same(self._own, self._names, self._values):
            put_back(self._own, self._attributes)
        if [*map(len, self._dictionaries)] != self._counts or not are_same(
            self._dictionaries, self._keys, self._elements
        ):
            put_back(self._dictionaries, self._contents)
        for container, value, identities in self._lists:
            if identities_of(container) != identities:
                container.clear()
                container.extend(value) if isinstance(container, list) else container.update(value)
        self._tensors.restore()
