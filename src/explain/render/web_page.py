"""Pages that need no other file and no network: the template that they all extend, and images in them."""

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
        What is seen in it, for those who cannot see it.
    fine : bool
        Whether it has so many pixels that they are not to be seen one by one.
    """

    image: str
    alt: str
    fine: bool = False


@cache
def page_template(folder: str) -> Template:
    """Load the ``page.html`` of a folder of `explain`; it extends ``base.html``. Every value in it is escaped.

    Parameters
    ----------
    folder : str
        Below `explain`, e.g. ``"gallery"``.

    Examples
    --------
    >>> page_template("gallery").name
    'page.html'
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("explain", folder), PackageLoader("explain", "render")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("page.html")
