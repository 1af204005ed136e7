"""Draw models by seeds, explain each by a few methods, and write down what came of it.

``python -m fuzzing.run 0 100 found.jsonl`` runs seeds 0 to 99, and goes on where an earlier run ended; with ``torch``
or ``tensorflow`` as a further argument, those of one framework.
``python -m fuzzing.run --table found.jsonl`` prints the counts.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from fuzzing.architectures import drawn, framework_of
from fuzzing.cells import CALLS, OUTCOMES, Cell, UnfitLayer, explained

_ALWAYS = ("saliency", "integrated_gradients")
_OTHERS = 4
# Drawn first where every operation has a rule.
_BACKWARD_RULES = ("deep_lift", "deep_lift_shap", "lrp", "guided_backprop", "deconvolution")


def cells_of(seed: int, methods: tuple[str, ...] = (), dtype: str | None = None) -> Iterator[Cell]:
    """Explain the model of a seed by saliency, integrated gradients and four other methods, drawn as well.

    Parameters
    ----------
    seed : int
        Of the model, the input, the methods and their options.
    methods : tuple of str, optional
        These methods instead.
    dtype : str, optional
        Another precision than the one drawn.
    """
    case = drawn(seed, dtype=dtype)
    before = _state(case.model)
    order = np.random.default_rng((seed, 1)).permutation([one for one in CALLS if one not in _ALWAYS])
    if seed % 5 == 4:
        order = np.array(sorted(order, key=lambda name: name not in _BACKWARD_RULES))
    count = 0
    for name in methods or (*_ALWAYS, *order):
        cell = _explained(case, name)
        if cell.outcome == "not drawn":
            continue
        if cell.outcome == "WRONG" and case.dtype == "float32" and not methods and case.kind != "volume":
            # In single precision a model may be so ill-conditioned that rounding is what is left.
            again = list(cells_of(seed, (name,), "float64"))
            if again and again[0].outcome in ("equal", "equal, warned"):
                cell.outcome, cell.message = "equal", f"in double precision; in single {cell.message}"
        yield cell
        count += name not in _ALWAYS
        if not methods and count >= _OTHERS:
            break
    if _state(case.model) != before:
        yield Cell(
            seed, case.kind, case.framework, case.dtype, "the model's state", "WRONG", message="changed"
        )


def _explained(case: Any, name: str) -> Cell:
    draws = np.random.default_rng((case.seed, 2, list(CALLS).index(name)))
    try:
        return explained(case, name, draws)
    except UnfitLayer as why:
        return Cell(
            case.seed,
            case.kind,
            case.framework,
            case.dtype,
            name,
            "WRONG",
            message=str(why),
            pieces=case.pieces,
        )


def _state(model: Any) -> Any:
    """Give what a call has to leave as it was."""
    if hasattr(model, "state_dict"):
        import torch

        weights = [torch.as_tensor(one).double().sum().item() for one in model.state_dict().values()]
        hooks = sum(len(one._forward_hooks) + len(one._forward_pre_hooks) for one in model.modules())
        grads = [one.grad is None and one.requires_grad for one in model.parameters()]
        return weights, hooks, grads, [one.training for one in model.modules()]
    return [float(np.sum(one.numpy().astype(np.float64))) for one in model.weights]


def run(start: int, end: int, path: Path, framework: str = "") -> None:
    """Run seeds that a file has no line of, those of one framework if one is named; add a line for each cell."""
    done = set()
    if path.exists():
        done = {json.loads(line)["seed"] for line in path.read_text().splitlines()}
    with path.open("a") as file:
        for seed in range(start, end):
            if seed in done or framework not in ("", framework_of(seed)):
                continue
            begun = time.perf_counter()
            found = _cells_or_failure(seed)
            spent = (time.perf_counter() - begun) / max(1, len(found))
            for cell in found:
                line = {**asdict(cell), "seconds": round(spent, 3)}
                file.write(json.dumps(line, default=str) + "\n")
            file.flush()


def _cells_or_failure(seed: int) -> list[Cell]:
    """Give the cells of a seed; a definition that fails ends its seed, and not the run."""
    try:
        return list(cells_of(seed))
    except Exception as why:
        return [
            Cell(seed, "", framework_of(seed), "", "", "unchecked", message=f"{type(why).__name__}: {why}")
        ]


def table(path: Path) -> str:
    """Give the counts of a file of cells: outcomes by method, refusals and warnings by message, what is wrong."""
    cells = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [
        f"{len({one['seed'] for one in cells})} seeds, {len(cells)} cells, "
        f"{sum(one['seconds'] for one in cells):.0f} s",
        "",
        "| method | " + " | ".join(OUTCOMES) + " |",
        "|---|" + "---|" * len(OUTCOMES),
    ]
    methods = sorted({one["method"] for one in cells})
    for method in [*methods, "all"]:
        counts = Counter(one["outcome"] for one in cells if method in (one["method"], "all"))
        lines.append(f"| {method} | " + " | ".join(str(counts[one]) for one in OUTCOMES) + " |")
    for title, outcomes in (("Refused", ("refused",)), ("Unchecked", ("unchecked",))):
        lines += ["", f"## {title}", ""]
        counts = Counter(
            (one["method"], _plain(one["message"])) for one in cells if one["outcome"] in outcomes
        )
        by_message: dict[str, Counter[str]] = {}
        for (method, message), count in counts.items():
            by_message.setdefault(message, Counter())[method] += count
        for message, of in sorted(by_message.items(), key=lambda pair: -pair[1].total()):
            lines.append(
                f"- {of.total()}: {message[:260]} ({', '.join(f'{m} {n}' for m, n in of.most_common(5))})"
            )
    lines += ["", "## Warned", ""]
    counts2 = Counter(
        _plain(note)[:140] for one in cells if one["outcome"] == "warned" for note in one["notes"]
    )
    lines += [f"- {count}: {note}" for note, count in counts2.most_common()]
    lines += ["", "## Wrong, or another error", ""]
    for one in cells:
        if one["outcome"] in ("WRONG", "CRASH"):
            lines.append(
                f"- {one['outcome']} seed {one['seed']} {one['framework']} {one['dtype']} {one['kind']} "
                f"{one['method']}: {one['message'][:220]} | {', '.join(one['pieces'])} | {one['arguments'][:160]}"
            )
    return "\n".join(lines)


def _plain(message: str) -> str:
    """Leave numbers and quoted names out, so that messages of one kind are alike."""
    return re.sub(
        r"\s+", " ", re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", re.sub(r"\d[\d.e+-]*", "#", message))
    ).strip()


if __name__ == "__main__":
    if sys.argv[1] == "--table":
        print(table(Path(sys.argv[2])))
    else:
        run(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
