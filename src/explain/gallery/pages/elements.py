"""The elements of a page, as data for its template: tiles, lines, panels, items, sections, links."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from explain.gallery.pages.colour_bar import ColourBar
from explain.gallery.pages.letters import Letter
from explain.gallery.pages.pictures import Tile

NO_TEXT = Markup("")


@dataclass(frozen=True)
class Line:
    """A line of text, and whether the value in it is too high."""

    text: str
    alert: bool = False


@dataclass(frozen=True)
class Panel:
    """The result of one framework for one example.

    Attributes
    ----------
    label : str
        The framework.
    lines : tuple of Line
        Score, steps, estimated error of the map and convergence delta; a value that is too high is coloured.
    tile : Tile, optional
        The map or the picture.
    text : Markup
        The coloured text of a sequence.
    letters : tuple of tuple of Letter
        For a sequence found by activation maximization: the strongest letters of each step.
    """

    label: str
    lines: tuple[Line, ...]
    tile: Tile | None = None
    text: Markup = NO_TEXT
    letters: tuple[tuple[Letter, ...], ...] = ()


@dataclass(frozen=True)
class Item:
    """One example in every framework.

    Attributes
    ----------
    title : str
        The class that is explained.
    detail : str
        The true class.
    wrong : bool
        Whether the true class is another.
    start : Tile, optional
        The input, or the output of a layer.
    start_label : str
        The label of `start`: input or output of a layer.
    panels : tuple of Panel
        One per framework.
    figures : tuple of (str, str)
        The similarity figures of the two frameworks: names and values.
    """

    title: str
    detail: str
    wrong: bool
    start: Tile | None
    panels: tuple[Panel, ...]
    figures: tuple[tuple[str, str], ...]
    start_label: str = "input"


@dataclass(frozen=True)
class MethodSection:
    """One method on one model.

    Attributes
    ----------
    id : str
        The identifier of the HTML element.
    method, family, title, summary, paper : str
        From the catalogue.
    settings : str
        The settings of the computation: score, options, baseline.
    remark : str
        What the maps show.
    notes : tuple of str
        The warnings of the calls.
    kind : {"pictures", "rows", "characters", "found", "found letters", "none"}
        The layout of the section.
    bar : ColourBar, optional
        The single scale of all its maps.
    bar_words : str
        What the colours mean.
    items : tuple of Item
        One per example.
    file : str
        The figure of its first examples, relative to the page; empty if there is none.
    fine : bool
        Whether its images need much space.
    """

    id: str
    method: str
    family: str
    title: str
    summary: str
    paper: str
    settings: str
    remark: str
    notes: tuple[str, ...]
    kind: str
    bar: ColourBar | None
    bar_words: str
    items: tuple[Item, ...]
    file: str
    fine: bool = False


@dataclass(frozen=True)
class ModelSection:
    """One model: its description, facts from its card, and its methods, one below the other or as columns."""

    name: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    methods: tuple[MethodSection, ...]
    side_by_side: bool = False


@dataclass(frozen=True)
class ParityRow:
    """How similar the frameworks are for one method on one model, over all examples shown.

    Attributes
    ----------
    model, method, family : str
        As the catalogue names them.
    title : str
        The name of the method on pages.
    link : str
        The place of its maps.
    distances : tuple of float
        The relative L2 distance of each pair.
    median, worst, pearson : str
        The median and the greatest of the distances, and the lowest correlation.
    """

    model: str
    method: str
    family: str
    title: str
    link: str
    distances: tuple[float, ...]
    median: str
    worst: str
    pearson: str


@dataclass(frozen=True)
class Choice:
    """What a filter offers: a family, and its methods with their names on pages."""

    family: str
    methods: tuple[tuple[str, str], ...]
