"""`explain.port`: the weights of one model in another of the same architecture, all or none."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explain.backends.discovery import extension_for
from explain.errors import PortError, PortWarning
from explain.migration.porting.agreement import Difference, setting_differences
from explain.migration.porting.carrying import Carried, carried
from explain.migration.porting.outcome import outputs_apart
from explain.migration.porting.pairing import Pairing, pair_layers
from explain.migration.porting.reading import read_both
from explain.parameters.canonical import ParameterLayer
from explain.results.comparison import figure_text
from explain.results.names import number
from explain.running.locks import ONE_CALL_AT_A_TIME

# In which mode a layer is does not belong to its weights.
_OF_THE_MOMENT = {"training"}
# Rounding, also of half precision.
_SAME_OUTPUT = 1e-2
# What a model may end in or leave to its loss.
_ENDS = ("softmax", "log_softmax", "sigmoid")


@dataclass(frozen=True)
class PortRow:
    """A layer of the source and what it went to.

    Attributes
    ----------
    source, target : str
        The names of the two; empty where there is none.
    kind : str
        What they do, as in `explain.parameters.canonical.ParameterLayer`.
    shapes : str
        The shapes of the tensors in canonical axes.
    reason : str
        Why they were paired, as in `explain.migration.porting.pairing.Pair`; or what is the matter.
    notes : tuple of str
        What was done to the tensors besides moving axes; which model ends in a softmax, where only one does.
    """

    source: str
    target: str
    kind: str
    shapes: str
    reason: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Port:
    """What was carried over. Its `str` is a table.

    Attributes
    ----------
    source_framework, target_framework : str
        The frameworks of the two models.
    rows : tuple of PortRow
        One a layer, in the order of the target's.
    set_aside : tuple of str
        Layers of either model that the mapping left out.
    apart : float, optional
        Where examples were given, how far the outputs of the two models are apart on them, in relative L2, before a
        softmax that they end in; None where that was not seen.
    """

    source_framework: str
    target_framework: str
    rows: tuple[PortRow, ...]
    set_aside: tuple[str, ...] = ()
    apart: float | None = None

    def __str__(self) -> str:
        """Give the table of what went where."""
        count = len(self.rows)
        head = f"{count} layer{'s' * (count != 1)} ported from {self.source_framework} to {self.target_framework}"
        left = f"\nleft out: {', '.join(self.set_aside)}" if self.set_aside else ""
        seen = (
            ""
            if self.apart is None
            else f"\noutputs on x: {figure_text('relative_l2', self.apart)} apart (relative L2)"
        )
        return f"{head}\n{_table(self.rows)}{left}{seen}"


def port(
    source_model: Any,
    target_model: Any,
    mapping: Mapping[str, str | None] | None = None,
    *,
    x: Any = None,
) -> Port:
    """Copy the weights of one model into another of the same architecture, in whichever framework each is.

    Layers are paired by names that agree, by order and by shape. What differs between the frameworks besides axes is
    seen to: gate orders, PyTorch's two biases, running statistics, and the order in which a map is flattened. Nothing
    is changed unless every tensor finds its place and means the same there.

    Parameters
    ----------
    source_model : torch.nn.Module or keras.Model
        Where the weights are. It is only read.
    target_model : torch.nn.Module or keras.Model
        Where they go, in place, in its own precision and on its own device. Optimisers keep their parameters.
    mapping : Mapping of str to str or None, optional
        From names of the source's layers to names of the target's, where the pairing is not clear. A name of either
        with None leaves that layer as it is.
    x : array_like, or tuple or dict of array_like, optional
        A small batch, as the source takes it. Both models are run on it, and are as they were afterwards: layers are
        then taken in the order in which they are called, not in which they are defined, how a map is flattened is
        seen, and so is whether the two models then give the same: else there is a `PortWarning`. Without it a model of
        PyTorch is taken to flatten with the channels first.

    Returns
    -------
    Port
        What went where. Its `str` is a table.

    Raises
    ------
    PortError
        If a layer has no partner, the partner is ambiguous, a tensor does not fit, or would not mean the same there
        (another padding, epsilon, activation…). The message has the table of what matched and what did not. The target
        is as it was.
    ModelNotBuiltError
        If one of the models has no weights yet.
    UnsupportedModelError
        If one of them is no model.
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
    here, there = extension_for(source_model), extension_for(target_model)
    with ONE_CALL_AT_A_TIME:
        source, target = read_both(here, there, source_model, target_model, x)
        pairing = pair_layers(source, target, mapping)
        problems = list(pairing.problems)
        planned: dict[int, Carried] = {}
        reasons: dict[int, str] = {}
        ends: dict[int, tuple[str, ...]] = {}
        for pair in pairing.pairs:
            differences = [
                difference
                for difference in setting_differences(pair.source, pair.target)
                if difference.setting not in _OF_THE_MOMENT
            ]
            if pair.source is source[-1] and pair.target is target[-1]:
                ends[id(pair)] = tuple(_of_the_end(one) for one in differences if _of_the_end(one))
                differences = [one for one in differences if not _of_the_end(one)]
            found = [
                f"{pair.source.label} → {pair.target.label}, {one.setting}: {one.sentence}"
                for one in differences
            ]
            try:
                planned[id(pair)] = carried(pair, source, target)
            except PortError as error:
                found.append(f"{pair.source.label} → {pair.target.label}: {error}")
            if found:
                problems.extend(found)
                reasons[id(pair)] = "does not carry over"
        rows = _rows(pairing, planned, reasons, ends)
        if problems or not pairing.pairs:
            raise PortError(_refusal(problems or ["Neither model has layers that hold parameters."], rows))
        there.write_parameters(target_model, [planned[id(pair)].layer for pair in pairing.pairs])
        apart = None if x is None else outputs_apart(here, there, source_model, target_model, x)
    if apart is not None and not apart <= _SAME_OUTPUT:
        warnings.warn(
            f"Every weight found its place, and yet the outputs of the two models on x are {number(apart)} apart "
            "(relative L2): they compute something else between their layers, or a layer went to the wrong one. "
            "explain.check_migration(source_model, target_model, x) says where.",
            PortWarning,
            stacklevel=2,
        )
    return Port(here.name, there.name, rows, tuple(one.label for one in pairing.set_aside), apart)


def _of_the_end(difference: Difference) -> str:
    """Say which model ends in probabilities where the other gives what they are made from; empty for anything else.

    The weights mean the same, and so do the scores that are explained: logits.
    """
    if difference.setting != "activation":
        return ""
    one, other = difference.a, difference.b
    if one is None and other in _ENDS:
        return f"the target ends in a {other}"
    return f"the source ends in a {one}" if other is None and one in _ENDS else ""


def _rows(
    pairing: Pairing,
    planned: Mapping[int, Carried],
    reasons: Mapping[int, str],
    ends: Mapping[int, tuple[str, ...]],
) -> tuple[PortRow, ...]:
    rows = []
    for pair in pairing.pairs:
        notes = (*(planned[id(pair)].notes if id(pair) in planned else ()), *ends.get(id(pair), ()))
        reason = reasons.get(id(pair), pair.reason)
        rows.append(
            PortRow(
                pair.source.label, pair.target.label, pair.target.kind, _shapes(pair.target), reason, notes
            )
        )
    rows += [PortRow(one.label, "", one.kind, _shapes(one), "no partner") for one in pairing.left_source]
    rows += [PortRow("", one.label, one.kind, _shapes(one), "no partner") for one in pairing.left_target]
    return tuple(rows)


def _shapes(layer: ParameterLayer) -> str:
    return ", ".join(
        f"{name} {'×'.join(map(str, shape)) or 'scalar'}" for name, shape in layer.shapes.items()
    )


def _refusal(problems: Sequence[str], rows: Sequence[PortRow]) -> str:
    count = len(problems)
    listed = "\n".join(f"- {problem}" for problem in problems)
    return (
        f"Nothing was ported: {count} thing{'s do' if count != 1 else ' does'} not carry over.\n{listed}\n"
        f"What matched and what did not:\n{_table(rows)}"
    )


def _table(rows: Sequence[PortRow]) -> str:
    cells = [("source", "target", "kind", "tensors, channels last", "paired by")]
    cells += [
        (row.source or "—", row.target or "—", row.kind, row.shapes, "; ".join((row.reason, *row.notes)))
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
