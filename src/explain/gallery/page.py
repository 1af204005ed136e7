"""A page of the gallery: its sections, the summary at its top, and the names of its files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explain.gallery.elements import About, Link, ModelSection, SummaryRow
from explain.gallery.facts import facts_of_model, facts_of_run
from explain.gallery.model_results import ModelResults
from explain.gallery.sections import method_section
from explain.render.web_page import page_template
from explain.results.comparison import figure_text
from explain.results.names import framework_name, method_name
from explain.zoo import seed_model
from explain.zoo.pretrained import PRETRAINED, PretrainedModel


def figure_file(model: str, method: str) -> str:
    """Name the PNG of one method on one model.

    Examples
    --------
    >>> figure_file("cifar_net", "saliency")
    'cifar_net-saliency.png'
    """
    return f"{model}-{method}.png"


def page_file(name: str) -> str:
    """Name the page of a pretrained model.

    Examples
    --------
    >>> page_file("efficientnet_lite0")
    'efficientnet_lite0.html'
    """
    return f"{name}.html"


def about_pretrained(model: PretrainedModel, links: Sequence[Link] = ()) -> About:
    """Give the introduction of the page of a pretrained model.

    Examples
    --------
    >>> about_pretrained(PRETRAINED["efficientnet_lite0"]).heading
    'The gallery: efficientnet_lite0'
    """
    return About(
        title=f"the gallery, {model.name}",
        heading=f"The gallery: {model.name}",
        lead="A network of real size, with weights that others trained, is shown with every method of the catalogue",
        source=f"weights and photographs that the extra {model.extra} installs",
        choice=(
            "The photographs are the first of each class, the classes spread evenly over those of the samples, chosen "
            "before any result."
        ),
        notes=("The photographs are ImageNet’s: look at this page, but do not pass it on.",),
        links=tuple(links),
    )


def write_page(
    models: Sequence[ModelResults],
    missing: Sequence[str] = (),
    *,
    seed: int = 0,
    about: About | None = None,
) -> str:
    """Write a page.

    Parameters
    ----------
    models : sequence of ModelResults
        The models to show, in order.
    missing : sequence of str
        Frameworks that are not installed.
    seed : int
        The seed of all random numbers.
    about : About, optional
        The introduction of the page. By default the introduction of the gallery of the seed models.

    Returns
    -------
    str
        HTML that needs no other file.
    """
    sections = [model_section(one) for one in models]
    frameworks = list(dict.fromkeys(f for one in models for r in one.methods for f in r.attributions))
    return page_template("gallery").render(
        models=sections,
        summary=summary(models),
        frameworks=[framework_name(one) for one in frameworks],
        missing=[framework_name(one) for one in missing],
        facts=facts_of_run(models, seed),
        about=about or About(),
    )


def model_section(results: ModelResults) -> ModelSection:
    """Lay out one model."""
    return ModelSection(
        name=results.name,
        summary=(PRETRAINED.get(results.name) or seed_model(results.name)).summary,
        facts=tuple(facts_of_model(results)),
        remarks=results.exhibit.remarks,
        methods=tuple(
            method_section(results, one, figure_file(results.name, one.method.name))
            for one in results.methods
        ),
        side_by_side=results.exhibit.side_by_side,
    )


def summary(models: Sequence[ModelResults]) -> list[SummaryRow]:
    """Summarize for each method on each model how similar the two frameworks are; empty for one framework.

    Examples
    --------
    >>> summary([])
    []
    """
    rows = []
    for results in models:
        for result in results.methods:
            if result.comparison is None:
                continue
            distances = result.comparison.relative_l2
            correlations = result.comparison.pearson[~np.isnan(result.comparison.pearson)]
            lowest = float(correlations.min()) if correlations.size else float("nan")
            rows.append(
                SummaryRow(
                    model=results.name,
                    method=method_name(result.method.name),
                    link=f"{results.name}-{result.method.name}",
                    count=len(distances),
                    median=figure_text("relative_l2", float(np.median(distances))),
                    worst=figure_text("relative_l2", float(distances.max())),
                    pearson=figure_text("pearson", lowest),
                )
            )
    return rows
