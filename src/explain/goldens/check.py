"""Holds an explanation to its golden: asks the same again, measures, and says what changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from explain.algorithms.catalogue import find_method, methods
from explain.api import attribute
from explain.backends.discovery import extension_for
from explain.errors import ExplanationChangedError, GoldenError
from explain.files.atomic_write import replace_file
from explain.goldens.figures import Figures, Tolerances, figures
from explain.goldens.file import Golden, golden_of, read_golden
from explain.goldens.fingerprints import weights_fingerprint
from explain.inputs.arrays import as_input
from explain.inputs.layout import Layout, layout_of
from explain.render import figure_png, plot, shared_scale
from explain.render.colours import Scale
from explain.results.attribution import Attribution
from explain.results.names import method_name
from explain.results.view import default_channels, drawn_as, input_name, maps_of, view

# How many examples a message names, and a picture of a change shows.
_NAMED = 5
_KEPT_DPI = 100


@dataclass(frozen=True)
class Explanation:
    """An explanation that was asked for, to be held to a golden.

    Parameters
    ----------
    attribution : Attribution
        What was found.
    golden : Golden
        The same, as a golden.
    """

    attribution: Attribution
    golden: Golden


def explained_again(
    model: Any, x: Any, method: str, options: Mapping[str, Any], before: Golden | None
) -> Explanation:
    """Explain what a golden explains: the same targets, and an integral in the same steps.

    Without a target the golden's own is taken, so that a model which now predicts another class is still asked about
    the same one.

    Parameters
    ----------
    model, x, method, options
        As for `explain.attribute`.
    before : Golden, optional
        The golden, if there is one.
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
        if asked["options"].get("n_steps") == "auto" and before.made_by["steps"] is not None:
            given |= {"n_steps": before.made_by["steps"], "rule": before.made_by["rule"]}
            for name in ("tolerance", "max_steps"):
                given.pop(name, None)
            given.setdefault("batch_size", before.made_by["batch_size"])
    found = attribute(model, x, method, **given)
    if not isinstance(found, Attribution):
        raise GoldenError(
            "x holds several inputs, each of which has an explanation of its own: explain them with "
            "explain.attribute, and hold each to a golden with explain_golden.check_attribution(a, name=...)."
        )
    if options.get("target") is not None:
        asked["target"] = list(found.target)
    of_layer = input_name(found) != "input"
    whole = _canonical(model, x, options) if of_layer else None
    return Explanation(found, golden_of(found, asked, weights_fingerprint(model), whole))


def _canonical(model: Any, x: Any, options: Mapping[str, Any]) -> Any:
    """Lay an input out batch first and channels last."""
    extension = extension_for(model, options.get("framework"))
    host = as_input(x, extension, model=model)
    default = partial(extension.default_layout, model, host.ndim)
    return layout_of(options.get("layout"), default).to_canonical(host)


def as_explanation(attribution: Attribution) -> Explanation:
    """Take an attribution for what was asked and found; the model itself is not there to be told.

    Raises
    ------
    GoldenError
        If it is none.
    """
    if not isinstance(attribution, Attribution):
        raise GoldenError(
            f"attribution is a {type(attribution).__name__}: give an Attribution, as explain.attribute returns it."
        )
    asked = {"options": dict(attribution.options), "target": list(attribution.target)}
    return Explanation(attribution, golden_of(attribution, asked, ""))


def check_against(
    path: Path, explanation: Explanation, tolerances: Tolerances, accept: str, folder: Path | None
) -> Figures:
    """Hold an explanation to the golden of a file.

    Parameters
    ----------
    path : pathlib.Path
        The golden.
    explanation : Explanation
        What was found.
    tolerances : Tolerances
        What it is held to.
    accept : str
        The command that accepts a change, for messages.
    folder : pathlib.Path, optional
        Where pictures of a change are written, if they are.

    Raises
    ------
    GoldenError
        If the golden is of another question: other inputs, options, method…
    ExplanationChangedError
        If a figure of an example is beyond its tolerance.
    """
    __tracebackhide__ = True
    expected, found = read_golden(path), explanation.golden
    unlike = other_question(expected, found)
    if unlike:
        raise GoldenError(
            f"{path} is the golden of another question. What differs: {'; '.join(unlike)}. Ask the same again, or, if "
            f"the new question is meant, write its golden with: {accept}"
        )
    measured = figures(found.values, expected.values, tolerances)
    if not measured.passed.all():
        pictures = [] if folder is None else write_pictures(folder, explanation.attribution, expected)
        raise ExplanationChangedError(
            _changed(path, explanation, expected, measured, tolerances, accept, pictures)
        )
    return measured


def other_question(expected: Golden, found: Golden) -> list[str]:
    """Say in what two goldens' questions differ, in words."""
    words = []
    names = sorted(set(expected.question) | set(found.question))
    of_size = [
        name for name in ("examples", "shape") if expected.question.get(name) != found.question.get(name)
    ]
    # Of other sizes, all else is other too.
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


def write_picture(path: Path, attribution: Attribution) -> None:
    """Write the picture of a golden beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = plot(attribution)
    # It is kept with the sources.
    figure.set_dpi(_KEPT_DPI)
    replace_file(path, figure_png(figure))


def write_pictures(folder: Path, found: Attribution, expected: Golden) -> list[Path]:
    """Draw what was expected and what was found on one scale, and the difference on its own; give the files."""
    layout = Layout(found.layout)
    # What was found out about the integral is not of the golden's.
    bare = replace(found, delta=None, relative_delta=None, map_error=None, notes=())
    values = np.ascontiguousarray(layout.from_canonical(expected.values))
    before = replace(bare, values=values, model=f"{found.model}, expected")
    difference = replace(bare, values=found.values - values, model=f"{found.model}, found − expected")
    found = replace(found, model=f"{found.model}, found")
    shown = _moved_first(before, found)
    scale: Scale | Literal["shared"] = "shared"
    if view(found) != "volume" and drawn_as(found) != "input":
        channels = default_channels([found])
        maps = [maps_of(one, channels) for one in (before, found)]
        scale = shared_scale(*maps, signed=drawn_as(found) == "signed")
    folder.mkdir(parents=True, exist_ok=True)
    # What lies here is made anew by every failure: no version control should ask for it.
    replace_file(folder.parent / ".gitignore", b"*\n")
    written = []
    drawn: tuple[tuple[str, Attribution, Scale | Literal["shared"]], ...] = (
        ("expected", before, scale),
        ("found", found, scale),
        ("difference", difference, "shared"),
    )
    for name, one, on in drawn:
        path = folder / f"{name}.png"
        replace_file(path, figure_png(plot(one, examples=shown, scale=on)))
        written.append(path)
    return written


def _moved_first(before: Attribution, found: Attribution) -> list[int]:
    """Give the examples to draw, those that moved farthest first."""
    axis = Layout(found.layout).batch_axis
    gaps = np.abs(np.moveaxis(found.values - before.values, axis, 0)).reshape(len(found), -1).max(axis=1)
    return [int(one) for one in np.argsort(-gaps, kind="stable")[:_NAMED]]


def _changed(
    path: Path,
    explanation: Explanation,
    expected: Golden,
    measured: Figures,
    tolerances: Tolerances,
    accept: str,
    pictures: list[Path],
) -> str:
    """Say what changed, by how much, what may have caused it, and how to accept it."""
    found, far = explanation.attribution, measured.moved_most
    columns = (
        ("example", [str(one) for one in far[:_NAMED]], "tolerance"),
        (
            "largest error",
            [_marked(measured.max_error[one], tolerances.max_error, -1) for one in far[:_NAMED]],
            f"{tolerances.max_error:g}",
        ),
        (
            "rank correlation",
            [_marked(measured.rank_correlation[one], tolerances.rank_correlation) for one in far[:_NAMED]],
            f"{tolerances.rank_correlation:g}",
        ),
        (
            "top 10 %",
            [_marked(measured.top_overlap[one], tolerances.top_overlap) for one in far[:_NAMED]],
            f"{tolerances.top_overlap:g}",
        ),
    )
    cells = [[title, *rows, bound] for title, rows, bound in columns]
    widths = [max(map(len, column)) for column in cells]
    table = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in zip(*cells, strict=True)
    ]
    count = f"{len(far)} of {len(found)} example{'s' if len(found) > 1 else ''}"
    lines = [
        f"{method_name(found.method)} of {found.model} has changed in {count}; the golden is {path}.",
        "",
        *(f"  {line}" for line in table),
        *([f"  and {len(far) - _NAMED} more"] if len(far) > _NAMED else []),
        "",
        *_causes(expected.made_by, explanation.golden.made_by),
        *(
            [f"Pictures, in {pictures[0].parent}: {', '.join(one.name for one in pictures)}."]
            if pictures
            else []
        ),
        f"If the new explanation is right, accept it with: {accept}",
    ]
    return "\n".join(lines)


def _causes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say what else is not as it was when the golden was made."""
    lines = []
    if before["framework"] != now["framework"]:
        lines.append(f"The golden was made in {before['framework']}, this explanation in {now['framework']}.")
    elif before["weights"] and now["weights"]:
        same = before["weights"] == now["weights"]
        lines.append(
            "The model's weights are those of the golden: the cause is in code, versions or settings."
            if same
            else f"The model's weights have changed: {before['weights']} in the golden, {now['weights']} now."
        )
    if before["predicted"] != now["predicted"] and before["predicted"] and now["predicted"]:
        rows = [
            str(index)
            for index, pair in enumerate(zip(before["predicted"], now["predicted"], strict=True))
            if pair[0] != pair[1]
        ]
        lines.append(
            f"The model now predicts another class for example{'s' if len(rows) > 1 else ''} {', '.join(rows)}."
        )
    versions = [
        f"{name} {number} (now {now['versions'][name]})"
        for name, number in before["versions"].items()
        if now["versions"].get(name, number) != number
    ]
    if versions:
        lines.append(f"Made with other versions: {', '.join(versions)}.")
    return lines


def _marked(value: float, bound: float, sign: int = 1) -> str:
    """Write a figure, with a mark where it is beyond its tolerance."""
    if np.isnan(value):
        return "–  "
    return f"{value:.4g} {'!' if sign * value < sign * bound else ' '}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
