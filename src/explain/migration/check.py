"""The call: does a model that was moved still give the same outputs, by the same inner values, for the same reasons?"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from explain.algorithms.catalogue import find_method
from explain.api import attribute
from explain.errors import ConvergenceWarning, ExplainError, OptionError, TargetError
from explain.explanation.arguments import optional_count, seed_of
from explain.inputs.display import Display
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.migration.diagnosis.first_divergence import first_divergence, harmless, made_good
from explain.migration.measurement.alignment import aligned_calls
from explain.migration.measurement.given_models import Side, outputs_of, run, same_inputs, second_side
from explain.migration.measurement.matching import Model
from explain.migration.measurement.rows import attribution_row, class_rows, layer_rows, output_rows
from explain.migration.report import MigrationReport, Row, Tolerances
from explain.results.attribution import Attribution
from explain.running.locks import ONE_CALL_AT_A_TIME

METHODS = ("saliency", "integrated_gradients", "occlusion")
"""The methods whose maps are compared if none are named: a gradient, a path, and a perturbation."""

# Both models are asked the very same: no number of steps is chosen on the way.
_STEPS = 32
# Windows beside each other, an eighth of a side wide: enough to tell two models apart, a quarter of the usual work.
_WINDOWS_A_SIDE = 8

_CHUNK = 64


def check_migration(
    model_a: Any,
    model_b: Any,
    x: Any,
    x_b: Any = None,
    *,
    methods: str | Sequence[str] | None = None,
    target: Any = None,
    output: int | str | None = None,
    layout: str | Layout | None = None,
    layout_b: str | Layout | None = None,
    tolerances: Tolerances | Mapping[str, float] | None = None,
    n_explained: int = 8,
    batch_size: int | None = None,
    seed: int = 0,
    display: Display | Mapping[str, Any] | None = None,
) -> MigrationReport:
    """Compare two models that should be the same: outputs, classes, layer by layer, and what they attribute.

    The models are compared as they are given: a PyTorch model in training mode in training mode. Both leave as they
    came.

    Parameters
    ----------
    model_a, model_b : torch.nn.Module or keras.Model
        The model as it was, and as it is now; of one framework or of two.
    x : numpy.ndarray or a tensor, or a tuple, list or dict of them
        A batch of real inputs in the layout of `model_a`, e.g. (N, C, H, W). Some dozens are enough. For `model_b` its
        axes are moved. Several inputs as in `explain.attribute`.
    x_b : numpy.ndarray or a tensor, optional
        The same examples as `model_b` is given them, where its preprocessing is another one.
    methods : str or sequence of str, optional
        The methods whose maps are compared: by default saliency, integrated gradients and occlusion.
    target : as in `explain.attribute`
        What is explained, of both models, an index into an output as `model_a` gives it; by default the class that
        `model_a` predicts.
    output : int or str, optional
        Which of several outputs is explained; all are compared.
    layout, layout_b : str, optional
        One letter an axis of the input of either model, where it cannot be known.
    tolerances : Tolerances or Mapping, optional
        How far apart the two may be: ``{"outputs": 1e-4, "classes": 0, "layers": 1e-4, "attributions": 0.02}``.
    n_explained : int
        How many examples, the first ones, are compared layer by layer and explained.
    batch_size, seed, display
        As in `explain.attribute`.

    Returns
    -------
    MigrationReport
        The verdict, the first divergence and its likely cause, and every comparison.

    Raises
    ------
    MigrationError
        If an argument does not make sense; any error of `explain.attribute` for methods that were named.

    Examples
    --------
    >>> import explain
    >>> a, b = (explain.zoo.load("cifar_net", framework) for framework in ("torch", "tensorflow"))
    >>> x = explain.zoo.samples("cifar_net", "torch").x[:4]
    >>> report = explain.check_migration(a, b, x, methods="saliency")
    >>> report.passed, report.first_divergence, len(report.of_stage("layers"))
    (True, None, 11)
    """
    allowed = _tolerances(tolerances)
    batch_size, seed = optional_count("batch_size", batch_size), seed_of(seed)
    explained = optional_count("n_explained", n_explained) or 1
    named = [methods] if isinstance(methods, str) else list(METHODS if methods is None else methods)
    rows_of_methods = [find_method(name) for name in named]
    a = Side.given("model_a", model_a, x, layout)
    b = second_side(a, model_b, x_b, layout_b)
    sides = (a, b)
    with ONE_CALL_AT_A_TIME:
        outputs = [outputs_of(side, batch_size or _CHUNK) for side in sides]
        few = [side.first(explained) for side in sides]
        models, notes = _observed(few)
    of_a, of_b = (_channels_last(found, model) for found, model in zip(outputs, models, strict=True))
    rows, pairs, remarks = output_rows(of_a, of_b, allowed)
    rows += class_rows(pairs, allowed)
    aligned = aligned_calls(*models)
    rows += layer_rows(aligned, allowed)
    if not aligned:
        notes.append(
            "No layers were compared: those of at least one model cannot be reached, or none has its like."
        )
    maps: dict[str, tuple[Attribution, Attribution]] = {}
    output, explained_output = _explained_output(output, pairs)
    wanted = target if target is not None else _predicted(explained_output[:explained])
    asked = {
        "output": output,
        "batch_size": batch_size,
        "seed": seed,
        "display": display,
    }
    targets = wanted, _target_in(wanted, models)
    reason = _incomparable(few, rows)
    if reason:
        remarks.append(f"{reason}, so their maps were not compared.")
    for method in [] if reason else rows_of_methods:
        found, found_maps = _explained(
            few,
            method.name,
            asked,
            targets,
            allowed,
            is_said=methods is not None,
            is_target_said=target is not None,
        )
        rows += found
        maps |= found_maps
    if rows_of_methods and not reason and not maps:
        remarks.append("No maps were compared, since no method suits both models as asked: the rows say why.")
    rows, told = made_good(rows)
    remarks += told
    divergence, diagnosis = first_divergence(aligned, rows, models, few, pairs)
    return MigrationReport(
        model_a=a.title,
        model_b=b.title,
        passed=all(row.passed is not False for row in rows),
        first_divergence=divergence,
        cause=None if diagnosis is None else diagnosis.cause,
        evidence="" if diagnosis is None else diagnosis.evidence,
        remedy="" if diagnosis is None else diagnosis.remedy,
        rows=tuple(rows),
        count=a.count,
        tolerances=allowed,
        notes=(*remarks, *notes, *harmless(aligned, divergence)),
        versions={"explain": version("explain-toolkit")}
        | {one.extension.name: one.extension.version() for one in sides},
        attributions=maps,
    )


def _tolerances(given: Tolerances | Mapping[str, float] | None) -> Tolerances:
    if given is None or isinstance(given, Tolerances):
        return given or Tolerances()
    known = [field.name for field in fields(Tolerances)]
    for name, value in dict(given).items():
        if name not in known:
            raise OptionError(f"tolerances has {name!r}, which is none of {', '.join(map(repr, known))}.")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise OptionError(f"tolerances[{name!r}]={value!r} should be a number of at least 0.")
    return Tolerances(**given)


def _observed(few: Sequence[Side]) -> tuple[list[Model], list[str]]:
    """Run both models on a few examples; read what their layers hold."""
    models, notes = [], []
    for name, side in zip("ab", few, strict=True):
        observation = run(side, layers=True)
        try:
            parameters = side.extension.parameters(side.model) if observation.calls else ()
        except ExplainError as cause:
            parameters = ()
            notes.append(f"The weights of {name} could not be compared: {cause}")
        models.append(Model(observation, parameters, side.canonical[0].shape[1:]))
    return models, notes


def _channels_last(outputs: Mapping[str, Array], model: Model) -> dict[str, Array]:
    """Lay maps out with their channels last; what has no more than one axis of space or time has them last as it is."""
    first = not model.observation.flattens_channels_last
    return {name: np.moveaxis(one, 1, -1) if first and one.ndim > 3 else one for name, one in outputs.items()}


def _explained_output(
    output: int | str | None, pairs: Mapping[str, tuple[Array, Array]]
) -> tuple[int | str | None, Array]:
    """Give which of several outputs is explained, the first if none is named, and what it is in the first model."""
    names = list(pairs)
    if not names:
        return output, np.zeros(0)
    if output is None and len(names) > 1:
        output = 0 if names[0].isdigit() else names[0]
    place = output if isinstance(output, int) else names.index(output) if output in names else 0
    return output, pairs[names[min(place, len(names) - 1)]][0]


def _predicted(outputs: Array) -> list[int] | None:
    """Give the predicted classes as targets; None for outputs that have none, or one for each place."""
    return outputs.argmax(-1).tolist() if outputs.ndim == 2 and outputs.shape[1] > 1 else None


def _target_in(target: Any, models: Sequence[Model]) -> Any:
    """Give the second model's target: of an index into a map, with the channel where that model has it."""
    last = [model.observation.flattens_channels_last for model in models]
    if isinstance(target, list):
        return [_target_in(one, models) for one in target]
    if not isinstance(target, tuple) or len(target) < 3 or last[0] == last[1]:
        return target
    return (*target[1:], target[0]) if last[1] else (target[-1], *target[:-1])


def _incomparable(few: Sequence[Side], rows: Sequence[Row]) -> str:
    """Say why maps of the two models cannot be laid side by side; empty if they can."""
    if not same_inputs(*few):
        return "The two are given different inputs (put each preprocessing into its model to compare what they explain)"
    if any(row.stage == "outputs" and row.error == math.inf for row in rows):
        return "The two give different outputs, which have no target in common"
    return ""


def _explained(
    few: Sequence[Side],
    method: str,
    asked: Mapping[str, Any],
    targets: tuple[Any, Any],
    allowed: Tolerances,
    *,
    is_said: bool,
    is_target_said: bool,
) -> tuple[list[Row], dict[str, tuple[Attribution, Attribution]]]:
    """Explain both models by one method; one that does not suit them is passed over, unless the caller named it.

    Of several inputs there is a row for each that the method is for.
    """

    def explained(score: str) -> list[dict[str, Attribution]]:
        # Both integrals take the same steps: what they miss of the whole says nothing of the models.
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            return [
                _by_input(
                    attribute(
                        side.model,
                        side.x,
                        method,
                        layout=side.layout,
                        target=target,
                        **asked,
                        score=score,
                        **_options(method, side),
                    ),
                    method,
                    side,
                )
                for side, target in zip(few, targets, strict=True)
            ]

    try:
        found = explained("logit")
        if any(one.score != found[1][name].score for name, one in found[0].items() if name in found[1]):
            # One of them hides what its output is made from, or has nothing to take off.
            found = explained("output")
        pairs = {name: (one, found[1][name]) for name, one in found[0].items() if name in found[1]}
        if targets[0] != targets[1]:
            # The same place of the same map, by the axes of the first model in both.
            pairs = {name: (one, replace(other, target=one.target)) for name, (one, other) in pairs.items()}
        return [attribution_row(name, *pair, allowed) for name, pair in pairs.items()], pairs
    except ExplainError as cause:
        if is_said or (is_target_said and isinstance(cause, TargetError)):
            raise
        note = f"not compared: {cause}"
        return [Row("attributions", method, method, None, allowed.attributions, None, note)], {}


def _by_input(found: Any, method: str, side: Side) -> dict[str, Attribution]:
    """Give attributions by the method's name, of several inputs with the input's; those that there are."""
    if side.structure is None:
        return {method: found}
    several = found.values() if isinstance(found, Mapping) else found
    named = zip(side.structure.names, several, strict=True)
    return {f"{method} of {name}": one for name, one in named if one is not None}


def _options(method: str, side: Side) -> dict[str, Any]:
    """Give the options of a method for a quick and even comparison."""
    if method == "integrated_gradients":
        return {"n_steps": _STEPS}
    if method != "occlusion" or side.structure is not None or side.layout.kind != "image":
        return {}
    axes = side.layout.batch_first
    shape = [
        -(-size // _WINDOWS_A_SIDE) if axis in axes.spatial_axes else size
        for axis, size in enumerate(side.layout.to_batch_first(side.x).shape)
    ]
    return {"sliding_window_shapes": tuple(shape[1:]), "strides": tuple(shape[1:])}
