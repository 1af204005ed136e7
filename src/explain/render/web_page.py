"""Pages that need no other file and no network: their common template, and their images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template


@dataclass(frozen=True)
class PageImage:
    """An image of a page.

    Attributes
    ----------
    image : str
        As a ``data:`` URI.
    alt : str
        A description of the image, for readers who cannot see it.
    fine : bool
        Whether the image has so many pixels that single pixels are not visible.
    """

    image: str
    alt: str
    fine: bool = False


@cache
def page_template(folder: str, file: str = "page.html") -> Template:
    """Load a template of a folder of `explain`; it extends ``base.html``. Every value in it is escaped.

    Parameters
    ----------
    folder : str
        Below `explain`, e.g. ``"migration/presentation"``.
    file : str
        The name of the template.

    Examples
    --------
    >>> page_template("migration/presentation").name
    'page.html'
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("explain", folder), PackageLoader("explain", "render")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(file)
