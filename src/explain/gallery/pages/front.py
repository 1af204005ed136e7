"""The first page: its beginning, the networks, and a sheet of every method on every network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explain.algorithms.catalogue import methods
from explain.algorithms.method import Method
from explain.gallery.model_results import ModelResults
from explain.gallery.pages.describe import picture_alt
from explain.gallery.pages.elements import ParityRow
from explain.gallery.pages.examples import drawn_example, found_for, halves
from explain.gallery.pages.filtering import TEMPLATES, choices, filter_script, page_policy
from explain.gallery.pages.hero import Hero
from explain.gallery.pages.model_page import page_file
from explain.gallery.pages.parity import parity_rows, parity_sentence
from explain.gallery.pages.pictures import Pictures, Tile
from explain.gallery.pages.sections import section_id
from explain.render import picture
from explain.render.web_page import page_template
from explain.results.canonical_axes import canonical
from explain.results.names import framework_name, method_name
from explain.results.view import input_name, step_names, view
from explain.zoo import seed_model
from explain.zoo.pretrained import PRETRAINED

INDEX = "index.html"


@dataclass(frozen=True)
class Cell:
    """A method on a network: where its maps are, its name, and a small picture; None if it does not apply."""

    link: str
    name: str
    thumbnail: Tile | None


@dataclass(frozen=True)
class Network:
    """A network on the first page.

    Attributes
    ----------
    name, file, summary : str
        Its name, its page, and what it is.
    picture : Tile, optional
        The example of which the small pictures are maps.
    word : str
        The same for a network that reads words.
    cells : Mapping of str to Cell
        By method.
    parity : tuple of ParityRow
        How similar the frameworks are.
    """

    name: str
    file: str
    summary: str
    picture: Tile | None
    word: str
    cells: Mapping[str, Cell]
    parity: tuple[ParityRow, ...]


@dataclass(frozen=True)
class SheetRow:
    """A method on the sheet, with a place for each network; None where a network is not shown with it."""

    method: Method
    title: str
    cells: tuple[Cell | None, ...]


def network(results: ModelResults, pictures: Pictures) -> Network:
    """Lay out a network for the first page.

    Parameters
    ----------
    results : ModelResults
        Of the network.
    pictures : Pictures
        To which its small pictures are added.
    """
    name, true = results.name, results.classes[results.front]
    cells = {}
    for result in results.methods:
        thumbnail = None
        title = f"{method_name(result.method.name)} on {name}"
        if result.attributions:
            drawn = drawn_example(result, found_for(result, true, results.front))
            thumbnail = pictures.add(f"{result.method.name}-small", halves(drawn), title)
        link = f"{page_file(name)}#{section_id(name, result.method.name)}"
        cells[result.method.name] = Cell(link, title, thumbnail)
    shown, word = _example(results, pictures)
    return Network(
        name=name,
        file=page_file(name),
        summary=(PRETRAINED.get(name) or seed_model(name)).summary,
        picture=shown,
        word=word,
        cells=cells,
        parity=parity_rows(results),
    )


def _example(results: ModelResults, pictures: Pictures) -> tuple[Tile | None, str]:
    """Give the example that the small pictures explain: a picture, or a word."""
    for result in results.methods:
        if not result.attributions or result.method.drawn == "input":
            continue
        first = result.first
        if results.front < len(first) and input_name(first) == "input":
            if view(first) == "characters":
                return None, "".join(step_names(first)[results.front])
            pixels = picture(canonical(first, first.inputs)[results.front], first.display).pixels
            words = picture_alt(
                pixels, f"Input of {results.name}, true class {results.classes[results.front]}"
            )
            return pictures.add("example", pixels, words), ""
    return None, ""


def write_front_page(
    opening: Hero | None,
    networks: Sequence[Network],
    *,
    frameworks: Sequence[str],
    coming: Sequence[str] = (),
    missing: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """Write the first page.

    Parameters
    ----------
    opening : Hero, optional
        Its beginning.
    networks : sequence of Network
        Those whose pages are written.
    frameworks, missing : sequence of str
        The frameworks that are shown, and those that are not installed.
    coming : sequence of str
        Models whose pages are not written yet.
    notes : sequence of str
        Notes to read before the rest.

    Returns
    -------
    str
        HTML; its beginning needs no other file.
    """
    named = [method for method in methods() if any(method.name in network.cells for network in networks)]
    rows = [
        SheetRow(
            method, method_name(method.name), tuple(network.cells.get(method.name) for network in networks)
        )
        for method in named
    ]
    families = list(dict.fromkeys(method.family for method in named))
    return page_template(TEMPLATES, "front.html").render(
        hero=opening,
        networks=networks,
        rows=rows,
        families=families,
        finished={network.name for network in networks},
        coming=coming,
        frameworks=[framework_name(one) for one in frameworks],
        missing=[framework_name(one) for one in missing],
        notes=notes,
        sentence=parity_sentence([row for network in networks for row in network.parity]),
        choices=choices(named),
        filter_script=filter_script(),
        policy=page_policy(),
    )
