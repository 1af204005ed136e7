"""A page: what it says about each model, the summary at its top, and the template that lays it out."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from explain.gallery.results import ModelResults
from explain.gallery.sections import MethodSection, method_section
from explain.gallery.settings import integration_words, option_words
from explain.results.comparison import figure_text
from explain.results.names import framework_name, method_name
from explain.zoo import seed_model
from explain.zoo.cards import DATA_STATEMENTS
from explain.zoo.pretrained import PRETRAINED, PretrainedModel
from explain.zoo.weight_files import read_metadata, shipped


@dataclass(frozen=True)
class ModelSection:
    """One seed model: its description, facts from its card, and its methods."""

    name: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    methods: tuple[MethodSection, ...]


@dataclass(frozen=True)
class SummaryRow:
    """How alike the frameworks are in one method on one model, over all that is shown."""

    model: str
    method: str
    link: str
    count: int
    median: str
    worst: str
    pearson: str


def figure_file(model: str, method: str) -> str:
    """Name the PNG of one method on one model.

    Examples
    --------
    >>> figure_file("cifar_net", "saliency")
    'cifar_net-saliency.png'
    """
    return f"{model}-{method}.png"


@dataclass(frozen=True)
class Link:
    """A link to another page of the gallery: its file, and what it says."""

    file: str
    text: str


@dataclass(frozen=True)
class About:
    """What a page says of itself.

    Attributes
    ----------
    title, heading, lead : str
        In the browser's title, over the page, and in its first sentence, without its end.
    source, choice : str
        Of what it was made, and how the samples were chosen.
    notes : tuple of str
        What must be known before one reads on.
    links : tuple of Link
        To other pages.
    """

    title: str = "the gallery"
    heading: str = "The gallery"
    lead: str = "Every seed model of explain is shown with every method of its catalogue"
    source: str = "the weights and the samples that ship with the package"
    choice: str = "The samples are the first of each class, not the prettiest."
    notes: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


def page_file(name: str) -> str:
    """Name the page of a pretrained model.

    Examples
    --------
    >>> page_file("efficientnet_lite0")
    'efficientnet_lite0.html'
    """
    return f"{name}.html"


def about_pretrained(model: PretrainedModel, links: Sequence[Link] = ()) -> About:
    """Say what the page of a pretrained model is.

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
            "The photographs are the first of each class, the classes spread evenly over those of the samples, not the "
            "prettiest."
        ),
        notes=("The photographs are ImageNet’s: look at this page, and do not pass it on.",),
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
        What there is to show, in order.
    missing : sequence of str
        Frameworks that are not installed.
    seed : int
        Of everything random.
    about : About, optional
        What the page says of itself; that it is the gallery of the seed models, if not given.

    Returns
    -------
    str
        HTML that needs no other file.
    """
    sections = [model_section(one) for one in models]
    frameworks = list(dict.fromkeys(f for one in models for r in one.methods for f in r.attributions))
    return _template().render(
        models=sections,
        summary=summary(models),
        frameworks=[framework_name(one) for one in frameworks],
        missing=[framework_name(one) for one in missing],
        facts=_facts(models, seed),
        about=about or About(),
    )


def model_section(results: ModelResults) -> ModelSection:
    """Lay out one model."""
    pretrained = PRETRAINED.get(results.name)
    facts = _facts_of_seed_model(results) if pretrained is None else _facts_of_pretrained(pretrained, results)
    return ModelSection(
        name=results.name,
        summary=(pretrained or seed_model(results.name)).summary,
        facts=tuple(facts),
        remarks=results.exhibit.remarks,
        methods=tuple(
            method_section(results, one, figure_file(results.name, one.method.name))
            for one in results.methods
        ),
    )


def _facts_of_seed_model(results: ModelResults) -> list[tuple[str, str]]:
    model = seed_model(results.name)
    metadata = read_metadata(shipped(model, ".safetensors").read_bytes(), model.name)
    native = framework_name(model.native)
    statement = DATA_STATEMENTS[model.dataset]
    facts = [
        ("Data", statement.description),
        (
            f"Test accuracy in {native}",
            f"{100 * metadata['test_accuracy']:.2f} % of {metadata['test_examples']:,} examples",
        ),
        ("Limits", statement.limits),
    ]
    if results.twin_gap is not None:
        facts.insert(
            2, ("Twins’ greatest logit difference", f"{results.twin_gap:.1e}, on all the shipped samples")
        )
    return facts


def _facts_of_pretrained(model: PretrainedModel, results: ModelResults) -> list[tuple[str, str]]:
    told = [f"{right} of {count} in {framework_name(one)}" for one, (right, count) in results.told.items()]
    facts = [("Origin", model.origin), ("Photographs told (top 1)", "; ".join(told))]
    if results.twin_gap is not None:
        facts.append(("Twins’ greatest logit difference", f"{results.twin_gap:.1e}, on all the photographs"))
    return facts


def summary(models: Sequence[ModelResults]) -> list[SummaryRow]:
    """Say for each method on each model how alike the two frameworks are; empty for one framework.

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


def _facts(models: Sequence[ModelResults], seed: int) -> list[tuple[str, str]]:
    """State what the page was computed with: all that it takes to get the same one again."""
    attributions = [a for one in models for result in one.methods for a in result.attributions.values()]
    versions: dict[str, str] = {}
    for one in attributions:
        versions |= one.versions
    versions |= {"matplotlib": version("matplotlib"), "Python": platform.python_version()}
    sizes = ", ".join(str(size) for size in dict.fromkeys(one.exhibit.batch_size for one in models))
    facts = [("Seed", str(seed)), ("Chunk size", f"{sizes} points at once, in every framework")]
    facts += _options(models)
    written = ", ".join(f"{framework_name(name)} {number}" for name, number in sorted(versions.items()))
    return [*facts, ("Versions", written)]


def _options(models: Sequence[ModelResults]) -> list[tuple[str, str]]:
    """State steps, rule and options of every method that has any, and of which models they hold."""
    by_method: dict[str, dict[str, list[str]]] = {}
    for one in models:
        for result in one.methods:
            if result.attributions:
                words = ", ".join([*integration_words(result.first), *option_words(result.first, " ")])
                if words:
                    by_method.setdefault(result.method.name, {}).setdefault(words, []).append(one.name)
    return [
        (method_name(method), "; ".join(f"{words} ({', '.join(names)})" for words, names in groups.items()))
        for method, groups in by_method.items()
    ]


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("explain", "gallery"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("page.html")
