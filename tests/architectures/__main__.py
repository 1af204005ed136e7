"""Judge every cell of a framework and store the results: ``python -m architectures torch``, or ``tensorflow``.

Names of architectures after it judge those alone, and ``missing`` those that no stored result has. ``page`` writes
the section of docs/support.md. Results are stored after each architecture.
"""

from __future__ import annotations

import gc
import json
import sys
import warnings

from architectures.frozen import ARCHITECTURES, METHODS
from architectures.judge import judged, passes_of, reference_of
from architectures.page import PAGE, RESULTS, page_with, stored


def judge(framework: str, names: list[str]) -> None:
    """Every method on the architectures of a framework."""
    warnings.simplefilter("ignore")
    path = RESULTS[framework]
    results = json.loads(path.read_text())
    chosen = [one for one in ARCHITECTURES if one.framework == framework]
    if names == ["missing"]:
        chosen = [one for one in chosen if one.name not in results["cells"]]
    elif names:
        chosen = [one for one in chosen if one.name in names]
    for architecture in chosen:
        passes = passes_of(architecture)
        cells = {}
        for method in METHODS:
            verdict = judged(passes, method, reference_of(passes, method))
            cells[method] = [verdict.kind, verdict.why]
            print(f"{architecture.name} | {method} | {verdict.kind} | {verdict.why[:150]}", flush=True)
        results["cells"][architecture.name] = cells
        path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        del passes
        gc.collect()


if __name__ == "__main__":
    if sys.argv[1] == "page":
        PAGE.write_text(page_with(PAGE.read_text(), stored()))
    else:
        judge(sys.argv[1], sys.argv[2:])
