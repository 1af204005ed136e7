"""The page of a model: its sections, and the names of its files."""

from __future__ import annotations

from explain.gallery.model_results import ModelResults
from explain.gallery.pages.elements import ModelSection
from explain.gallery.pages.facts import facts_of_model, facts_of_run
from explain.gallery.pages.filtering import TEMPLATES, choices, filter_script, page_policy
from explain.gallery.pages.pictures import Pictures
from explain.gallery.pages.sections import method_section
from explain.render.web_page import page_template
from explain.results.names import framework_name
from explain.zoo import seed_model
from explain.zoo.pretrained import PRETRAINED

_SOURCE = "the weights and the samples that ship with the package"
_CHOICE = "The samples are the first of each class, chosen before any result."
_PRETRAINED_CHOICE = (
    "The photographs are the first of each class, the classes spread evenly over those of the samples, chosen before "
    "any result."
)
_PRETRAINED_NOTE = "The photographs are ImageNet’s: look at this page, but do not pass it on."


def page_file(model: str) -> str:
    """Name the page of a model.

    Examples
    --------
    >>> page_file("cifar_net")
    'cifar_net.html'
    """
    return f"{model}.html"


def figure_file(model: str, method: str) -> str:
    """Name the figure of one method on one model, beside the page.

    Examples
    --------
    >>> figure_file("cifar_net", "saliency")
    'cifar_net/saliency.png'
    """
    return f"{model}/{method}.png"


def write_model_page(results: ModelResults, pictures: Pictures, *, seed: int = 0) -> str:
    """Write the page of a model.

    Parameters
    ----------
    results : ModelResults
        What it shows.
    pictures : Pictures
        To which its pictures are added.
    seed : int
        The seed of all random numbers.

    Returns
    -------
    str
        HTML, which needs the files of `pictures` and the figures of the methods.
    """
    pretrained = PRETRAINED.get(results.name)
    frameworks = dict.fromkeys(framework for one in results.methods for framework in one.attributions)
    return page_template(TEMPLATES, "model.html").render(
        model=model_section(results, pictures),
        choices=choices(one.method for one in results.methods),
        frameworks=[framework_name(one) for one in frameworks],
        facts=facts_of_run([results], seed),
        source=_SOURCE
        if pretrained is None
        else f"weights and photographs that the extra {pretrained.extra} installs",
        choice=_CHOICE if pretrained is None else _PRETRAINED_CHOICE,
        notes=() if pretrained is None else (_PRETRAINED_NOTE,),
        filter_script=filter_script(),
        policy=page_policy(),
    )


def model_section(results: ModelResults, pictures: Pictures) -> ModelSection:
    """Lay out one model."""
    return ModelSection(
        name=results.name,
        summary=(PRETRAINED.get(results.name) or seed_model(results.name)).summary,
        facts=tuple(facts_of_model(results)),
        remarks=results.exhibit.remarks,
        methods=tuple(
            method_section(results, one, figure_file(results.name, one.method.name), pictures)
            for one in results.methods
        ),
        side_by_side=results.exhibit.side_by_side,
    )
