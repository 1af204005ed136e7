"""DeepLift's rescale rule: slopes between a baseline and the input replace gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from explain.backends.operations.rules import NO_DIFFERENCE, NO_SINGLE_DIFFERENCE
from explain.errors import UnsupportedModelError
from explain.inputs.examples import Examples
from explain.torch_ext.backward_rules.backward import Propagation, Rules, sloped
from explain.torch_ext.backward_rules.kinds import ALSO_AFFINE, ELEMENTWISE, POOLS
from explain.torch_ext.backward_rules.tape import Run, Tape, edge_of, is_input
from explain.torch_ext.model.graph import is_affine_kind, name_of


def rescaled(run: Run, at_baselines: Examples) -> Rules:
    """Make every non-linear operation propagate its slope between the baseline and the input.

    Raises
    ------
    UnsupportedModelError
        If an operation has no rule, or the model runs other operations for the baseline.
    """
    changed: dict[Any, bool] = {}
    for node in run.nodes:
        name = name_of(node)
        if is_input(node) or is_affine_kind(node, run.nodes) or name in ALSO_AFFINE:
            continue
        if name not in ELEMENTWISE and name not in POOLS:
            raise run.no_rule("DeepLift", node)
        changed[node] = name in POOLS
    tape = run.tape
    edges = [(node.next_functions[0], (node, 0)) for node in changed]
    wanted = {tape.places[edge] for pair in edges for edge in map(edge_of, pair)}
    other = Run.on(Tape(wanted=wanted), run.opened, at_baselines).tape
    if other.operations != tape.operations or any(
        other.values[place].shape != tape.values[place].shape for place in wanted
    ):
        raise UnsupportedModelError(
            f"DeepLift: {run.opened.model_name} runs other operations for the baseline than for the input, so "
            "they cannot be compared one by one. Use integrated_gradients, or a baseline for which the model runs the "
            "same operations."
        )
    hooks: dict[Any, Propagation] = {}
    for (node, is_pool), pair in zip(changed.items(), edges, strict=True):
        before, after = map(edge_of, pair)
        ends = [(one.values[tape.places[before]], one.values[tape.places[after]]) for one in (tape, other)]
        hooks[node] = _pool_hook(node, *ends) if is_pool else _slope_hook(*ends)
    return Rules(hooks)


def _slope_hook(at_input: tuple[Tensor, Tensor], at_baseline: tuple[Tensor, Tensor]) -> Propagation:
    """Propagate the incoming value times (f(x) − f(b)) / (x − b); the gradient where x and b are equal."""
    step, rise = at_input[0] - at_baseline[0], at_input[1] - at_baseline[1]
    return sloped(rise, step, _are_alike(step))


def _are_alike(step: Tensor) -> Tensor:
    return step.abs() < (NO_DIFFERENCE if step.dtype == torch.float64 else NO_SINGLE_DIFFERENCE)


def _pool_hook(node: Any, at_input: tuple[Tensor, Tensor], at_baseline: tuple[Tensor, Tensor]) -> Propagation:
    """Divide the change of a maximum between its position at the input and its position at the baseline.

    Captum's rule: with c the greater of both maxima, c − max(b) goes to the position at the input and
    max(x) − c to that at the baseline, each divided by the change of the operand at that position.
    """
    (x, highest), (b, highest_before) = at_input, at_baseline
    rank = 3 if "3D" in name_of(node) else 2
    places = node._saved_result1
    before = _places_of(node, b, highest_before)
    step, crossing = x - b, torch.maximum(highest, highest_before)
    alike = _are_alike(step)

    def spread(values: Tensor, indices: Tensor) -> Tensor:
        flat = torch.zeros_like(x).flatten(-rank)
        return flat.scatter_add(-1, indices.flatten(-rank), values.flatten(-rank)).reshape(x.shape)

    def propagate(given: tuple[Any, ...], arriving: tuple[Any, ...]) -> Any:
        if given[0] is None:
            return None
        shares = spread(arriving[0] * (crossing - highest_before), places)
        shares = shares + spread(arriving[0] * (highest - crossing), before)
        slope = shares / torch.where(alike, torch.ones_like(step), step)
        return (torch.where(alike, given[0], slope), *given[1:])

    return propagate


def _places_of(node: Any, values: Tensor, like: Tensor) -> Tensor:
    """Give the positions of the maxima of other values, with a node's pooling settings."""
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
