"""The catalogue: the one table of methods. Everything that lists, checks or documents a method reads it."""

from __future__ import annotations

import difflib

from explain.algorithms.blur import EDGES, SPACINGS
from explain.algorithms.xrai import SCALES
from explain.errors import MethodError
from explain.method import Catalogue, Method, Option
from explain.options import (
    from_0_to_1,
    is_number,
    is_positive,
    is_steps,
    non_negative,
    one_of,
    plain_steps,
    positive,
    whole_number,
    whole_number_or_none,
)
from explain.quadrature import RULES

_ROWS = Catalogue(
    [
        Method(
            name="saliency",
            aliases=("gradient", "vanilla_gradients"),
            family="gradient",
            summary="Which inputs the score is most sensitive to: its signed gradient.",
            paper="Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.gradient:saliency",
            begins_with_gradients=True,
            reference_engines=("captum", "tf-explain"),
        ),
        Method(
            name="integrated_gradients",
            aliases=("ig",),
            family="path",
            summary="How much each input adds to the score, compared with a baseline; sums to the difference.",
            paper="Sundararajan, Taly & Yan 2017, arXiv:1703.01365",
            needs=frozenset({"outputs", "path_gradients"}),
            implementation="explain.algorithms.path:integrated_gradients",
            options=(
                Option(
                    "n_steps",
                    "auto",
                    "'auto', a whole number of at least 1, or one such number an example",
                    is_steps,
                    "Number of gradients along the path; 'auto' takes as many as the tolerance needs.",
                    plain_steps,
                ),
                Option(
                    "rule",
                    None,
                    f"one of {', '.join(map(repr, RULES))}, or None",
                    lambda value: value is None or (isinstance(value, str) and value in RULES),
                    "Rule of integration. None: Gauss–Legendre; where n_steps is 'auto' the midpoint rule for a model "
                    "with kinks (ReLU, max pooling), Fejér's for a smooth one.",
                ),
                Option(
                    "tolerance",
                    0.02,
                    "a number above 0",
                    lambda value: is_number(value) and 0 < value < float("inf"),
                    "Where n_steps is 'auto': the largest estimated error of the map, relative to its size.",
                ),
                whole_number("max_steps", 405, 3, "Where n_steps is 'auto': the most steps it may take."),
            ),
            uses_baseline=True,
            reference_engines=("captum",),
            refused_engines={
                "tf-explain": "its integrated gradients leave out × (input − baseline), take absolute values and scale "
                "them to a picture"
            },
        ),
        Method(
            name="blur_integrated_gradients",
            aliases=("blur_ig",),
            family="path",
            summary="How much the detail that a blur takes away adds to the score; needs no baseline.",
            paper="Xu, Venugopalan & Sundararajan 2020, arXiv:2004.03383",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.blur:blur_integrated_gradients",
            kinds=("image", "volume", "sequence"),
            options=(
                whole_number("n_steps", 100, 1, "Number of steps from the input to the most blurred one."),
                positive("max_sigma", 50.0, "Standard deviation of the strongest blur, in pixels or steps."),
                one_of("spacing", "geometric", SPACINGS, "How the standard deviation grows along the path."),
                one_of("edges", "reflect", EDGES, "What lies beyond the edges where it is blurred."),
                Option(
                    "grad_step",
                    None,
                    "None or a number above 0",
                    lambda value: value is None or is_positive(value),
                    "Step of the derivative of the blur. None: differences of neighbouring blurred inputs instead.",
                ),
            ),
        ),
        Method(
            name="guided_integrated_gradients",
            aliases=("guided_ig",),
            family="path",
            summary="Integrated gradients along a path that avoids steep gradients, and with them noise.",
            paper="Kapishnikov et al. 2021, arXiv:2106.09788",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.guided:guided_integrated_gradients",
            options=(
                whole_number("n_steps", 50, 1, "Number of steps of the path."),
                from_0_to_1(
                    "fraction", 0.25, "Which part of the positions, those of least gradient, moves at once."
                ),
                from_0_to_1(
                    "max_dist", 0.02, "How far a position may be off the straight path, as a share of it."
                ),
                one_of(
                    "rule",
                    "trapezoid",
                    ("trapezoid", "riemann_left"),
                    "Which gradients count for a step: those at both its ends, or where it begins.",
                ),
            ),
            uses_baseline=True,
        ),
        Method(
            name="xrai",
            aliases=(),
            family="path",
            summary="Which regions of a picture add most to the score: integrated gradients, region by region.",
            paper="Kapishnikov et al. 2019, arXiv:1906.02825",
            needs=frozenset({"outputs", "path_gradients"}),
            implementation="explain.algorithms.xrai:xrai",
            kinds=("image",),
            options=(
                whole_number("n_steps", 50, 1, "Number of gradients along each of the two paths."),
                one_of(
                    "channels", "sum", ("sum", "max"), "What of a pixel's channels counts for its region."
                ),
                Option(
                    "scales",
                    SCALES,
                    "numbers above 0, at least one",
                    lambda value: (
                        isinstance(value, (list, tuple)) and bool(value) and all(map(is_positive, value))
                    ),
                    "Scales of the segmentations: the greater, the larger the regions.",
                    tuple,
                    list,
                ),
                whole_number_or_none(
                    "dilation",
                    "How many pixels regions grow by. None: 5 of every 224.",
                ),
                whole_number_or_none(
                    "min_pixel_diff",
                    "How many new pixels a region adds at least. None: 50 of every 224 × 224.",
                    1,
                ),
            ),
        ),
        Method(
            name="activation_maximization",
            aliases=("maximize", "feature_visualization"),
            family="maximization",
            summary="The input that most excites the score, found by climbing its gradient within the bounds.",
            paper="Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034; Mahendran & Vedaldi 2014, arXiv:1412.0035",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.maximization:activation_maximization",
            options=(
                whole_number("n_steps", 128, 1, "Number of steps of Adam."),
                non_negative(
                    "learning_rate", 0.05, "First step size, in half ranges of the input; falls to zero."
                ),
                non_negative("l2_weight", 0.1, "Pull towards the middle of the bounds."),
                non_negative("tv_weight", 0.5, "Pull of neighbours in space and time towards each other."),
                whole_number("jitter", 2, 0, "Largest random shift of the picture at a step, in pixels."),
            ),
            drawn="input",
        ),
    ]
)


def methods() -> Catalogue:
    """Give the catalogue of methods, drawn as a table.

    Returns
    -------
    Catalogue
        A sequence of rows with ``.name``, ``.aliases``, ``.family``, ``.summary``, ``.paper`` and
        ``.options``.

    Examples
    --------
    >>> [row.name for row in methods() if row.family == "path"]
    ['integrated_gradients', 'blur_integrated_gradients', 'guided_integrated_gradients', 'xrai']
    """
    return _ROWS


def find_method(name: object) -> Method:
    """Find a method by its name or an alias; case, spaces and hyphens do not matter.

    Raises
    ------
    MethodError
        If there is none; suggests the nearest name.

    Examples
    --------
    >>> find_method("IG").name
    'integrated_gradients'
    """
    if isinstance(name, str):
        wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
        by_name = {known: row for row in _ROWS for known in (row.name, *row.aliases)}
        if wanted in by_name:
            return by_name[wanted]
        near = difflib.get_close_matches(wanted, by_name, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
    else:
        hint = ""
    known = ", ".join(f"{row.name} ({', '.join(row.aliases)})" for row in _ROWS)
    raise MethodError(f"method={name!r} is not in the catalogue.{hint} It has: {known}.")
