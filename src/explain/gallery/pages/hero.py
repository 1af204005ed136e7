"""The beginning of the first page: one picture, and a method of every family in every framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup

from explain.algorithms.catalogue import methods
from explain.algorithms.method import Method
from explain.gallery.model_results import MethodResult
from explain.gallery.pages.colour_bar import ColourBar, Tick, colour_bar
from explain.gallery.pages.describe import map_alt, picture_alt
from explain.gallery.pages.elements import NO_TEXT, Panel
from explain.gallery.pages.examples import drawn_example, found_for
from explain.gallery.pages.model_page import page_file
from explain.gallery.pages.pictures import Tile, inline_tile
from explain.gallery.pages.sections import section_id
from explain.render import Scale, picture, sequence_html
from explain.render.colours import DEFAULT_PERCENTILE
from explain.render.parts.caption import score_text, target_text
from explain.results.canonical_axes import canonical
from explain.results.comparison import figure_text
from explain.results.names import framework_name, method_name, number, percent_at_most
from explain.results.view import input_name, step_names, view

# The model of the picture: the first of these that is shown. The pictures of the second are normalised.
PICTURE_MODELS = ("cifar_keras", "cifar_net")
WORD_MODEL = "names_transformer"

# The method that stands for its family; if it is not asked for, the first that is.
_STANDING_FOR: Mapping[str, str] = {
    "gradient": "smoothgrad",
    "path": "integrated_gradients",
    "backward rules": "lrp",
    "layer": "conductance",
    "class activation map": "grad_cam",
    "attention": "attention_rollout",
    "perturbation": "occlusion",
    "surrogate": "kernel_shap",
    "maximization": "activation_maximization",
}
_ATTENTION = "attention"


@dataclass(frozen=True)
class HeroCard:
    """A method that stands for its family, on one example in every framework.

    Attributes
    ----------
    family, title : str
        The names of family and method on the page.
    model, link : str
        The model, and the place of the method on its page.
    panels : tuple of Panel
        One per framework.
    full : str
        The value that has the full colour, with its words; empty for what a maximization found.
    distance : float
        The greatest difference, as `DrawnExample.difference`.
    difference : str
        The same as text; empty for one framework.
    remark : str
        What the example is, if it is not the picture.
    """

    family: str
    title: str
    model: str
    link: str
    panels: tuple[Panel, ...]
    full: str
    distance: float
    difference: str
    remark: str = ""


@dataclass(frozen=True)
class Hero:
    """The beginning of the first page.

    Attributes
    ----------
    picture : Tile
        The picture that is explained.
    target : str
        The class that is explained.
    scores : tuple of (str, str)
        The score in each framework.
    cards : tuple of HeroCard
        One per family.
    bars : tuple of (ColourBar, str)
        The colours of maps with two signs and with one, as far as there are such, and what they mean.
    worst : str
        The greatest difference of all cards; empty for one framework.
    """

    picture: Tile
    target: str
    scores: tuple[tuple[str, str], ...]
    cards: tuple[HeroCard, ...]
    bars: tuple[tuple[ColourBar, str], ...]
    worst: str


def standing_for_families(rows: Sequence[Method], *, attention: bool) -> list[Method]:
    """Give one method of each family.

    Parameters
    ----------
    rows : sequence of Method
        Those that a model is shown with.
    attention : bool
        Whether the model is the one that has attentions, which stands for that family alone.

    Examples
    --------
    >>> [one.name for one in standing_for_families(methods(), attention=False)][:3]
    ['smoothgrad', 'integrated_gradients', 'lrp']
    >>> [one.name for one in standing_for_families(methods(), attention=True)]
    ['attention_rollout']
    """
    chosen: dict[str, Method] = {}
    for method in rows:
        if (method.family == _ATTENTION) == attention and (
            method.family not in chosen or method.name == _STANDING_FOR.get(method.family)
        ):
            chosen[method.family] = method
    return list(chosen.values())


def hero(shown: Sequence[tuple[str, MethodResult, int]], true: str) -> Hero | None:
    """Lay out the beginning of the first page; None if no method has a map of the picture.

    Parameters
    ----------
    shown : sequence of (str, MethodResult, int)
        A model, one method on it, and which example to show; the first one with a map is of the picture.
    true : str
        The true class of the picture, whose input a maximization found.
    """
    applying = [
        (name, result, found_for(result, true, index)) for name, result, index in shown if result.attributions
    ]
    of_picture = [one for one in applying if _is_of_an_image(one[1])]
    if not of_picture:
        return None
    _, result, index = of_picture[0]
    first = result.first
    pixels = picture(canonical(first, first.inputs)[index], first.display).pixels
    cards = tuple(_card(*one) for one in applying)
    # In the order of the catalogue: the word's card is asked for last.
    families = list(dict.fromkeys(method.family for method in methods()))
    distances = [card.distance for card in cards if not np.isnan(card.distance)]
    signs = {
        drawn.scale.signed
        for drawn in (drawn_example(*one[1:]) for one in applying)
        if drawn.scale is not None
    }
    return Hero(
        picture=inline_tile(pixels, picture_alt(pixels, f"The picture, true class {true}")),
        target=target_text(first, index),
        scores=tuple(
            (framework_name(name), score_text(one, index)) for name, one in result.attributions.items()
        ),
        cards=tuple(sorted(cards, key=lambda card: families.index(card.family))),
        bars=tuple(_bar(signed) for signed in (True, False) if signed in signs),
        worst=share_text(max(distances)) if distances else "",
    )


def share_text(share: float) -> str:
    """Write a small share for readers who do not think in powers of ten; it is rounded up.

    Examples
    --------
    >>> share_text(7.5e-07), share_text(0.02), share_text(0.0)
    ('one part in 1,300,000', '2 %', 'nothing')
    """
    if share == 0:
        return "nothing"
    if share > 1e-3:
        return percent_at_most(share)
    parts = int(1 / share)
    unit = 10 ** max(len(str(parts)) - 2, 0)
    return f"one part in {parts // unit * unit:,}"


def _is_of_an_image(result: MethodResult) -> bool:
    """Tell whether a method explains a picture, and not a layer of its network, or a picture that it finds."""
    first = result.first
    return result.method.drawn != "input" and view(first) == "image" and input_name(first) == "input"


def _card(model: str, result: MethodResult, index: int) -> HeroCard:
    drawn = drawn_example(result, index)
    first = result.first
    target = target_text(first, index)
    characters = drawn.scale is not None and view(first) == "characters"
    panels = []
    for (framework, one), numbers, pixels in zip(
        result.attributions.items(), drawn.numbers, drawn.pixels, strict=True
    ):
        name = framework_name(framework)
        tile, text = None, NO_TEXT
        if characters:
            text = Markup(sequence_html(one, index, drawn.scale))
        elif drawn.scale is None:
            tile = inline_tile(pixels, picture_alt(pixels, f"The input that {name} found for {target}"))
        else:
            words = f"{method_name(one.method)} in {name}"
            tile = inline_tile(pixels, map_alt(numbers, words, target, signed=drawn.scale.signed))
        panels.append(Panel(name, (), tile=tile, text=text))
    remark = ""
    if characters:
        word = "".join(step_names(first)[index])
        remark = f"On {model}, which reads a name: “{word}”, predicted {target}."
    elif drawn.scale is None:
        remark = f"What it finds for {target}, from noise."
    elif input_name(first) != "input":
        remark = f"Of the {input_name(first)}."
    return HeroCard(
        family=result.method.family,
        title=method_name(result.method.name),
        model=model,
        link=f"{page_file(model)}#{section_id(model, result.method.name)}",
        panels=tuple(panels),
        full="" if drawn.scale is None else f"full colour {number(drawn.scale.vmax)}",
        distance=drawn.difference,
        difference="" if np.isnan(drawn.difference) else figure_text("relative_l2", drawn.difference),
        remark=remark,
    )


def _bar(signed: bool) -> tuple[ColourBar, str]:
    """Give a colour bar without numbers, for maps that each have their own."""
    bar = colour_bar(Scale(-1.0 if signed else 0.0, 1.0, signed, DEFAULT_PERCENTILE), np.zeros(1))
    texts = ("−full", "0", "full") if signed else ("0", "full")
    places = np.linspace(0, 100, len(texts))
    ticks = tuple(Tick(float(place), text) for place, text in zip(places, texts, strict=True))
    words = "blue lowers the score, red raises it" if signed else "the darker, the more relevant"
    return replace(bar, ticks=ticks), words
