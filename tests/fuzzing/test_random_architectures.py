"""Random models: every value that `explain` gives is that of the method's definition, or it says that it may not be."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from fuzzing.run import cells_of, run, table

import explain

FIXED_SEEDS = (
    1000,
    1001,
    1002,
    1003,
    1004,
    1005,
    1009,
    1010,
    1011,
    1013,
    1014,
    1015,
    1018,
    1019,
    1020,
    1021,
    1022,
    1023,
    1024,
    1025,
    1026,
    1027,
    1028,
    1030,
    1031,
    1032,
    1033,
    1034,
    1035,
    1037,
    1038,
    1039,
    1041,
    1042,
    1043,
    1044,
    1045,
    1047,
    1048,
    1049,
)

WRONG_ONCE = {
    "frames with channels last": (1007, "feature_ablation"),
    "features of steps, then a convolution over time": (50371, "saliency"),
    "a convolution over time behind a ReLU": (60415, "integrated_gradients"),
    "a convolution over time behind few values": (50751, "saliency"),
    "a convolution over time behind a shared layer": (60634, "deep_lift_shap"),
    "a convolution over time behind a gate": (60177, "feature_ablation"),
    "the ReLU inside a power pool": (1021, "deconvolution"),
    "ids where the first call asks for the output": (1000, "shapley_value_sampling"),
    "a softmax of a softmax": (1038, "saliency"),
    "the axes of a small map behind a convolution": (50552, "default grad_cam"),
    "the axes of an instance norm of two steps": (50268, "grad_cam"),
    "a score without a gradient": (60475, "default grad_cam"),
    "the channels of a global pool": (71199, "default grad_cam"),
    "the logit after a size that the model refuses": (70552, "default grad_cam"),
    "a convolution over time behind attention over steps": (80155, "saliency"),
    "a convolution over the spectrum of one channel": (92548, "integrated_gradients"),
    "a prediction without a gradient": (94617, "default grad_cam"),
    "the axes of a pool in front of a layer of one size": (98805, "default grad_cam"),
    "the layer of one example that another one goes past": (99033, "default grad_cam"),
    "logits that sum to one by chance": (91091, "guided_backprop"),
    "the axes of attention over few steps": (91118, "guided_grad_cam"),
    "probabilities of the first of two heads": (91714, "integrated_gradients"),
    "relevance through a sigmoid at zero": (50364, "lrp"),
    "relevance beside the stabilizer": (50684, "lrp"),
    "logits of two heads after a size that the model refuses": (70363, "grad_cam"),
}
"""Kinds that random models found: a seed and a method each."""


@pytest.mark.parametrize("seed", FIXED_SEEDS)
def test_values_are_those_of_the_definitions(seed: int) -> None:
    cells = list(cells_of(seed))
    assert len(cells) >= 3, "saliency, integrated gradients and others"
    wrong = [one for one in cells if one.outcome in ("WRONG", "CRASH")]
    assert not wrong, "\n".join(
        f"{one.method}: {one.message} ({one.arguments}; {one.pieces})" for one in wrong
    )


@pytest.mark.parametrize("kind", WRONG_ONCE)
def test_kind_that_was_wrong_once(kind: str) -> None:
    seed, method = WRONG_ONCE[kind]
    (cell,) = cells_of(seed, (method,))
    assert cell.outcome in ("equal", "equal, warned", "refused", "warned"), cell.message


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (lambda found: replace(found, values=found.values * np.float32(1.01)), "WRONG"),
        (lambda found: replace(found, score="probability"), "WRONG"),
        (lambda found: replace(found, layout="NHWC"), "WRONG"),
        (lambda found: {}[found.method], "CRASH"),
        (lambda found: found, "equal"),
    ],
    ids=["values", "score", "layout", "error", "nothing"],
)
def test_the_comparison_sees_what_is_wrong(monkeypatch, change, outcome):
    real = explain.attribute
    monkeypatch.setattr(explain, "attribute", lambda *given, **more: change(real(*given, **more)))
    (cell,) = cells_of(1003, ("saliency",))
    assert cell.outcome == outcome


def test_a_table_counts_outcomes_and_names_what_is_wrong(tmp_path):
    path = tmp_path / "found.jsonl"
    run(1002, 1004, path)
    before = path.read_text()
    run(1002, 1004, path)
    assert path.read_text() == before, "seeds of an earlier run are not run again"
    text = table(path)
    assert text.startswith("2 seeds, 12 cells")
    wrong = json.dumps({**json.loads(before.splitlines()[0]), "outcome": "WRONG", "message": "off by 2"})
    path.write_text(before + wrong + "\n")
    assert "WRONG seed 1002 torch" in table(path)
