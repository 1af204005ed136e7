"""From results to the elements of a page: headings, images, captions and figures of similarity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from explain.gallery.model_results import MethodResult, ModelResults
from explain.gallery.pages.colour_bar import ColourBar, colour_bar
from explain.gallery.pages.describe import map_alt, picture_alt
from explain.gallery.pages.elements import NO_TEXT, Item, Line, MethodSection, Panel
from explain.gallery.pages.letters import strongest_letters
from explain.gallery.pages.pictures import Pictures
from explain.gallery.pages.settings import integration_words, option_words
from explain.render import Scale, picture, sequence_html, shared_scale
from explain.render.kinds.maximization import found_picture
from explain.render.parts.caption import delta_line, map_error_line, score_text, steps_line, target_text
from explain.render.parts.sheet import ALERT
from explain.results.attribution import Attribution
from explain.results.canonical_axes import canonical
from explain.results.comparison import TITLES
from explain.results.names import framework_name, method_name, number
from explain.results.view import default_channels, drawn_as, input_name, maps_of, view


def section_id(model: str, method: str) -> str:
    """Give the identifier of the section of one method on one model.

    Examples
    --------
    >>> section_id("cifar_net", "saliency")
    'cifar_net-saliency'
    """
    return f"{model}-{method}"


def method_section(
    results: ModelResults, result: MethodResult, file: str, pictures: Pictures
) -> MethodSection:
    """Lay out one method on one model.

    Parameters
    ----------
    results : ModelResults
        The results of the model.
    result : MethodResult
        The result of one method.
    file : str
        The figure of its first examples, relative to the page.
    pictures : Pictures
        To which the pictures of the section are added.
    """
    method = result.method
    found = method.drawn == "input"
    bar: ColourBar | None = None
    words = ""
    items: tuple[Item, ...] = ()
    kind = "none"
    if result.attributions:
        attributions = list(result.attributions.values())
        how = view(attributions[0])
        if found:
            kind = "found letters" if how == "rows" else "found"
            items = _found_items(result, pictures, letters=kind == "found letters")
        else:
            kind = {"image": "pictures"}.get(how, how)
            channels = default_channels(attributions)
            maps = [maps_of(one, channels) for one in attributions]
            scale = shared_scale(*maps, signed=drawn_as(attributions[0]) == "signed")
            bar = colour_bar(scale, *maps)
            words = _bar_words(scale, bar)
            items = tuple(
                _item(results, result, index, maps, scale, pictures) for index in range(len(attributions[0]))
            )
    return MethodSection(
        id=section_id(results.name, method.name),
        method=method.name,
        family=method.family,
        title=method_name(method.name),
        summary=method.summary,
        paper=method.paper,
        settings=_settings(result) if result.attributions else result.reason,
        remark=results.exhibit.found_remark if found else results.exhibit.method_remarks.get(method.name, ""),
        notes=tuple(dict.fromkeys(note for one in result.attributions.values() for note in one.notes)),
        kind=kind,
        bar=bar,
        bar_words=words,
        items=items,
        file=file if result.attributions else "",
        fine=any(panel.tile.fine for item in items for panel in item.panels if panel.tile is not None),
    )


def _item(
    results: ModelResults,
    result: MethodResult,
    index: int,
    maps: Sequence[np.ndarray],
    scale: Scale,
    pictures: Pictures,
) -> Item:
    first = result.first
    target = target_text(first, index)
    true = results.classes[index]
    characters = view(first) == "characters"
    panels = []
    for (framework, one), own in zip(result.attributions.items(), maps, strict=True):
        name = framework_name(framework)
        file = f"{one.method}-{index + 1}-{framework}"
        alt = map_alt(
            np.atleast_2d(np.nan_to_num(own[index])),
            f"{method_name(one.method)} in {name}",
            target,
            signed=scale.signed,
        )
        panels.append(
            Panel(
                label=name,
                lines=_lines(one, index),
                tile=None if characters else pictures.add(file, scale.colors(own[index])[..., :3], alt),
                text=Markup(sequence_html(one, index, scale)) if characters else NO_TEXT,
            )
        )
    start = None
    if not characters:
        shown = picture(canonical(first, first.inputs)[index], first.display)
        alt = f"{input_name(first).capitalize()}, true class {true}"
        start = pictures.add(f"{first.method}-{index + 1}", shown.pixels, picture_alt(shown.pixels, alt))
    return Item(
        title=target,
        detail=f"true class: {true}",
        wrong=true != target,
        start=start,
        panels=tuple(panels),
        figures=_figures(result, index),
        start_label=input_name(first),
    )


def _lines(attribution: Attribution, index: int) -> tuple[Line, ...]:
    """Give the text beside a map: the score, then the quality of the integral."""
    made = (
        steps_line(attribution, index),
        map_error_line(attribution, index),
        delta_line(attribution, index, "delta"),
    )
    lines = [Line(one.text, alert=one.color == ALERT) for one in made if one is not None]
    return (Line(score_text(attribution, index)), *lines)


def _found_items(result: MethodResult, pictures: Pictures, *, letters: bool) -> tuple[Item, ...]:
    items = []
    for index in range(len(result.first)):
        target = target_text(result.first, index)
        panels = []
        for framework, one in result.attributions.items():
            name = framework_name(framework)
            reached = _reached(one, index)
            tile = None
            if not letters:
                pixels = found_picture(one, index).pixels
                alt = picture_alt(pixels, f"The input that {name} found for {target}, score {reached}")
                tile = pictures.add(f"{one.method}-{index + 1}-{framework}", pixels, alt)
            shown = strongest_letters(one, index) if letters else ()
            panels.append(Panel(name, (Line(reached),), tile=tile, letters=shown))
        items.append(Item(target, "", False, None, tuple(panels), _figures(result, index)))
    return tuple(items)


def _reached(attribution: Attribution, index: int) -> str:
    """Give the score at the start and at the end of a maximization."""
    if attribution.history is None:
        return number(float(attribution.scores[index]))
    start, end = (float(attribution.history[at, index]) for at in (0, -1))
    return f"{number(start)} → {number(end)}"


def _figures(result: MethodResult, index: int) -> tuple[tuple[str, str], ...]:
    if result.comparison is None:
        return ()
    texts = result.comparison.texts(index)
    return tuple((TITLES[name], text) for name, text in texts.items())


def _settings(result: MethodResult) -> str:
    """Describe the settings of the computation in one line."""
    first = result.first
    score = f"score: {first.score.replace('_', '-')}"
    if result.method.drawn == "input":
        parts = [f"{score}, at the start → at the end"]
    else:
        parts = ["target: the predicted class", score]
    parts += [*integration_words(first), *option_words(first, ": ")]
    if first.layer:
        parts.append(f"layer: {first.layer}")
    if first.baseline_rule.get("rule") == "references":
        parts.append(f"baseline: {first.baseline_rule['count']} references")
    elif first.baseline_rule.get("rule") == "token":
        parts.append(f"baseline: token {first.baseline_rule['id']}")
    elif first.baseline is not None:
        parts.append(f"baseline: {first.baseline_rule.get('rule', 'given')}")
    return " · ".join(parts)


def _bar_words(scale: Scale, bar: ColourBar) -> str:
    words = "blue lowers the score, red raises it" if scale.signed else "the darker, the more relevant"
    if bar.clipped:
        words += f"; beyond the {bar.percentile:g}th percentile of |values| the colour stays that of the end"
    return words
