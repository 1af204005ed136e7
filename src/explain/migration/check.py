"""`explain.check_migration`: compares two models in outputs, layers and attributions, and diagnoses a difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from explain.algorithms.catalogue import find_method
from explain.errors import ExplainError, OptionError
from explain.explanation.arguments import optional_count, output_of, seed_of
from explain.explanation.given_inputs import is_display
from explain.inputs.display import Display, display_of
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.naming.brief import brief
from explain.inputs.naming.class_names import class_names_of, numbered
from explain.migration.diagnosis.first_divergence import first_divergence
from explain.migration.diagnosis.harmless import pass_compensated_layers, settings_without_effect
from explain.migration.measurement.alignment import aligned_calls
from explain.migration.measurement.given_models import GivenModel, observe, outputs_of, second_model
from explain.migration.measurement.maps import (
    compare_maps,
    explained_output,
    only_output,
    predicted_classes,
    same_position,
    target_of_second,
    why_not_comparable,
)
from explain.migration.measurement.matching import ObservedModel
from explain.migration.measurement.rows import class_rows, layer_rows, output_rows
from explain.migration.report import MigrationReport, Tolerances
from explain.public_calls.callers_line import at_callers_line
from explain.public_calls.progress import counted
from explain.public_calls.progress_bar import shown
from explain.results.attribution import Attribution
from explain.running.locks import ONE_CALL_AT_A_TIME
from explain.version import VERSION

METHODS = ("saliency", "integrated_gradients", "occlusion")
"""The methods whose maps are compared by default: a gradient, a path, and a perturbation."""

_CHUNK = 64


@at_callers_line
def check_migration(
    model_a: Any,
    model_b: Any,
    x: Any,
    x_b: Any = None,
    *,
    methods: str | Sequence[str] | None = None,
    target: Any = None,
    output: int | str | None = None,
    output_b: int | str | None = None,
    framework: str | None = None,
    framework_b: str | None = None,
    layout: str | Layout | None = None,
    layout_b: str | Layout | None = None,
    tolerances: Tolerances | Mapping[str, float] | None = None,
    n_explained: int = 8,
    batch_size: int | None = None,
    seed: int = 0,
    display: Display | Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> MigrationReport:
    """Compare two models that should be equal: outputs, classes, layer by layer, and attributions.

    The models are compared in the mode they are in: a PyTorch model in training mode is compared in training mode.
    Both are restored on exit.

    Parameters
    ----------
    model_a, model_b : torch.nn.Module, keras.Model, or any other model of `explain.attribute`
        The original model and the migrated one; of one framework or of two. Also what a model is deployed as: an ONNX
        Runtime session, a TFLite interpreter or the path of its file, a function, such as one that asks a server.
    x : numpy.ndarray or a tensor, or a tuple, list or dict of them
        A batch of real inputs in the layout of `model_a`, e.g. (N, C, H, W). A few dozen are enough. The axes are moved
        for `model_b`. Several inputs are given as in `explain.attribute`.
    x_b : numpy.ndarray or a tensor, optional
        The same examples as `model_b` takes them, if its preprocessing differs.
    methods : str or sequence of str, optional
        The methods whose maps are compared: by default saliency, integrated gradients and occlusion.
    target : as in `explain.attribute`
        The target in both models: also names of classes, of `display` or those that `model_a` states. An index into an
        output refers to the axes of `model_a`. By default the class that `model_a` predicts.
    output : int or str, optional
        Which output to explain if there are several; all outputs are compared, by their names if both models have
        the same, else by their positions.
    output_b : int or str, optional
        The output of `model_b` that corresponds to `output`, if its name or position differs: these two alone are
        compared.
    framework, framework_b : str, optional
        What a plain function takes: ``"numpy"``, ``"torch"`` or ``"tensorflow"``, as in `explain.attribute`.
    layout, layout_b : str, optional
        One letter for each axis of the input of either model, if the default does not fit.
    tolerances : Tolerances or Mapping, optional
        How much the two may differ: ``{"outputs": 1e-4, "classes": 0, "layers": 1e-4, "attributions": 0.02}``.
    n_explained : int
        How many examples, from the first on, are compared layer by layer and explained.
    batch_size, seed, display, progress
        As in `explain.attribute`.

    Returns
    -------
    MigrationReport
        The verdict, the first divergence and its likely cause, and every comparison.

    Raises
    ------
    MigrationError
        If an argument is wrong. The methods in `methods` may raise any error of `explain.attribute`.

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
    n_explained = optional_count("n_explained", n_explained) or 1
    named = [methods] if isinstance(methods, str) else list(METHODS if methods is None else methods)
    rows_of_methods = [find_method(name) for name in named]
    output, output_b = output_of(output), output_of(output_b)
    if output_b is not None and output is None:
        raise OptionError(
            f"output_b={output_b!r} is given without output: say to which output of model_a it corresponds, for "
            "example output=0."
        )
    a = GivenModel.checked("model_a", model_a, x, layout, framework)
    b = second_model(a, model_b, x_b, layout_b, framework_b)
    both = (replace(a, output=output), replace(b, output=output if output_b is None else output_b))
    names = _classes(display) or class_names_of(a.model)
    # An unknown name is refused before the models run.
    numbered(target, names)
    with shown(progress, "check_migration"), counted(4 + 2 * len(rows_of_methods)) as work:
        with ONE_CALL_AT_A_TIME:
            outputs = []
            for one in both:
                work.begins(what="outputs")
                outputs.append(outputs_of(one, batch_size or _CHUNK))
                work.advance()
            work.begins(2, "layers")
            few = [one.first(n_explained) for one in both]
            models, notes = _observed(few)
        work.advance(2)
        of_a, of_b = (_channels_last(found, model) for found, model in zip(outputs, models, strict=True))
        # Some models give one output at a time, the chosen one.
        one_at_a_time = any(list(found) == [str(output)] for found in (of_a, of_b))
        if output_b is not None or (output is not None and one_at_a_time):
            of_a, of_b = only_output("output", output, of_a), only_output("output_b", both[1].output, of_b)
        rows, pairs, remarks = output_rows(of_a, of_b, allowed)
        rows += class_rows(pairs, allowed)
        aligned = aligned_calls(*models)
        rows += layer_rows(aligned, allowed)
        if not aligned:
            notes.append(
                "No layers were compared: those of at least one model cannot be reached, or none match."
            )
        maps: dict[str, tuple[Attribution, Attribution]] = {}
        output, values = explained_output(output, pairs)
        if output_b is None:
            output_b = output if set(of_a) == set(of_b) else same_position(output, list(of_a), list(of_b))
        numbers = numbered(target, names, values.shape[1:])
        wanted = predicted_classes(values[:n_explained]) if target is None else numbers
        asked = {"batch_size": batch_size, "seed": seed, "display": display}
        targets = wanted, target_of_second(wanted, models)
        is_closed = any(model.observation.is_opaque for model in models)
        reason = why_not_comparable(few, rows)
        if reason:
            remarks.append(f"{reason}, so their maps were not compared.")
        for method in [] if reason else rows_of_methods:
            work.begins(2, f"maps by {method.name}")
            found, found_maps = compare_maps(
                few,
                method.name,
                asked,
                (output, output_b),
                targets,
                allowed,
                score="output" if is_closed else "logit",
                is_method_given=methods is not None,
                is_target_given=target is not None,
            )
            rows += found
            maps |= found_maps
            work.advance(2)
        if is_closed and maps:
            remarks.append(
                "The maps explain the outputs as they are, since the layers of a model cannot be reached."
            )
        if rows_of_methods and not reason and not maps:
            remarks.append("No maps were compared, since no method applies to both models: the rows say why.")
        rows, compensated = pass_compensated_layers(rows)
        remarks += compensated
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
        notes=(*remarks, *notes, *settings_without_effect(aligned, divergence)),
        versions={"explain": VERSION} | {one.extension.name: one.extension.version() for one in both},
        attributions=maps,
    )


def _classes(display: Any) -> tuple[str, ...]:
    """Give the names of the classes of a display, or of the first of several that has them."""
    each = [display] if not isinstance(display, (tuple, list, Mapping)) or is_display(display) else display
    shown = [display_of(one) for one in (each.values() if isinstance(each, Mapping) else each)]
    return next((one.classes for one in shown if one.classes), ())


def _tolerances(given: Tolerances | Mapping[str, float] | None) -> Tolerances:
    if given is None or isinstance(given, Tolerances):
        return given or Tolerances()
    known = [field.name for field in fields(Tolerances)]
    for name, value in dict(given).items():
        if name not in known:
            raise OptionError(f"tolerances has {name!r}, which is none of {', '.join(map(repr, known))}.")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise OptionError(f"tolerances[{name!r}]={brief(value)} should be a number of at least 0.")
    return Tolerances(**given)


def _observed(few: Sequence[GivenModel]) -> tuple[list[ObservedModel], list[str]]:
    """Run both models on a few examples, and read the parameters of their layers."""
    models, notes = [], []
    for name, given in zip("ab", few, strict=True):
        observation = observe(given, layers=True)
        try:
            parameters = given.extension.parameters(given.model) if observation.calls else ()
        except ExplainError as cause:
            parameters = ()
            notes.append(f"The weights of {name} could not be compared: {cause}")
        models.append(ObservedModel(observation, parameters, given.canonical[0].shape[1:]))
    return models, notes


def _channels_last(outputs: Mapping[str, Array], model: ObservedModel) -> dict[str, Array]:
    """Move the channels of maps last; outputs with at most one axis of space or time have them last already."""
    first = not model.observation.flattens_channels_last
    return {name: np.moveaxis(one, 1, -1) if first and one.ndim > 3 else one for name, one in outputs.items()}
