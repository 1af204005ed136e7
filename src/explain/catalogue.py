"""The catalogue: the one table of methods. Everything that lists, checks or documents a method reads it."""

from __future__ import annotations

import difflib

from explain.errors import MethodError
from explain.method import Catalogue, Method, Option
from explain.options import is_number, is_steps, non_negative, plain_steps, whole_number
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
            name="guided_backprop",
            aliases=("guided_backpropagation",),
            family="backward rules",
            summary="The gradient with every ReLU handing on its positive part only: what excites the score.",
            paper="Springenberg, Dosovitskiy, Brox & Riedmiller 2014, arXiv:1412.6806",
            needs=frozenset({"outputs", "backward_rules"}),
            implementation="explain.algorithms.backward_rules:guided_backprop",
        ),
        Method(
            name="deconvolution",
            aliases=("deconvnet",),
            family="backward rules",
            summary="The score brought back to the input with every ReLU handing on what arrives and is positive.",
            paper="Zeiler & Fergus 2013, arXiv:1311.2901",
            needs=frozenset({"outputs", "backward_rules"}),
            implementation="explain.algorithms.backward_rules:deconvolution",
        ),
        Method(
            name="deep_lift",
            aliases=("deeplift",),
            family="backward rules",
            summary="How much each input adds to the score, by slopes from a baseline; sums to the difference.",
            paper="Shrikumar, Greenside & Kundaje 2017, arXiv:1704.02685",
            needs=frozenset({"outputs", "backward_rules"}),
            implementation="explain.algorithms.backward_rules:deep_lift",
            uses_baseline=True,
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
    ['integrated_gradients']
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
