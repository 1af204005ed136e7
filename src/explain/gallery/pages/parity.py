"""The page of parity: how similar the two frameworks are, for each method on each model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explain.algorithms.catalogue import methods
from explain.gallery.model_results import ModelResults
from explain.gallery.pages.elements import ParityRow
from explain.gallery.pages.filtering import TEMPLATES, choices, filter_script, page_policy
from explain.gallery.pages.model_page import page_file
from explain.gallery.pages.sections import section_id
from explain.render.web_page import page_template
from explain.results.comparison import figure_text
from explain.results.names import method_name, percent

PARITY = "parity.html"

# A distance of the rounding of 32-bit numbers through a deep network.
_ROUNDING = 1e-5


def parity_rows(results: ModelResults) -> tuple[ParityRow, ...]:
    """Summarize for each method on a model how similar the two frameworks are; empty for one framework.

    Examples
    --------
    >>> from explain.gallery.exhibits import Exhibit
    >>> parity_rows(ModelResults("cifar_net", Exhibit(), (), (), None))
    ()
    """
    rows = []
    for result in results.methods:
        if result.comparison is None:
            continue
        distances = result.comparison.relative_l2
        correlations = result.comparison.pearson[~np.isnan(result.comparison.pearson)]
        lowest = float(correlations.min()) if correlations.size else float("nan")
        rows.append(
            ParityRow(
                model=results.name,
                method=result.method.name,
                family=result.method.family,
                title=method_name(result.method.name),
                link=f"{page_file(results.name)}#{section_id(results.name, result.method.name)}",
                distances=tuple(map(float, distances)),
                median=figure_text("relative_l2", float(np.median(distances))),
                worst=figure_text("relative_l2", float(distances.max())),
                pearson=figure_text("pearson", lowest),
            )
        )
    return tuple(rows)


def parity_sentence(rows: Sequence[ParityRow]) -> str:
    """Say in one sentence how similar the two frameworks are over all rows; empty without rows.

    Examples
    --------
    >>> row = ParityRow("net", "lime", "surrogate", "LIME", "", (1e-7, 0.25), "", "0.250", "")
    >>> parity_sentence([row])
    'Of 2 pairs of maps, 50 % differ by 1e-05 or less (relative L2); the greatest distance is 0.250, of LIME on net.'
    """
    distances = np.array([one for row in rows for one in row.distances])
    if not distances.size:
        return ""
    close = percent(float((distances <= _ROUNDING).mean()))
    worst = max(rows, key=lambda row: max(row.distances))
    return (
        f"Of {len(distances):,} pairs of maps, {close} differ by {_ROUNDING:.0e} or less (relative L2); the greatest "
        f"distance is {worst.worst}, of {worst.title} on {worst.model}."
    )


def write_parity_page(rows: Sequence[ParityRow]) -> str:
    """Write the page of parity.

    Parameters
    ----------
    rows : sequence of ParityRow
        Of all models whose pages are written, in their order.
    """
    models = tuple(dict.fromkeys(row.model for row in rows))
    named = {row.method for row in rows}
    return page_template(TEMPLATES, "parity.html").render(
        rows=rows,
        models=models,
        sentence=parity_sentence(rows),
        choices=choices(one for one in methods() if one.name in named),
        filter_script=filter_script(),
        policy=page_policy(),
    )
