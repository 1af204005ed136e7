"""The filter of a page: what it offers, its script, and the policy that lets no other script run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from itertools import groupby

from markupsafe import Markup

from explain.algorithms.method import Method
from explain.gallery.pages.elements import Choice
from explain.render.web_page import page_template
from explain.results.names import method_name

TEMPLATES = "gallery/pages/templates"


@cache
def filter_script() -> Markup:
    """Give the script of the filter, as every page has it.

    Examples
    --------
    >>> filter_script()[:13]
    Markup('"use strict";')
    """
    return Markup(page_template(TEMPLATES, "filter.js").render())


def page_policy() -> str:
    """Give the content security policy of a page: its own styles and pictures, and this one script.

    Examples
    --------
    >>> page_policy()[:19]
    "default-src 'none';"
    """
    digest = base64.b64encode(hashlib.sha256(filter_script().encode()).digest()).decode("ascii")
    return (
        "default-src 'none'; img-src 'self' data: file:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def choices(methods: Iterable[Method]) -> tuple[Choice, ...]:
    """Give what a filter offers of some methods, by family.

    Parameters
    ----------
    methods : iterable of Method
        In the order of the catalogue, in which a family's methods stand together.

    Examples
    --------
    >>> from explain.algorithms.catalogue import find_method
    >>> choices([find_method("lime"), find_method("shap")])
    (Choice(family='surrogate', methods=(('lime', 'LIME'), ('kernel_shap', 'Kernel SHAP'))),)
    """
    return tuple(
        Choice(family, tuple((one.name, method_name(one.name)) for one in together))
        for family, together in groupby(methods, key=lambda method: method.family)
    )
