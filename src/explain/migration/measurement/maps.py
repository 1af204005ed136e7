"""The attributions of both models by one method: the common target and options, and the distance of the maps."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from explain.api import attribute
from explain.backends.question import ScoreKind
from explain.errors import ConvergenceWarning, ExplainError, ScoreError, TargetError
from explain.inputs.examples import Array
from explain.migration.measurement.given_models import GivenModel, same_inputs
from explain.migration.measurement.matching import ObservedModel
from explain.migration.measurement.rows import attribution_row
from explain.migration.report import Row, Tolerances
from explain.public_calls.progress import counted
from explain.results.attribution import Attribution

# A fixed number, so that both integrals take the same steps.
_STEPS = 32
# Adjacent windows, each an eighth of the width: they detect a difference of two models at a quarter of the cost of the
# default.
_WINDOWS_A_SIDE = 8


def explained_output(
    output: int | str | None, pairs: Mapping[str, tuple[Array, Array]]
) -> tuple[int | str | None, Array]:
    """Choose which of several outputs to explain, the first if none is named.

    Parameters
    ----------
    output : int or str, optional
        The output that the caller named.
    pairs : Mapping of str to (numpy.ndarray, numpy.ndarray)
        The outputs of both models by name.

    Returns
    -------
    (int or str or None, numpy.ndarray)
        The name or position of the output, as `explain.attribute` takes it; its values in the first model.

    Examples
    --------
    >>> pair = np.zeros((1, 2)), np.zeros((1, 2))
    >>> explained_output(None, {"logits": pair, "aux": pair})[0]
    'logits'
    """
    names = list(pairs)
    if not names:
        return output, np.zeros(0)
    if output is None and len(names) > 1:
        output = 0 if names[0].isdigit() else names[0]
    place = output if isinstance(output, int) else names.index(output) if output in names else 0
    return output, pairs[names[min(place, len(names) - 1)]][0]


def only_output(name: str, output: int | str | None, outputs: Mapping[str, Array]) -> dict[str, Array]:
    """Give the one output that the caller chose, under the same name in both models.

    Parameters
    ----------
    name : str
        The argument, for messages.
    output : int or str, optional
        The name or position of an output.
    outputs : Mapping of str to numpy.ndarray
        The outputs of a model by name.

    Raises
    ------
    ScoreError
        If there is no such output.

    Examples
    --------
    >>> only_output("output", "b", {"a": np.zeros(1), "b": np.ones(1)})
    {'': array([1.])}
    """
    names = list(outputs)
    if str(output) in outputs:
        return {"": outputs[str(output)]}
    if isinstance(output, int) and -len(names) <= output < len(names):
        return {"": outputs[names[output]]}
    known = f"its name, one of {names}, or its position" if names != [""] else "0 for the only one"
    raise ScoreError(f"{name}={output!r} is no output of the model, which has {len(names)}: give {known}.")


def same_position(output: int | str | None, names: Sequence[str], names_b: Sequence[str]) -> int | str | None:
    """Give the output of the second model at the position that an output has in the first one.

    Examples
    --------
    >>> same_position("class", ["class", "box"], ["output_0", "output_1"])
    'output_0'
    >>> same_position("class", ["class", "box"], ["0", "1"]), same_position(None, [""], ["class", "box"])
    (0, 0)
    """
    if output is None and len(names_b) > 1:
        return 0
    if output not in names or names.index(str(output)) >= len(names_b):
        return output
    place = names.index(str(output))
    return place if names_b[place].isdigit() or not names_b[place] else names_b[place]


def predicted_classes(outputs: Array) -> list[int] | None:
    """Give the predicted classes as targets; None for outputs without classes, or with classes at each position.

    Examples
    --------
    >>> predicted_classes(np.array([[0.1, 0.7, 0.2]]))
    [1]
    """
    return outputs.argmax(-1).tolist() if outputs.ndim == 2 and outputs.shape[1] > 1 else None


def target_of_second(target: Any, models: Sequence[ObservedModel]) -> Any:
    """Give the target for the second model: an index into a map has its channel first or last, as in that model."""
    last = [model.observation.flattens_channels_last for model in models]
    if isinstance(target, list):
        return [target_of_second(one, models) for one in target]
    if not isinstance(target, tuple) or len(target) < 3 or last[0] == last[1]:
        return target
    return (*target[1:], target[0]) if last[1] else (target[-1], *target[:-1])


def why_not_comparable(few: Sequence[GivenModel], rows: Sequence[Row]) -> str:
    """Describe why the maps of the two models cannot be compared; empty if they can."""
    if not same_inputs(*few):
        return "The two models get different inputs (put each preprocessing into its model to compare attributions)"
    if any(row.stage == "outputs" and row.error == math.inf for row in rows):
        return "The two models have different outputs, without a common target"
    return ""


def compare_maps(
    few: Sequence[GivenModel],
    method: str,
    asked: Mapping[str, Any],
    outputs: Sequence[int | str | None],
    targets: tuple[Any, Any],
    allowed: Tolerances,
    *,
    score: ScoreKind,
    is_method_given: bool,
    is_target_given: bool,
) -> tuple[list[Row], dict[str, tuple[Attribution, Attribution]]]:
    """Explain both models by one method and compare the maps; for several inputs, the maps of each suitable input.

    Parameters
    ----------
    few : sequence of GivenModel
        The two models with the examples to explain.
    method : str
        The method.
    asked : Mapping of str
        Further arguments of `explain.attribute`.
    outputs : sequence
        The output that is explained, of either model.
    targets : tuple
        The target in either model.
    allowed : Tolerances
        How much the maps may differ.
    score : str
        The score that is explained.
    is_method_given, is_target_given : bool
        Whether the caller gave the method, or the target. If the method is a default and does not apply to the models,
        the row states this.

    Raises
    ------
    ExplainError
        If a method that the caller gave does not apply, or a target that the caller gave does not exist.
    """

    def explained(score: str) -> list[dict[str, Attribution]]:
        # Both integrals take the same steps: their convergence does not distinguish the models.
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            maps = []
            with counted(2) as work:
                for given, output, target in zip(few, outputs, targets, strict=True):
                    work.begins()
                    found = attribute(
                        given.model,
                        given.x,
                        method,
                        layout=given.layout,
                        framework=given.framework,
                        output=output,
                        target=target,
                        **asked,
                        score=score,
                        **_options(method, given),
                    )
                    maps.append(_by_input_name(found, method, given))
                    work.advance()
            return maps

    try:
        found = explained(score)
        if any(one.score != found[1][name].score for name, one in found[0].items() if name in found[1]):
            # One model has no softmax to remove, or its layers cannot be inspected.
            found = explained("output")
        pairs = {name: (one, found[1][name]) for name, one in found[0].items() if name in found[1]}
        if targets[0] != targets[1]:
            # The same position of the same output, written in the axes of the first model.
            pairs = {name: (one, replace(other, target=one.target)) for name, (one, other) in pairs.items()}
        return [attribution_row(name, *pair, allowed) for name, pair in pairs.items()], pairs
    except ExplainError as cause:
        if is_method_given or (is_target_given and isinstance(cause, TargetError)):
            raise
        note = f"not compared: {cause}"
        return [Row("attributions", method, method, None, allowed.attributions, None, note)], {}


def _by_input_name(found: Any, method: str, given: GivenModel) -> dict[str, Attribution]:
    """Name attributions by their method, with several inputs by method and input; leave out those that are None."""
    if given.structure is None:
        return {method: found}
    several = found.values() if isinstance(found, Mapping) else found
    named = zip(given.structure.names, several, strict=True)
    return {f"{method} of {name}": one for name, one in named if one is not None}


def _options(method: str, given: GivenModel) -> dict[str, Any]:
    """Give options that make a method fast and equal for both models."""
    if method == "integrated_gradients":
        return {"n_steps": _STEPS}
    if method != "occlusion" or given.structure is not None or given.layout.kind != "image":
        return {}
    axes = given.layout.batch_first
    shape = [
        -(-size // _WINDOWS_A_SIDE) if axis in axes.spatial_axes else size
        for axis, size in enumerate(given.layout.to_batch_first(given.x).shape)
    ]
    return {"sliding_window_shapes": tuple(shape[1:]), "strides": tuple(shape[1:])}
