"""Facts that a page states: about each model, and about the setup of the computation."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version

from explain.gallery.model_results import ModelResults
from explain.gallery.pages.settings import integration_words, option_words
from explain.results.names import framework_name, method_name
from explain.zoo import seed_model
from explain.zoo.cards import DATA_STATEMENTS, limits
from explain.zoo.pretrained import PRETRAINED, PretrainedModel
from explain.zoo.weight_files import read_metadata, shipped

Facts = list[tuple[str, str]]


def facts_of_model(results: ModelResults) -> Facts:
    """State the origin of a model, its accuracy, and how closely its twins agree."""
    pretrained = PRETRAINED.get(results.name)
    return _facts_of_seed_model(results) if pretrained is None else _facts_of_pretrained(pretrained, results)


def _facts_of_seed_model(results: ModelResults) -> Facts:
    model = seed_model(results.name)
    metadata = read_metadata(shipped(model, ".safetensors").read_bytes(), model.name)
    native = framework_name(model.native)
    facts = [
        ("Data", DATA_STATEMENTS[model.dataset].description),
        (
            f"Test accuracy in {native}",
            f"{100 * metadata['test_accuracy']:.2f} % of {metadata['test_examples']:,} examples",
        ),
        ("Limits", limits(model)),
    ]
    if results.twin_gap is not None:
        facts.insert(
            2, ("Twins’ greatest logit difference", f"{results.twin_gap:.1e}, on all the shipped samples")
        )
    return facts


def _facts_of_pretrained(model: PretrainedModel, results: ModelResults) -> Facts:
    correct = [
        f"{right} of {count} in {framework_name(one)}" for one, (right, count) in results.correct.items()
    ]
    facts = [("Origin", model.origin), ("Photographs classified correctly (top 1)", "; ".join(correct))]
    if results.twin_gap is not None:
        facts.append(("Twins’ greatest logit difference", f"{results.twin_gap:.1e}, on all the photographs"))
    return facts


def facts_of_run(models: Sequence[ModelResults], seed: int) -> Facts:
    """State the setup of the computation: everything needed to reproduce the page."""
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


def _options(models: Sequence[ModelResults]) -> Facts:
    """State steps, rule and options of every method that has any, and the models to which they apply."""
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
