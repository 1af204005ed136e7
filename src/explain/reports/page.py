"""A report as one HTML page that needs no other file, no network and no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from explain.errors import ExplainError
from explain.render import figure_data_uri
from explain.render.drawn import common_scale
from explain.render.parts.caption import score_text, target_text
from explain.render.web_page import PageImage, page_template
from explain.reports.model_card import card_html
from explain.reports.record import Section
from explain.results.attribution import Attribution
from explain.results.integration_text import map_error_text, steps_text
from explain.results.names import class_name, example_name, framework_name, method_name, number, percent
from explain.results.view import input_name, view

# Each picture has some ten kilobytes: a page of more is slow to open and nobody looks at all of them.
MOST_PICTURES = 50


@dataclass(frozen=True)
class ResultPart:
    """What the page shows of one result.

    Attributes
    ----------
    title, anchor : str
        Its heading, and the name of the place.
    facts : tuple of (str, str)
        What holds for all examples.
    header, rows : tuples of str
        A table with a row for each example.
    pictures : tuple of (str, PageImage)
        The heading and the picture of each example that is drawn.
    words : str
        How many pictures there are, or why there is none.
    """

    title: str
    anchor: str
    facts: tuple[tuple[str, str], ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    pictures: tuple[tuple[str, PageImage], ...]
    words: str


def as_html(record: Mapping[str, Any], sections: Sequence[Section], json_name: str, json_sha256: str) -> str:
    """Write a report as a page.

    Parameters
    ----------
    record : Mapping
        Its content, see `explain.reports.record.record_of`.
    sections : sequence of Section
        The results of its calls.
    json_name, json_sha256 : str
        The JSON file beside it.

    Returns
    -------
    str
        HTML without scripts. Every name in it is escaped.
    """
    names = [method_name(section.first.method) for section in sections]
    titles = [f"{name} ({place + 1})" if names.count(name) > 1 else name for place, name in enumerate(names)]
    calls = [
        {
            "title": title,
            "anchor": f"call-{place}",
            "method": call["method"],
            "model": call["model"],
            "framework": framework_name(call["model"]["framework"]),
            "parts": [
                _part(name, one, f"call-{place}-{index}", result["inputs_sha256"])
                for index, ((name, one), result) in enumerate(
                    zip(section.results.items(), call["results"], strict=True)
                )
            ],
            "repeat": call["repeat"],
        }
        for place, (title, section, call) in enumerate(zip(titles, sections, record["calls"], strict=True))
    ]
    warnings = list(
        dict.fromkeys(text for call in record["calls"] for one in call["results"] for text in one["warnings"])
    )
    versions: dict[str, str] = {}
    for section in sections:
        versions |= dict(section.first.versions)
    card = record["model_card"]
    return page_template("reports").render(
        record=record,
        calls=calls,
        warnings=warnings,
        models=_models(record),
        count=max(len(section.first) for section in sections),
        written=datetime.fromisoformat(record["written"]).strftime("%Y-%m-%d %H:%M UTC"),
        card=None if card is None else card_html(card),
        json_name=json_name,
        json_sha256=json_sha256,
        versions=", ".join(f"{framework_name(name)} {one}" for name, one in versions.items()),
    )


def _models(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give each model once."""
    found: list[Mapping[str, Any]] = []
    for call in record["calls"]:
        if call["model"] not in found:
            found.append(call["model"])
    return [{**one, "framework": framework_name(one["framework"])} for one in found]


def _part(name: str, one: Attribution, anchor: str, digests: Sequence[str]) -> ResultPart:
    pictures, words = _pictures(one)
    header, rows = _table(one, digests)
    return ResultPart(
        f"Input {name}" if name else "", anchor, tuple(_facts(one)), header, rows, pictures, words
    )


def _facts(one: Attribution) -> list[tuple[str, str]]:
    """Say what holds for all examples: what was explained, of what shape, with which options."""
    found = [
        ("Explained", f"{one.score.replace('_', '-')}, per value of the {input_name(one)}"),
        ("Shape and axes", f"{' × '.join(map(str, one.values.shape))}, {one.layout}"),
    ]
    if one.verdict:
        found.append(("Checks", one.verdict))
    if one.layer:
        found.append(("Layer", one.layer))
    if one.neuron:
        found.append(("Unit of the layer", str(one.neuron[0])))
    if one.baseline_rule:
        found.append(
            ("Baseline", ", ".join(f"{key} {_text(value)}" for key, value in one.baseline_rule.items()))
        )
    if one.display.preprocessing:
        settings = ", ".join(f"{key}={_text(value)}" for key, value in one.display.preprocessing.items())
        found.append(("Preprocessing", settings))
    if one.engine != "explain":
        found.append(("Computed by", one.engine))
    if one.reduce:
        found.append(("One number a token", one.reduce))
    found += [(f"Option {key}", _text(value)) for key, value in one.options.items()]
    found.append(("Seed", str(one.seed)))
    if one.batch_size:
        found.append(("Points in memory at once", str(one.batch_size)))
    return found


def _text(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)


def _table(one: Attribution, digests: Sequence[str]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Give a row for each example: what was explained, and how exact the explanation is."""
    columns: dict[str, list[str]] = {
        "Example": [example_name(one, index) for index in range(len(one))],
        "Explains": [target_text(one, index) for index in range(len(one))],
        one.score.replace("_", "-").capitalize(): [number(float(score)) for score in one.scores],
    }
    if one.predicted is not None and one.predicted.ndim == 1:
        columns["Predicts"] = [_predicted(one, index) for index in range(len(one))]
    if one.relative_delta is not None:
        columns["Convergence delta"] = [percent(float(delta)) for delta in one.relative_delta]
    if one.steps is not None:
        columns["Steps"] = [steps_text(one, index) or "" for index in range(len(one))]
    if one.map_error is not None:
        columns["Map error"] = [
            (map_error_text(one, index) or "–").removeprefix("map error ") for index in range(len(one))
        ]
    columns["SHA-256 of the input"] = [digest[:16] for digest in digests]
    return tuple(columns), tuple(zip(*columns.values(), strict=True))


def _predicted(one: Attribution, index: int) -> str:
    assert one.predicted is not None
    return class_name(one, int(one.predicted[index]))


def _pictures(one: Attribution) -> tuple[tuple[tuple[str, PageImage], ...], str]:
    """Draw each example, all on one scale."""
    count = min(len(one), MOST_PICTURES)
    found = []
    try:
        scale = common_scale(one, count)
        for index in range(count):
            heading = example_name(one, index)
            figure = one.plot(examples=index, scale=scale)
            found.append((heading, PageImage(figure_data_uri(figure), _alt(one, index))))
    except ExplainError as cause:
        # The numbers of the report are worth having without its pictures.
        return (), f"There is no picture: {cause}"
    words = ""
    if count > 1:
        # The bars of a table have an axis of their own in each picture.
        of_table = view(one) == "table"
        words = "Each picture has its own axis." if of_table else "All pictures have one scale of colours."
    if count < len(one):
        words = f"{words} The first {count} of {len(one)} examples are drawn.".strip()
    return tuple(found), words


def _alt(one: Attribution, index: int) -> str:
    return (
        f"{method_name(one.method)} of {example_name(one, index)} for {target_text(one, index)}, "
        f"{score_text(one, index)}: the {input_name(one)} and its attribution."
    )
