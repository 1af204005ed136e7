"""The catalogue: the one table of methods. Everything that lists, checks or documents a method reads it."""

from __future__ import annotations

import difflib

from explain.errors import MethodError
from explain.method import Catalogue, Method, Option
from explain.options import (
    feature_mask,
    is_number,
    is_steps,
    non_negative,
    one_of,
    plain_steps,
    whole_number,
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
            name="lime",
            aliases=("local_surrogate",),
            family="surrogate",
            summary="Which features a sparse linear model needs to imitate the score near the input.",
            paper="Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938",
            needs=frozenset({"outputs"}),
            implementation="explain.algorithms.surrogate:lime",
            options=(
                whole_number("n_samples", 500, 2, "Number of random coalitions of features that are scored."),
                feature_mask(),
                one_of("interpretable_model", ("lasso", "ridge"), "The linear model that is fitted."),
                non_negative(
                    "alpha",
                    0.01,
                    "Its penalty, for the Lasso in units of the score; 0 is plain least squares.",
                ),
                one_of("distance_mode", ("cosine", "euclidean"), "How far a sample is from the input."),
                Option(
                    "kernel_width",
                    1.0,
                    "a number above 0",
                    lambda value: is_number(value) and 0 < value < float("inf"),
                    "The distance at which a sample's weight has fallen to 0.61.",
                ),
            ),
            uses_baseline=True,
        ),
        Method(
            name="kernel_shap",
            aliases=("shap",),
            family="surrogate",
            summary="How much each feature adds to the score on average over all coalitions: its Shapley value.",
            paper="Lundberg & Lee 2017, arXiv:1705.07874; Covert & Lee 2020, arXiv:2012.01536",
            needs=frozenset({"outputs"}),
            implementation="explain.algorithms.surrogate:kernel_shap",
            options=(
                whole_number(
                    "n_samples",
                    500,
                    4,
                    "The most coalitions that are scored; all of them where that suffices.",
                ),
                feature_mask(),
            ),
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
