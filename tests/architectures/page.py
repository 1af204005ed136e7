"""The section of docs/support.md on real architectures, written from the stored results."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from architectures.architecture import Architecture
from architectures.frozen import ARCHITECTURES, METHODS
from architectures.judge import CRASH, NOT_APPLICABLE, REFUSED, REMARKED, RIGHT, SILENT, UNCOMPARED

RESULTS = {name: Path(__file__).with_name(f"results_{name}.json") for name in ("torch", "tensorflow")}
PAGE = Path(__file__).parents[2] / "docs" / "support.md"
HEADING = "## Real architectures"
DOMAINS = {
    "vision": "Pictures",
    "video": "Videos",
    "volume": "Volumes",
    "text": "Text",
    "audio": "Audio",
    "series": "Series",
    "graph": "Graphs",
    "table": "Tables",
    "several": "Several inputs",
}

# What an error says, and the reason as the page gives it; each error says what to do instead.
REASONS: dict[str, tuple[str, str]] = {
    "no rule": (
        r"has no rule for the operation",
        "DeepLift and LRP have no rule for an operation of the network, such as a function with a derivative of its "
        "own. Use `integrated_gradients`.",
    ),
    "dependent": (
        r"examples of the batch depend on each other",
        "An example's score depends on the other examples, as in graphs whose rows are nodes and in matrices of "
        "similarities. The error says how to state what one example is.",
    ),
    "no map": (
        r"No layer of the model gives a map|by more than one way",
        "No single activation over places or steps carries all of the score. Name a layer, or use another method.",
    ),
    "one place": (
        r"depends on one place only",
        "The score depends on one place of every map, and a class activation map of one place shows nothing.",
    ),
    "layer": (
        r"is never called by the model, or gives no tensor whose axes are known",
        "The axes of the named layer's output are not known. Name another layer.",
    ),
    "baseline": (
        r"does not run on examples of these token ids",
        "The model refuses the padding token as a baseline. Give `baseline=` a token that it takes.",
    ),
    "more axes": (
        r"has more axes t",
        "The last layer that carries all of the score has more axes than a map over the input. The error names it.",
    ),
    "kind of input": (
        r"^UnsupportedInputError",
        "The method does not take token ids, or several inputs. The error names methods that do.",
    ),
    "layout": (
        r"^LayoutError",
        "The axes of the input, or of the layer, can be read in two ways. The error shows both and what to write.",
    ),
}

INTRODUCTION = """{heading}

{count} architectures of published packages, {keras} of them Keras, in small configurations with seeded random
weights: `tests/architectures/` has the list, frozen before the work, with its rules. `make architectures` runs all
cells and writes this section; the tests run a part of them and hold it to the page.

Each result is compared with a reference that does not use `explain`:

- saliency, input × gradient, SmoothGrad, integrated and expected gradients, guided backpropagation: autograd or a tape
  at the same points;
- occlusion, ablation and Shapley values: plain forward passes;
- class activation maps, activations and conductance: hooks at the layer that the rule gives, found by hand;
- activation maximization: Adam in NumPy;
- DeepLift: its sum against the score;
- LRP: its rules on the functions that a PyTorch model calls, by which small transformers get lxt's values; of a Keras
  model on those of its twin on Keras's PyTorch backend.

Right is within {close:g} relative L2 in each example (DeepLift: a sum within {complete:g}).

- ✓: right. ✓\\*: right or told: a named warning says what the number is.
- A letter: refused with an error of `explain.errors`, for the reason with this letter below.
- –: not applicable, by the rules of the list: {rules}.
- ∼: answered, but the reference of LRP has no rule for a function of this network.

| | right | with a remark | refused | not applicable | not compared | **silent wrong** |
|---|--:|--:|--:|--:|--:|--:|
{counts}
"""


def stored() -> dict[str, Any]:
    """The results of the last full run: by architecture and method the kind of verdict and why; the figures before."""
    cells: dict[str, Any] = {}
    before: dict[str, Any] = {}
    for path in RESULTS.values():
        results = json.loads(path.read_text())
        cells.update(results["cells"])
        before.update(results["before"])
    return {"cells": cells, "before": before}


def reason_of(why: str) -> str:
    """The one reason of an error, by its letter."""
    found = [name for name, (words, _) in REASONS.items() if re.search(words, why, re.DOTALL)]
    assert len(found) == 1, f"no known reason, or several ({found}): {why}"
    return "abcdefghijklmnopqrstuvwxyz"[list(REASONS).index(found[0])]


def mark(kind: str, why: str) -> str:
    marks = {RIGHT: "✓", REMARKED: "✓\\*", NOT_APPLICABLE: "–", UNCOMPARED: "∼", SILENT: "✗", CRASH: "✗"}
    return reason_of(why) if kind == REFUSED else marks[kind]


def line(architecture: Architecture, cells: dict[str, list[str]]) -> str:
    """The line of an architecture."""
    marks = " | ".join(mark(*cells[method]) for method in METHODS)
    return f"| {architecture.name} | {architecture.package} | {marks} |"


def counts(results: dict[str, Any]) -> str:
    """How many cells came out how, in each framework, now and before."""
    lines = []
    for title, by_kind in figures(results["cells"]).items():
        kinds = (RIGHT, REMARKED, REFUSED, NOT_APPLICABLE, UNCOMPARED, SILENT)
        lines.append(f"| {title} | " + " | ".join(str(by_kind.get(kind, 0)) for kind in kinds) + " |")
    lines.extend(f"| {title} | {' | '.join(map(str, row))} |" for title, row in results["before"].items())
    return "\n".join(lines)


def figures(cells: dict[str, dict[str, list[str]]]) -> dict[str, Counter[str]]:
    """The number of cells of each kind, by framework."""
    found: dict[str, Counter[str]] = {}
    for architecture in ARCHITECTURES:
        title = {"torch": "PyTorch", "tensorflow": "Keras"}[architecture.framework]
        found.setdefault(title, Counter()).update(kind for kind, _ in cells[architecture.name].values())
    return found


def section(results: dict[str, Any]) -> str:
    """Write the section."""
    from architectures.frozen import NO_GRID, WHOLE_NUMBERS
    from architectures.judge import CLOSE, COMPLETE, NO_LAYER

    cells = results["cells"]
    parts = [
        INTRODUCTION.format(
            heading=HEADING,
            count=len(ARCHITECTURES),
            keras=sum(one.framework == "tensorflow" for one in ARCHITECTURES),
            close=CLOSE,
            complete=COMPLETE,
            rules="; ".join((NO_GRID, WHOLE_NUMBERS, NO_LAYER)),
            counts=counts(results),
        )
    ]
    head = f"| | package | {' | '.join(f'`{name}`' for name in METHODS)} |\n|---|---|{':-:|' * len(METHODS)}"
    for domain, title in DOMAINS.items():
        body = "\n".join(line(one, cells[one.name]) for one in ARCHITECTURES if one.domain == domain)
        parts.append(f"### {title}\n\n{head}\n{body}\n")
    reasons = "\n".join(
        f"- {letter}: {words}"
        for letter, (_, words) in zip("abcdefghijklmnopqrstuvwxyz", REASONS.values(), strict=False)
    )
    parts.append(f"### Why architectures are refused\n\n{reasons}\n")
    return "\n".join(parts)


def page_with(text: str, results: dict[str, Any]) -> str:
    """The page with the section at its end, in place of an older one."""
    return text.split(f"\n{HEADING}\n")[0].rstrip("\n") + "\n\n" + section(results)
