"""Backward passes in which some operations hand on something else than their gradient.

Operations are told by the nodes of the autograd graph, not by modules: a module that is called twice and a function
that is no module are then like any other. Nothing is done to the model: a rule is a hook on a node of one graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from explain.backend import Rule
from explain.errors import GradientError, UnsupportedModelError
from explain.examples import Array, Examples
from explain.scoring import no_gradient_reason
from explain.torch_ext.graph import ScoreGraph, is_affine_kind, name_of, names
from explain.torch_ext.scores import pick_scores
from explain.torch_ext.transfer import to_host

if TYPE_CHECKING:
    from explain.torch_ext.backend import TorchBackend

# From the gradients that a node gives and the gradients that it was given to other gradients that it gives.
_Hook = Callable[[tuple[Any, ...], tuple[Any, ...]], Any]

_POOLS = names("MaxPool2DWithIndices MaxPool3DWithIndices AdaptiveMaxPool2D AdaptiveMaxPool3D")
# One value in, one value out.
_ELEMENTWISE = names(
    "Relu ClampMin ClampMax Clamp Threshold Hardtanh Hardtanh LeakyRelu Elu Celu Sigmoid Tanh Softplus Gelu Silu Mish "
    "Hardsigmoid Hardswish LogSigmoid Exp Exp2 Expm1 Log Log1P Log2 Sqrt Abs Sin Cos Erf"
)
# What graph.py does not count among the affine operations, since no prefix needs it.
_ALSO_AFFINE = names("Rsub MaskedFill Cumsum Movedim")
# A smaller difference is none, and the slope is taken: the root of the precision, below which a quotient of two
# rounded differences says less than the slope does. Captum has 1e-10, in single precision too.
_NO_DIFFERENCE, _NO_SINGLE_DIFFERENCE = 2.0**-26, 2.0**-11
# An operation in place on a view of a larger tensor, whatever it was.
_ON_A_VIEW = "CopySlices"


def rule_gradients(
    backend: TorchBackend, examples: Examples, rule: Rule, baselines: tuple[Array, ...] | None
) -> tuple[tuple[Array, ...], int]:
    """Give what a rule's backward pass brings to the inputs, and how many operations it changed."""
    count = len(examples)
    if baselines is not None:
        at_baselines = examples.with_inputs(baselines)
    if backend.fixed_batch_size is not None:
        examples = examples.padded(backend.fixed_batch_size)
        if baselines is not None:
            at_baselines = at_baselines.padded(backend.fixed_batch_size)
    tape = _Tape(hold=rule == "rescale")
    points, scores = _run(backend, examples, tape)
    if not scores.requires_grad:
        raise GradientError(no_gradient_reason(backend.model_name))
    if rule == "rescale":
        assert baselines is not None, "the rule compares with a baseline"
        hooks = _rescaled(backend, scores, points, tape, at_baselines)
    else:
        hooks = _rectified(backend, scores, points, tape, deconvolution=rule == "deconvolution")
    for node, hook in hooks.items():
        node.register_hook(hook)
    found = torch.autograd.grad(scores.sum(), points, allow_unused=True)
    if all(gradient is None for gradient in found):
        raise GradientError(no_gradient_reason(backend.model_name))
    gradients = (
        torch.zeros_like(point) if gradient is None else gradient
        for point, gradient in zip(points, found, strict=True)
    )
    return tuple(to_host(gradient[:count].contiguous()) for gradient in gradients), len(hooks)


class _Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What is on the way from the input: operations in the order of their calls, and the tensors that go into them.

    A tensor is found by its edge: the node of the autograd graph that made it and which of its outputs it is. In
    another run of the same model the same tensor has the same place: the number of the call, and of the argument.

    Parameters
    ----------
    hold : bool
        Whether to hold the tensors.
    wanted : set of (int, int), optional
        The places to hold, all if it is None.
    """

    def __init__(self, hold: bool = True, wanted: set[tuple[int, int]] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._hold, self._wanted = hold, wanted
        self.operations: list[str] = []
        self.on_views: set[str] = set()
        self.places: dict[Any, tuple[int, int]] = {}
        self.values: dict[tuple[int, int], Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note a call, and make it."""
        given = kwargs or {}
        tensors = [one for one in tree_leaves((args, given)) if isinstance(one, Tensor) and one.requires_grad]
        if tensors:
            self._note(str(func), tensors)
        if func._schema.is_mutable and tensors:
            if any(tensor._is_view() for tensor in tensors):
                self.on_views.add(str(func))
            self._keep(tensors)
        return func(*args, **given)

    def end(self, scores: Tensor) -> None:
        """Note what the run ended in."""
        self._note("end", [scores])

    def value(self, edge: tuple[Any, int]) -> Tensor:
        """Give the tensor of an edge."""
        return self.values[self.places[edge]]

    def _note(self, operation: str, tensors: Sequence[Tensor]) -> None:
        call = len(self.operations)
        self.operations.append(operation)
        if not self._hold:
            return
        for number, tensor in enumerate(tensors):
            place = call, number
            edge = tensor.grad_fn, tensor.output_nr
            if self._wanted is None and edge not in self.places:
                self.places[edge] = place
                self.values[place] = tensor.detach()
            elif self._wanted is not None and place in self._wanted:
                self.values[place] = tensor.detach()

    def _keep(self, tensors: Sequence[Tensor]) -> None:
        """Copy what is held and about to be changed in place."""
        changing = {tensor.untyped_storage().data_ptr() for tensor in tensors}
        for place, value in self.values.items():
            if value.untyped_storage().data_ptr() in changing:
                self.values[place] = value.clone()


def _run(backend: TorchBackend, examples: Examples, tape: _Tape) -> tuple[tuple[Tensor, ...], Tensor]:
    """Run the model on a tape; give the points and the scores, shape (N,)."""
    points = backend.tensors(examples.inputs, grad=True)
    with tape:
        scores = pick_scores(backend.read(points, examples).explained, examples.target)
    tape.end(scores)
    return points, scores


def _nodes_on_the_way(scores: Tensor, points: Sequence[Tensor]) -> dict[Any, None]:
    """Give the nodes through which the scores depend on the inputs, without the inputs themselves."""
    found: dict[Any, None] = {}
    for point in points:
        found.update(dict.fromkeys(ScoreGraph(scores.grad_fn, point).nodes))
    return found


def _is_input(node: Any) -> bool:
    return getattr(node, "variable", None) is not None


def _rectified(
    backend: TorchBackend, scores: Tensor, points: Sequence[Tensor], tape: _Tape, *, deconvolution: bool
) -> dict[Any, _Hook]:
    """Let every ReLU hand on no negative gradient; with `deconvolution` whether or not it is open."""
    nodes = _nodes_on_the_way(scores, points)
    hidden = [name for name in tape.on_views if "relu" in name or "clamp" in name or "hardtanh" in name]
    if hidden and any(name_of(node).endswith(_ON_A_VIEW) for node in nodes):
        raise UnsupportedModelError(_on_a_view(hidden[0]))

    def hook(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        gradient = arriving[0] if deconvolution else given[0]
        return (None if gradient is None else gradient.clamp(min=0), *given[1:])

    return {node: hook for node in nodes if _is_rectifier(node)}


def _is_rectifier(node: Any) -> bool:
    """Tell a ReLU, in whichever way it is written, and one with an upper bound."""
    name = name_of(node)
    return name == "Relu" or (
        (name == "ClampMin" and getattr(node, "_saved_min", None) == 0)
        or (name == "Clamp" and getattr(node, "_saved_min", None) == 0)
        or (name == "Hardtanh" and getattr(node, "_saved_min_val", None) == 0)
        or (name == "Threshold" and getattr(node, "_saved_threshold", None) == 0)
    )


def _rescaled(
    backend: TorchBackend, scores: Tensor, points: Sequence[Tensor], tape: _Tape, at_baselines: Examples
) -> dict[Any, _Hook]:
    """Let every non-linear operation hand on the slope between what it was given at the baseline and at the input."""
    nodes = _nodes_on_the_way(scores, points)
    changed: dict[Any, bool] = {}
    for node in nodes:
        name = name_of(node)
        if _is_input(node) or is_affine_kind(node, nodes) or name in _ALSO_AFFINE:
            continue
        if name not in _ELEMENTWISE and name not in _POOLS:
            raise UnsupportedModelError(_unknown(backend, node, nodes, tape))
        changed[node] = name in _POOLS
    edges = [(node.next_functions[0], (node, 0)) for node in changed]
    wanted = {tape.places[edge] for pair in edges for edge in map(_edge, pair)}
    other = _Tape(wanted=wanted)
    _run(backend, at_baselines, other)
    if other.operations != tape.operations or any(
        other.values[place].shape != tape.values[place].shape for place in wanted
    ):
        raise UnsupportedModelError(
            f"DeepLift: {backend.model_name} runs other operations for the baseline than for the input, so "
            "that they cannot be compared one by one. Use integrated_gradients, or a baseline for which the model "
            "takes the same way."
        )
    hooks: dict[Any, _Hook] = {}
    for (node, is_pool), pair in zip(changed.items(), edges, strict=True):
        before, after = map(_edge, pair)
        ends = [(run.values[tape.places[before]], run.values[tape.places[after]]) for run in (tape, other)]
        hooks[node] = _pool_hook(node, *ends) if is_pool else _slope_hook(*ends)
    return hooks


def _edge(of: tuple[Any, int]) -> tuple[Any, int]:
    """Give an edge as tapes know it: an input that no node made has none."""
    node, number = of
    return (None, 0) if _is_input(node) else (node, number)


def _slope_hook(at_input: tuple[Tensor, Tensor], at_baseline: tuple[Tensor, Tensor]) -> _Hook:
    """Hand on (f(x) − f(b)) / (x − b) times what arrives; the gradient where x and b are alike."""
    step, rise = at_input[0] - at_baseline[0], at_input[1] - at_baseline[1]
    alike = _is_none(step)
    slope = rise / torch.where(alike, torch.ones_like(step), step)

    def hook(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        if given[0] is None:
            return None
        return (torch.where(alike, given[0], arriving[0] * slope), *given[1:])

    return hook


def _is_none(step: Tensor) -> Tensor:
    return step.abs() < (_NO_DIFFERENCE if step.dtype == torch.float64 else _NO_SINGLE_DIFFERENCE)


def _pool_hook(node: Any, at_input: tuple[Tensor, Tensor], at_baseline: tuple[Tensor, Tensor]) -> _Hook:
    """Share out the change of a maximum between the place that has it at the input and that at the baseline.

    Captum's rule: with c the greater of both maxima, c − max(b) goes to the input's place and max(x) − c to the
    baseline's, each divided by what changed at that place.
    """
    (x, highest), (b, highest_before) = at_input, at_baseline
    rank = 3 if "3D" in name_of(node) else 2
    places = node._saved_result1
    before = _places_of(node, b, highest_before)
    step, crossing = x - b, torch.maximum(highest, highest_before)
    alike = _is_none(step)

    def spread(values: Tensor, indices: Tensor) -> Tensor:
        flat = torch.zeros_like(x).flatten(-rank)
        return flat.scatter_add(-1, indices.flatten(-rank), values.flatten(-rank)).reshape(x.shape)

    def hook(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        if given[0] is None:
            return None
        shares = spread(arriving[0] * (crossing - highest_before), places)
        shares = shares + spread(arriving[0] * (highest - crossing), before)
        slope = shares / torch.where(alike, torch.ones_like(step), step)
        return (torch.where(alike, given[0], slope), *given[1:])

    return hook


def _places_of(node: Any, values: Tensor, like: Tensor) -> Tensor:
    """Give where the maxima of other values are, pooled as a node pooled its own."""
    name = name_of(node)
    if name.startswith("Adaptive"):
        pool: Any = torch.ops.aten.adaptive_max_pool3d if "3D" in name else torch.ops.aten.adaptive_max_pool2d
        found: Tensor = pool(values, like.shape[-3:] if "3D" in name else like.shape[-2:])[1]
        return found
    pool = torch.ops.aten.max_pool3d_with_indices if "3D" in name else torch.ops.aten.max_pool2d_with_indices
    indices: Tensor = pool(
        values,
        node._saved_kernel_size,
        node._saved_stride,
        node._saved_padding,
        node._saved_dilation,
        node._saved_ceil_mode,
    )[1]
    return indices


def _unknown(backend: TorchBackend, node: Any, nodes: Mapping[Any, None], tape: _Tape) -> str:
    """Say which operation has no rule, and in which module it is, where one can be seen."""
    name = name_of(node)
    if name.endswith(_ON_A_VIEW):
        return _on_a_view(next(iter(sorted(tape.on_views)), "an assignment"))
    made_by = _modules_that_make(backend, node)
    where = f" (in {made_by})" if made_by else ""
    ways = sum(below in nodes for below, _ in node.next_functions)
    what = f"{name or node.name()}{where}"
    if ways > 1:
        what += f", of {ways} tensors that all depend on the input,"
    hint = " Explain the logit: score='logit'." if name in ("Softmax", "LogSoftmax") else ""
    return (
        f"DeepLift has no rule for the operation {what} of {backend.model_name}, through which the score "
        f"depends on the input; taken for linear, it would make the values wrong.{hint} Use integrated_gradients, "
        "which needs no rules."
    )


def _modules_that_make(backend: TorchBackend, node: Any) -> str:
    """Name the modules of the model that end in such an operation."""
    inside: list[str] = []
    for module in backend.leaf_modules:
        kind = type(module).__name__.lower().replace("norm", "")
        if kind and kind[:4] in name_of(node).lower():
            inside.append(str(module))
    return ", ".join(dict.fromkeys(inside))


def _on_a_view(operation: str) -> str:
    return (
        f"The model runs {operation.removeprefix('aten.').split('.')[0]} in place on a view of another tensor, which "
        "hides the operation from the backward pass (ReLU(inplace=True) after a Flatten, for example). Build that "
        "module with inplace=False, or use integrated_gradients, which needs no rules."
    )
