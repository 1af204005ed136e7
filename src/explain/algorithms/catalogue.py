"""The catalogue of methods: it collects the rows from the methods' files, and checks them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from numbers import Integral
from types import ModuleType
from typing import get_args

from explain.algorithms.attention import gradient_attention, rollout
from explain.algorithms.backward_rules import deconvolution, deep_lift, deep_lift_shap, guided_backprop, lrp
from explain.algorithms.class_activation_map import grad_cam, guided_grad_cam, layer_cam, score_cam
from explain.algorithms.gradient import input_x_gradient, saliency, smoothgrad
from explain.algorithms.layer import activation, conductance
from explain.algorithms.maximization import activation_maximization
from explain.algorithms.method import COMMON, Catalogue, Drawn, LayerUse, Method, Option
from explain.algorithms.path import (
    blur_integrated_gradients,
    expected_gradients,
    guided_integrated_gradients,
    integrated_gradients,
    xrai,
)
from explain.algorithms.perturbation import (
    feature_ablation,
    feature_permutation,
    occlusion,
    rise,
    shapley_value_sampling,
)
from explain.algorithms.surrogate import kernel_shap, lime
from explain.backends.protocol import Primitive
from explain.errors import MethodError
from explain.inputs.layout import KINDS
from explain.inputs.naming.brief import brief
from explain.inputs.naming.suggestions import suggestion

_FILES = (
    saliency,
    input_x_gradient,
    smoothgrad,
    integrated_gradients,
    expected_gradients,
    blur_integrated_gradients,
    guided_integrated_gradients,
    xrai,
    guided_backprop,
    deconvolution,
    deep_lift,
    deep_lift_shap,
    lrp,
    activation,
    conductance,
    grad_cam,
    guided_grad_cam,
    layer_cam,
    score_cam,
    rollout,
    gradient_attention,
    occlusion,
    feature_ablation,
    feature_permutation,
    rise,
    shapley_value_sampling,
    lime,
    kernel_shap,
    activation_maximization,
)
"""The files of the methods, in the order of the catalogue."""

_NAME = re.compile("[a-z][a-z0-9_]*")


def methods() -> Catalogue:
    """Give the catalogue of methods, which prints as a table.

    Returns
    -------
    Catalogue
        A sequence of rows with ``.name``, ``.aliases``, ``.family``, ``.summary``, ``.paper`` and
        ``.options``.

    Examples
    --------
    >>> [row.name for row in methods() if row.family == "surrogate"]
    ['lime', 'kernel_shap']
    """
    return _ROWS


def find_method(name: object) -> Method:
    """Find a method by its name or an alias; case, spaces and hyphens do not matter.

    Raises
    ------
    MethodError
        If there is no such method; the message suggests the nearest name.

    Examples
    --------
    >>> find_method("IG").name
    'integrated_gradients'
    """
    if isinstance(name, str):
        wanted = _as_written(name)
        if wanted in _ROWS.by_name:
            return _ROWS.by_name[wanted]
    names = {alias: row.name for alias, row in _ROWS.by_name.items()}
    hint = suggestion(name, names, names)
    if not hint:
        hint = " Common ones are 'integrated_gradients', 'saliency' and 'grad_cam'."
    if isinstance(name, Integral):
        hint = f" If it is the class to explain, give target={name}.{hint}"
    raise MethodError(
        f"method={brief(name)} is not in the catalogue.{hint} explain.methods() lists the {len(_ROWS)} methods, "
        "and the options of each."
    )


def collected(files: Iterable[ModuleType]) -> Catalogue:
    """Collect the rows of some files, in order, and check them.

    Parameters
    ----------
    files : iterable of module
        Each with its rows in ``ROWS``.

    Raises
    ------
    ValueError
        If a row is invalid; the message names the row, its file and what to change.
    """
    rows: list[Method] = []
    owners: dict[str, str] = {}
    for file in files:
        for row in file.ROWS:
            faults = [*_faults(row, file)]
            for name in (row.name, *row.aliases):
                if _as_written(name) != name:
                    faults.append(f"users type the name {name!r} as {_as_written(name)!r}: write it that way")
                if name in owners:
                    faults.append(f"{owners[name]} has the name {name!r} already")
                owners[name] = row.name
            if faults:
                raise ValueError(f"The row of method {row.name!r} in {file.__name__}: {'; '.join(faults)}.")
            rows.append(row)
    return Catalogue(rows)


def _faults(row: Method, file: ModuleType) -> Iterator[str]:
    if row.implementation.__module__ != file.__name__:
        yield f"its function is defined in {row.implementation.__module__}, not in the file of the row"
    if not _NAME.fullmatch(row.name):
        yield "name is not in snake case"
    if not row.summary.endswith("."):
        yield "summary is not a sentence: end it with a full stop"
    if not row.paper:
        yield "paper is missing"
    for field, given, known in (
        ("needs", row.needs, get_args(Primitive)),
        ("kinds", row.kinds, KINDS),
        ("layer", {row.layer}, get_args(LayerUse)),
        ("drawn", {row.drawn}, get_args(Drawn)),
    ):
        if not given or not set(given) <= set(known):
            yield f"{field} has {sorted(given)}: take at least one of {', '.join(map(repr, known))}, and no other"
    if row.takes_references and not row.uses_baseline:
        yield "takes_references=True needs uses_baseline=True"
    if row.through_neuron and row.layer != "must":
        yield "through_neuron=True needs layer='must'"
    if both := set(row.reference_engines) & set(row.refused_engines):
        yield f"{sorted(both)} are in both reference_engines and refused_engines"
    names = [option.name for option in row.options]
    for option in row.options:
        if names.count(option.name) > 1:
            yield f"option {option.name!r} is defined {names.count(option.name)} times"
        yield from _option_faults(option)


def _option_faults(option: Option) -> Iterator[str]:
    if not _NAME.fullmatch(option.name) or option.name in COMMON:
        yield f"option name {option.name!r} is not in snake case, or is an argument that every method takes"
    if not option.accepts(option.default):
        yield f"option {option.name!r} does not accept its default {option.default!r}"
    if not option.summary.endswith("."):
        yield f"the summary of option {option.name!r} is not a sentence: end it with a full stop"


def _as_written(name: str) -> str:
    """Give a name in the catalogue's spelling; case, spaces and hyphens do not matter."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


_ROWS = collected(_FILES)
