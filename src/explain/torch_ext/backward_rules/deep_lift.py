"""Backward passes in which some operations hand on something else than their gradient.

Operations are told by the nodes of the autograd graph, not by modules: a module that is called twice and a function
that is no module are then like any other. Nothing is done to the model: a rule is a hook on a node of one graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from explain.backends.protocol import Rule
from explain.backends.scoring import no_gradient_reason
from explain.errors import GradientError, UnsupportedModelError
from explain.inputs.examples import Array, Examples
from explain.torch_ext.backward_rules.relevance import relevance_hooks, unfused
from explain.torch_ext.backward_rules.tape import (
    ALSO_AFFINE,
    ELEMENTWISE,
    ON_A_VIEW,
    POOLS,
    Hook,
    Tape,
    edge_of,
    is_input,
    nodes_on_the_way,
    on_a_view,
    run_on_tape,
    unknown,
)
from explain.torch_ext.model.graph import is_affine_kind, name_of
from explain.torch_ext.model.transfer import to_host

if TYPE_CHECKING:
    from explain.torch_ext.backend import TorchBackend

# A smaller difference is none, and the slope is taken: the root of the precision, below which a quotient of two
# rounded differences says less than the slope does. Captum has 1e-10, in single precision too.
_NO_DIFFERENCE, _NO_SINGLE_DIFFERENCE = 2.0**-26, 2.0**-11


def rule_gradients(
    backend: TorchBackend, examples: Examples, rule: Rule, baselines: tuple[Array, ...] | None, epsilon: float
) -> tuple[tuple[Array, ...], int]:
    """Give what a rule's backward pass brings to the inputs, and how many operations it changed."""
    count = len(examples)
    if baselines is not None:
        at_baselines = examples.with_inputs(baselines)
    if backend.fixed_batch_size is not None:
        examples = examples.padded(backend.fixed_batch_size)
        if baselines is not None:
            at_baselines = at_baselines.padded(backend.fixed_batch_size)
    of_relevance = rule in ("epsilon", "epsilon_plus")
    tape = Tape(hold=of_relevance or rule == "rescale")
    with unfused(backend, when=of_relevance):
        points, scores = run_on_tape(backend, examples, tape)
    if not scores.requires_grad:
        raise GradientError(no_gradient_reason(backend.model_name))
    before: dict[Any, Any] = {}
    if rule == "rescale":
        assert baselines is not None, "the rule compares with a baseline"
        hooks = _rescaled(backend, scores, points, tape, at_baselines)
    elif of_relevance:
        before, hooks = relevance_hooks(backend, scores, points, tape, epsilon, plus=rule == "epsilon_plus")
    else:
        hooks = _rectified(backend, scores, points, tape, deconvolution=rule == "deconvolution")
    for node, hook in hooks.items():
        node.register_hook(hook)
    for node, prehook in before.items():
        node.register_prehook(prehook)
    found = torch.autograd.grad(scores.sum(), points, allow_unused=True)
    if all(gradient is None for gradient in found):
        raise GradientError(no_gradient_reason(backend.model_name))
    gradients = (
        torch.zeros_like(point) if gradient is None else gradient
        for point, gradient in zip(points, found, strict=True)
    )
    return tuple(to_host(gradient[:count].contiguous()) for gradient in gradients), len(hooks) + len(before)


def _rectified(
    backend: TorchBackend, scores: Tensor, points: Sequence[Tensor], tape: Tape, *, deconvolution: bool
) -> dict[Any, Hook]:
    """Let every ReLU hand on no negative gradient; with `deconvolution` whether or not it is open."""
    nodes = nodes_on_the_way(scores, points)
    hidden = [name for name in tape.on_views if "relu" in name or "clamp" in name or "hardtanh" in name]
    if hidden and any(name_of(node).endswith(ON_A_VIEW) for node in nodes):
        raise UnsupportedModelError(on_a_view(hidden[0]))

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
    backend: TorchBackend, scores: Tensor, points: Sequence[Tensor], tape: Tape, at_baselines: Examples
) -> dict[Any, Hook]:
    """Let every non-linear operation hand on the slope between what it was given at the baseline and at the input."""
    nodes = nodes_on_the_way(scores, points)
    changed: dict[Any, bool] = {}
    for node in nodes:
        name = name_of(node)
        if is_input(node) or is_affine_kind(node, nodes) or name in ALSO_AFFINE:
            continue
        if name not in ELEMENTWISE and name not in POOLS:
            raise UnsupportedModelError(unknown("DeepLift", backend, node, nodes, tape))
        changed[node] = name in POOLS
    edges = [(node.next_functions[0], (node, 0)) for node in changed]
    wanted = {tape.places[edge] for pair in edges for edge in map(edge_of, pair)}
    other = Tape(wanted=wanted)
    run_on_tape(backend, at_baselines, other)
    if other.operations != tape.operations or any(
        other.values[place].shape != tape.values[place].shape for place in wanted
    ):
        raise UnsupportedModelError(
            f"DeepLift: {backend.model_name} runs other operations for the baseline than for the input, so "
            "that they cannot be compared one by one. Use integrated_gradients, or a baseline for which the model "
            "takes the same way."
        )
    hooks: dict[Any, Hook] = {}
    for (node, is_pool), pair in zip(changed.items(), edges, strict=True):
        before, after = map(edge_of, pair)
        ends = [(run.values[tape.places[before]], run.values[tape.places[after]]) for run in (tape, other)]
        hooks[node] = _pool_hook(node, *ends) if is_pool else _slope_hook(*ends)
    return hooks


def _slope_hook(at_input: tuple[Tensor, Tensor], at_baseline: tuple[Tensor, Tensor]) -> Hook:
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


def _pool_hook(node: Any, at_input: tuple[Tensor, Tensor], at_baseline: tuple[Tensor, Tensor]) -> Hook:
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
