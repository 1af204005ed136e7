"""The page: what it says about each model, the summary at its top, and the template that lays it out."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from explain.comparison import figure_text
from explain.gallery.results import BATCH_SIZE, ModelResults
from explain.gallery.sections import MethodSection, method_section
from explain.gallery.settings import integration_words, option_words
from explain.render.names import framework_name, method_name
from explain.zoo import seed_model
from explain.zoo.cards import DATA_STATEMENTS
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


def write_page(models: Sequence[ModelResults], missing: Sequence[str] = (), *, seed: int = 0) -> str:
    """Write the page.

    Parameters
    ----------
    models : sequence of ModelResults
        What there is to show, in order.
    missing : sequence of str
        Frameworks that are not installed.
    seed : int
        Of everything random.

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
    )


def model_section(results: ModelResults) -> ModelSection:
    """Lay out one seed model."""
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
    return ModelSection(
        name=model.name,
        summary=model.summary,
        facts=tuple(facts),
        remarks=results.exhibit.remarks,
        methods=tuple(
            method_section(results, one, figure_file(results.name, one.method.name))
            for one in results.methods
        ),
    )


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
    facts = [("Seed", str(seed)), ("Chunk size", f"{BATCH_SIZE} points at once, in every framework")]
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
