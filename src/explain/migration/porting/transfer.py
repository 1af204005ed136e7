"""`explain.port`: copies the weights of one model into another of the same architecture, all or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explain.backends.discovery import extension_for
from explain.errors import PortError, PortWarning
from explain.migration.porting.both_models import BothModels
from explain.migration.porting.fitting import Layers, Pair
from explain.migration.porting.outputs import outputs_apart
from explain.migration.porting.pairing import Pairing, pair_layers
from explain.migration.porting.result import Port, PortRow, port_table
from explain.migration.porting.setting_differences import Difference, setting_differences
from explain.migration.porting.target_tensors import ported_layer
from explain.parameters.canonical import ParameterLayer
from explain.public_calls.callers_line import at_callers_line, warn_at_callers_line
from explain.public_calls.progress import counted, counted_each
from explain.public_calls.progress_bar import shown
from explain.results.names import number
from explain.running.locks import ONE_CALL_AT_A_TIME

# Settings that depend on how the model is called, not on its weights.
_NOT_COMPARED = {"training"}
# Relative L2 of the outputs: rounding, also in half precision.
_SAME_OUTPUT = 1e-2
# Activations at the end of a model; a model may also leave them to its loss.
_ENDINGS = ("softmax", "log_softmax", "sigmoid")


@at_callers_line
def port(
    source_model: Any,
    target_model: Any,
    mapping: Mapping[str, str | None] | None = None,
    *,
    x: Any = None,
) -> Port:
    """Copy the weights of one model into another of the same architecture, from any framework to any framework.

    Layers are paired by names that agree, by order and by shape. Besides axes, the port converts gate orders, PyTorch's
    two biases, running statistics, and the order in which a map is flattened. The target changes only if every tensor
    can be ported and has the same effect there.

    Parameters
    ----------
    source_model : torch.nn.Module or keras.Model
        The model with the weights. It is only read.
    target_model : torch.nn.Module or keras.Model
        The model that receives the weights, in place, in its own precision and on its own device. Optimisers keep
        their parameters.
    mapping : Mapping of str to str or None, optional
        From layer names of the source to layer names of the target, where the pairing is ambiguous. None leaves the
        layer of that name, in either model, unchanged.
    x : array_like, or tuple or dict of array_like, optional
        A small batch, as the source takes it. Both models run on it and are restored. Layers are then in the order of
        their calls, not of their definitions, and the order in which a map is flattened is observed. A `PortWarning`
        reports if the outputs of the two models differ afterwards. Without `x`, a PyTorch model is assumed to flatten
        with the channels first.

    Returns
    -------
    Port
        The paired layers. Its `str` is a table.

    Raises
    ------
    PortError
        If a layer has no partner, the partner is ambiguous, a tensor does not fit, or would have another effect in the
        target (another padding, epsilon, activation…). The message has a table of the layers that matched and those
        that did not. The target is unchanged.
    ModelNotBuiltError
        If one of the models has no weights yet.
    UnsupportedModelError
        If one of them is not a model of a known framework.
    ModelCallError
        If the source fails on `x`.

    Examples
    --------
    >>> from explain import zoo
    >>> source = zoo.load("cifar_net", framework="torch")
    >>> target = zoo.load("cifar_net", framework="tensorflow")
    >>> print(port(source, target))  # doctest: +ELLIPSIS
    5 layers ported from torch to tensorflow
    ...
    """
    models = BothModels(source_model, target_model, extension_for(source_model), extension_for(target_model))
    with shown(None, "port"), counted(4) as work, ONE_CALL_AT_A_TIME:
        work.begins(what="reading the layers")
        source, target = models.layers(x)
        work.advance()
        pairing = pair_layers(source, target, mapping)
        plans = [_plan(pair, source, target) for pair in counted_each(pairing.pairs, "layers")]
        work.advance()
        rows = (*(plan.row for plan in plans), *_rows_without_partner(pairing))
        problems = [*pairing.problems, *(problem for plan in plans for problem in plan.problems)]
        if problems or not plans:
            raise PortError(_refusal(problems or ["Neither model has layers that hold parameters."], rows))
        work.begins(what="writing the weights")
        models.target_extension.write_parameters(target_model, [plan.layer for plan in plans])
        work.advance()
        work.begins(what="comparing the outputs")
        apart = None if x is None else outputs_apart(models, x)
    if apart is not None and not apart <= _SAME_OUTPUT:
        note = (
            f"All weights were ported, but the outputs of the two models on x are {number(apart)} apart (relative L2): "
            "the models compute something else between their layers, or a layer was paired with the wrong one. "
            "explain.check_migration(source_model, target_model, x) says where.",
            PortWarning,
        )
        warn_at_callers_line([note])
    names = models.source_extension.name, models.target_extension.name
    return Port(*names, rows, tuple(one.label for one in pairing.set_aside), apart)


@dataclass(frozen=True, eq=False)
class _Plan:
    """The plan for a pair of layers: the target's layer with its new tensors, its row, and obstacles to the port."""

    layer: ParameterLayer
    row: PortRow
    problems: tuple[str, ...]


def _plan(pair: Pair, source: Layers, target: Layers) -> _Plan:
    differences = [
        one for one in setting_differences(pair.source, pair.target) if one.setting not in _NOT_COMPARED
    ]
    layer = pair.target
    notes: tuple[str, ...] = ()
    ending_notes: list[str] = []
    if pair.source is source[-1] and pair.target is target[-1]:
        ending_notes = [_ending_note(one) for one in differences if _ending_note(one)]
        differences = [one for one in differences if not _ending_note(one)]
    names = f"{pair.source.label} → {pair.target.label}"
    problems = [f"{names}, {one.setting}: {one.sentence}" for one in differences]
    try:
        ported = ported_layer(pair, source, target)
        layer, notes = ported.layer, ported.notes
    except PortError as error:
        problems.append(f"{names}: {error}")
    reason = "does not carry over" if problems else pair.reason
    row = PortRow(
        pair.source.label,
        pair.target.label,
        pair.target.kind,
        _shapes(pair.target),
        reason,
        (*notes, *ending_notes),
    )
    return _Plan(layer, row, tuple(problems))


def _ending_note(difference: Difference) -> str:
    """State which model ends in a softmax or sigmoid that the other lacks; empty for any other difference.

    The weights then compute the same logits in both.
    """
    if difference.setting != "activation":
        return ""
    one, other = difference.a, difference.b
    if one is None and other in _ENDINGS:
        return f"the target ends in a {other}"
    return f"the source ends in a {one}" if other is None and one in _ENDINGS else ""


def _rows_without_partner(pairing: Pairing) -> list[PortRow]:
    return [
        *(PortRow(one.label, "", one.kind, _shapes(one), "no partner") for one in pairing.left_source),
        *(PortRow("", one.label, one.kind, _shapes(one), "no partner") for one in pairing.left_target),
    ]


def _shapes(layer: ParameterLayer) -> str:
    return ", ".join(
        f"{name} {'×'.join(map(str, shape)) or 'scalar'}" for name, shape in layer.shapes.items()
    )


def _refusal(problems: Sequence[str], rows: Sequence[PortRow]) -> str:
    count = len(problems)
    listed = "\n".join(f"- {problem}" for problem in problems)
    return (
        f"Nothing was ported: {count} thing{'s do' if count != 1 else ' does'} not carry over.\n{listed}\n"
        f"What matched and what did not:\n{port_table(rows)}"
    )
