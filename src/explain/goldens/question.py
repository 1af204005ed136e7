"""The question of a golden (method, options, inputs, target): repeat it, and compare two questions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from explain.algorithms.catalogue import find_method, methods
from explain.api import attribute
from explain.backends.discovery import extension_for
from explain.errors import GoldenError
from explain.fingerprints import fingerprint
from explain.goldens.file import Golden, golden_of
from explain.inputs.arrays import as_input
from explain.inputs.layout import layout_of
from explain.results.attribution import Attribution
from explain.results.integration_text import CHOICE_OPTIONS
from explain.results.view import input_name


@dataclass(frozen=True)
class Explanation:
    """An explanation to check against a golden.

    Parameters
    ----------
    attribution : Attribution
        The explanation.
    golden : Golden
        The same explanation as a golden.
    """

    attribution: Attribution
    golden: Golden


def explain_again(
    model: Any, x: Any, method: str, options: Mapping[str, Any], before: Golden | None
) -> Explanation:
    """Repeat the question of a golden: the same targets, and for an integral the same nodes.

    If no target is given, the targets of the golden are explained, even if the model now predicts other classes.

    Parameters
    ----------
    model, x, method, options
        As for `explain.attribute`.
    before : Golden, optional
        The golden, if there is one.

    Returns
    -------
    Explanation
        The new explanation.

    Raises
    ------
    GoldenError
        If `x` contains several inputs.
    """
    row = find_method(method)
    own = {option.name for option in row.options}
    asked: dict[str, Any] = {
        "options": row.recorded_options(
            row.resolve_options({k: v for k, v in options.items() if k in own}, methods())
        ),
        "target": "the predicted class" if options.get("target") is None else "given",
    }
    given = dict(options)
    if before is not None and len(before) == np.shape(x)[0]:
        targets = before.made_by["targets"]
        if given.get("target") is None and all(isinstance(one, (int, list)) for one in targets):
            given["target"] = [tuple(one) if isinstance(one, list) else one for one in targets]
        # The caller left the nodes open.
        is_open = asked["options"].get("n_steps") == "auto" and asked["options"].get("nodes") is None
        if is_open and before.made_by["steps"] is not None:
            nodes = before.made_by.get("nodes")
            for name in CHOICE_OPTIONS:
                given.pop(name, None)
            given |= (
                {"n_steps": before.made_by["steps"], "rule": before.made_by["rule"]}
                if nodes is None
                else {"nodes": nodes}
            )
            given.setdefault("batch_size", before.made_by["batch_size"])
    found = attribute(model, x, method, **given)
    if not isinstance(found, Attribution):
        raise GoldenError(
            "x contains several inputs, and each input has its own explanation: explain them with "
            "explain.attribute, and check each against a golden with explain_golden.check_attribution(a, name=...)."
        )
    if options.get("target") is not None:
        asked["target"] = list(found.target)
    of_layer = input_name(found) != "input"
    whole = _canonical(model, x, options) if of_layer else None
    return Explanation(found, golden_of(found, asked, fingerprint(model), whole))


def _canonical(model: Any, x: Any, options: Mapping[str, Any]) -> Any:
    """Give the input of a model with its batch first and its channels last."""
    extension = extension_for(model, options.get("framework"))
    host = as_input(x, extension, model=model, is_checked_later=True)
    default = partial(extension.default_layout, model, host.ndim)
    return layout_of(options.get("layout"), default).to_canonical(host)


def as_explanation(attribution: Attribution) -> Explanation:
    """Convert an attribution to an explanation, without a fingerprint of its model.

    Raises
    ------
    GoldenError
        If it is not an Attribution.
    """
    if not isinstance(attribution, Attribution):
        raise GoldenError(
            f"attribution is a {type(attribution).__name__}: give an Attribution, as explain.attribute returns it."
        )
    asked = {"options": dict(attribution.options), "target": list(attribution.target)}
    return Explanation(attribution, golden_of(attribution, asked, ""))


def question_differences(expected: Golden, found: Golden) -> list[str]:
    """Describe how the questions of two goldens differ, one phrase per difference."""
    words = []
    names = sorted(set(expected.question) | set(found.question))
    of_size = [
        name for name in ("examples", "shape") if expected.question.get(name) != found.question.get(name)
    ]
    # If the sizes differ, everything else does too.
    for name in of_size or names:
        one, other = expected.question.get(name), found.question.get(name)
        if one == other or (name == "inputs" and (one is None or other is None)):
            continue
        if name == "inputs" and one is not None and other is not None and len(one) == len(other):
            rows = [index for index, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]
            words.append(f"the inputs of example{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows))}")
        elif name == "options" and one is not None and other is not None:
            words += [
                f"{option}: {one.get(option)!r} in the golden, {other.get(option)!r} now"
                for option in sorted(set(one) | set(other))
                if one.get(option) != other.get(option)
            ]
        elif name not in ("inputs", "padding"):
            words.append(f"{name}: {_short(one)} in the golden, {_short(other)} now")
        elif name == "padding":
            words.append("the padding (lengths)")
    return words


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
