"""Metrics of complexity, robustness, randomization and localization in Quantus."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import torch
from metrics.quantus.calls import Maker, in_turn, measured, of_places
from metrics.quantus.stored import CLASSES, Fixture, Floats, N

from explain.metrics.randomization.random_logit import KEY, other_class
from explain.metrics.randomization.random_weights import random_weights
from explain.metrics.robustness.neighbours import perturbed_inputs


def sparseness(one: Fixture) -> Any:
    """Give the Gini index of the places, far above the 1e-7 that Quantus adds to each."""
    return measured("Sparseness", one, 100 * of_places(one.given), abs=True)


def complexity(one: Fixture) -> Any:
    """Give the entropy of the places."""
    return measured("Complexity", one, of_places(one.given), abs=True)


def effective_complexity(one: Fixture) -> Any:
    """Give the number of places above a share of the largest of each example: Quantus' own is that of all examples."""
    sizes = np.abs(of_places(one.given))
    shares = sizes / sizes.max(axis=(1, 2, 3), keepdims=True)
    return measured("EffectiveComplexity", one, shares, abs=True, eps=0.3)


def near(name: str, **options: Any) -> Maker:
    """Give a metric of robustness at the perturbed inputs that `explain` draws."""

    def maker(one: Fixture) -> Any:
        subject = one.subject()
        points = np.stack([perturbed_inputs(subject, row, 0.1, 8) for row in range(N)], axis=1)

        def explained(model: Any, inputs: Any, targets: Any, **_: Any) -> Floats:
            return one.gradient(inputs, targets)

        return measured(
            name,
            one,
            one.gradient(one.x, one.target),
            nr_samples=len(points),
            perturb_func=in_turn(points),
            **options,
            call={"explain_func": explained},
        )

    return maker


def randomized(name: str, **options: Any) -> Maker:
    """Give a metric of randomization, with the models that `explain` makes in the place of Quantus' own."""

    def maker(one: Fixture) -> Any:
        original = {key: value.clone() for key, value in one.model.state_dict().items()}
        maps = {0: of_places(one.gradient(one.x, one.target))}
        with random_weights(one.subject()) as network:
            for count, position in enumerate(reversed(range(len(network.labels)))):
                network.randomize(position)
                maps[count + 1] = of_places(one.gradient(one.x, one.target, network.model))

        def explained(model: Any, **_: Any) -> Floats:
            now = model.state_dict()
            return maps[sum(not torch.equal(now[key], original[key]) for key in original if "weight" in key)]

        return measured(name, one, maps[0], **options, call={"explain_func": explained})

    return maker


def model_parameter_randomization(one: Fixture) -> Any:
    """Give the similarity after each layer, from the output down."""
    by_layer = randomized("MPRT", abs=True)(one)
    return np.stack([values for name, values in by_layer.items() if name != "original"], axis=1)


def random_logit(one: Fixture) -> Any:
    """Give the rank correlation with the maps of the classes that `explain` draws."""
    subject = one.subject()
    others = np.array(
        [other_class(subject.generator(KEY, row), int(one.target[row]), CLASSES) for row in range(N)]
    )

    def explained(model: Any, inputs: Any, targets: Any, **_: Any) -> Floats:
        return of_places(one.gradient(inputs, others))

    similarity = import_module("quantus").similarity_func.correlation_spearman
    maps = of_places(one.gradient(one.x, one.target))
    options = {"num_classes": CLASSES, "similarity_func": similarity}
    return measured("RandomLogit", one, maps, **options, call={"explain_func": explained})


def located(name: str, *, positive: bool = False, **options: Any) -> Maker:
    """Give a metric of localization of the places, or of their positive parts."""

    def maker(one: Fixture) -> Any:
        maps = of_places(one.given)
        masks = one.masks[:, np.newaxis].astype(int)
        maps = np.maximum(maps, 0) if positive else maps
        return measured(name, one, maps, **options, call={"s_batch": masks})

    return maker


MAKERS: dict[str, Maker] = {
    "sparseness": sparseness,
    "sparseness of several channels": sparseness,
    "complexity": complexity,
    "effective_complexity": effective_complexity,
    "max_sensitivity": near("MaxSensitivity"),
    "avg_sensitivity": near("AvgSensitivity"),
    "local_lipschitz": near("LocalLipschitzEstimate"),
    "relative_input_stability": near("RelativeInputStability"),
    "relative_output_stability": near("RelativeOutputStability"),
    "model_parameter_randomization": model_parameter_randomization,
    "efficient_model_parameter_randomization": randomized("EfficientMPRT"),
    "random_logit": random_logit,
    "pointing_game": located("PointingGame"),
    "relevance_mass_accuracy": located("RelevanceMassAccuracy", positive=True),
    "relevance_rank_accuracy": located("RelevanceRankAccuracy"),
    "top_k_intersection": located("TopKIntersection", k=10),
    "top_k_intersection by the size of the mask": located("TopKIntersection", k=10, concept_influence=True),
    "attribution_localization": located("AttributionLocalisation", positive=True, abs=True),
    "localization_auc": located("AUC"),
}
