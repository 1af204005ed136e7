"""The arguments of the call that gave a result, from what the result records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.algorithms.catalogue import find_method
from explain.explanation.arguments import OWN_ENGINE
from explain.inputs.display import Display
from explain.results.attribution import Attribution
from explain.results.exports import plain_data
from explain.results.integration_text import CHOICE_OPTIONS
from explain.results.view import has_token_ids, input_name

_LABEL = re.compile(r"(.+)\[(\d+)\]")


@dataclass(frozen=True, eq=False)
class Argument:
    """An argument of `explain.attribute`.

    Attributes
    ----------
    value : object
        Its value.
    code : str
        Python that gives the value, where ``recorded`` is what the call gave; not for the eyes alone: it runs.
    """

    value: Any
    code: str


def arguments_of(results: Mapping[str, Attribution], structure: str) -> dict[str, Argument]:
    """Give the arguments of the call that gave some results, ``x`` and ``method`` first.

    What `missing_arguments` names is left out. An integral takes the nodes that it took, so that the same model
    gives the same values.

    Parameters
    ----------
    results : Mapping of str to Attribution
        The results of one call, by the names of the inputs.
    structure : {"one", "tuple", "list", "dict", "partial"}
        How the call took its inputs; of a partial one some inputs have no result.

    Examples
    --------
    >>> x = np.ones((1, 2), np.float32)
    >>> a = Attribution(x, x, "NC", "saliency", np.ones(1), target=(3,))
    >>> {name: one.code for name, one in arguments_of({"": a}, "one").items()}
    {'x': 'recorded.inputs', 'method': "'saliency'", 'target': '[3]', 'score': "'logit'", 'seed': '0', 'layout': "'NC'"}
    """
    first = next(iter(results.values()))
    missing = missing_arguments(results, structure)
    found: dict[str, Argument] = {}
    if "x" not in missing:
        found["x"] = _x(results, structure)
    found["method"] = _literal(first.method)
    row = find_method(first.method)
    if any(one is not None for one in first.target) and (not first.neuron or row.through_neuron):
        found["target"] = _literal(list(first.target))
    found["score"], found["seed"] = _literal(first.score), _literal(first.seed)
    if first.layer:
        found["layer"] = _literal(_layer(first.layer))
    if first.neuron:
        found["neuron"] = _literal(first.neuron[0])
    if first.engine != OWN_ENGINE:
        found["engine"] = _literal(first.engine)
    if first.reduce:
        found["reduce"] = _literal(first.reduce)
    if "x" not in missing:
        found |= _about_inputs(results, structure)
    found |= _options(first)
    return {name: one for name, one in found.items() if name not in missing}


def missing_arguments(results: Mapping[str, Attribution], structure: str) -> list[str]:
    """Name the arguments of a call that its results do not record: who repeats it must give them.

    Examples
    --------
    >>> x = np.ones((1, 2), np.float32)
    >>> a = Attribution(x, x, "NC", "expected_gradients", np.ones(1), baseline_rule={"rule": "references"})
    >>> missing_arguments({"": a}, "one")
    ['baseline']
    """
    first = next(iter(results.values()))
    missing = []
    # Strings that the model itself looks up are not known to be texts.
    if input_name(first) != "input" or structure == "partial" or (first.texts and not first.reduce):
        missing.append("x")
    if structure == "one" and first.input_name:
        missing.append("x")
    if first.together and set(first.together) - set(results):
        missing.append("x")
    if first.texts and first.reduce:
        missing.append("tokenizer")
    if any(one.baseline_rule.get("rule") in ("references", "tokens", "string") for one in results.values()):
        missing.append("baseline")
    if any(isinstance(one, str) for one in first.target):
        missing.append("target")
    # Of an array, such as a mask of features, a result records the shape and a hash.
    missing += [
        name
        for name, value in first.options.items()
        if name not in CHOICE_OPTIONS and isinstance(value, Mapping)
    ]
    return list(dict.fromkeys(missing))


def _literal(value: Any) -> Argument:
    return Argument(value, repr(_plain(value)))


def _plain(value: Any) -> Any:
    """Give a value without NumPy's types, whose text is no Python; tuples stay tuples."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return plain_data(value)


def _x(results: Mapping[str, Attribution], structure: str) -> Argument:
    if structure == "one":
        (one,) = results.values()
        return Argument(_input(one), _input_code(one, "recorded"))
    if structure == "dict":
        pairs = ", ".join(
            f"{name!r}: {_input_code(one, f'recorded[{name!r}]')}" for name, one in results.items()
        )
        return Argument({name: _input(one) for name, one in results.items()}, f"{{{pairs}}}")
    parts = ", ".join(_input_code(one, f"recorded[{place}]") for place, one in enumerate(results.values()))
    values = tuple(_input(one) for one in results.values())
    return Argument(
        values if structure == "tuple" else list(values),
        f"({parts})" if structure == "tuple" else f"[{parts}]",
    )


def _input(one: Attribution) -> Any:
    if one.texts:
        return [text.text for text in one.texts]
    # Token ids are held in single precision like all inputs.
    return one.inputs.astype(np.int64) if has_token_ids(one) else one.inputs


def _input_code(one: Attribution, recorded: str) -> str:
    if one.texts:
        return f"[text.text for text in {recorded}.texts]"
    return f"{recorded}.inputs.astype(int)" if has_token_ids(one) else f"{recorded}.inputs"


def _about_inputs(results: Mapping[str, Attribution], structure: str) -> dict[str, Argument]:
    """Give layout, display, lengths and baseline: of one input plain, of several in their structure."""
    columns: dict[str, dict[str, Argument | None]] = {
        "layout": {name: _literal(one.layout) for name, one in results.items()},
        "display": {
            name: None if one.display == Display() else Argument(one.display, _of(name, structure, "display"))
            for name, one in results.items()
        },
        "lengths": {name: _lengths(one) for name, one in results.items()},
        "baseline": {name: _baseline(one, _of(name, structure, "baseline")) for name, one in results.items()},
    }
    found = {}
    for argument, each in columns.items():
        if all(one is None for one in each.values()):
            continue
        if structure == "one":
            (only,) = each.values()
            assert only is not None
            found[argument] = only
            continue
        values = {name: None if one is None else one.value for name, one in each.items()}
        codes = {name: "None" if one is None else one.code for name, one in each.items()}
        if structure == "dict":
            text = ", ".join(f"{name!r}: {code}" for name, code in codes.items())
            found[argument] = Argument(values, f"{{{text}}}")
        else:
            text = ", ".join(codes.values())
            listed = tuple(values.values())
            found[argument] = (
                Argument(listed, f"({text})") if structure == "tuple" else Argument(list(listed), f"[{text}]")
            )
    return found


def _of(name: str, structure: str, field: str) -> str:
    if structure == "one":
        return f"recorded.{field}"
    return f"recorded[{name!r}].{field}" if structure == "dict" else f"recorded[{name}].{field}"


def _lengths(one: Attribution) -> Argument | None:
    """Give the lengths of padded sequences; None where no padding is known, or it is not at the end."""
    if one.mask is None or one.texts:
        return None
    lengths = one.mask.sum(axis=1)
    at_end = np.array_equal(one.mask, np.arange(one.mask.shape[1]) < lengths[:, np.newaxis])
    return _literal(lengths.tolist()) if at_end else None


def _baseline(one: Attribution, code: str) -> Argument | None:
    if one.baseline is not None:
        return Argument(one.baseline, code)
    number = one.baseline_rule.get("id")
    return None if number is None else _literal(number)


def _options(first: Attribution) -> dict[str, Argument]:
    known = {option.name: option for option in find_method(first.method).options}
    # What was left to the method is recorded in words: it chooses the same again.
    found = {
        name: _literal(_as_given(value))
        for name, value in first.options.items()
        if name in known
        and not (first.steps is not None and name in CHOICE_OPTIONS)
        and known[name].accepts(_as_given(value))
    }
    if first.nodes is not None:
        found["nodes"] = Argument(first.nodes, "recorded.nodes")
    elif first.steps is not None and "n_steps" in known:
        found["n_steps"] = _literal(first.steps.tolist())
        if first.rule and "rule" in known:
            found["rule"] = _literal(first.rule)
    if first.batch_size is not None:
        found["batch_size"] = _literal(first.batch_size)
    return found


def _as_given(value: Any) -> Any:
    """Give an option as a caller gives it: files hold tuples as lists."""
    return tuple(map(_as_given, value)) if isinstance(value, list) else value


def _layer(label: str) -> Any:
    found = _LABEL.fullmatch(label)
    return label if found is None else (found[1], int(found[2]))
