"""The section of docs/support.md is what the stored results say, and they say that nothing is silently wrong."""

from __future__ import annotations

from architectures.frozen import ARCHITECTURES, METHODS, not_applicable
from architectures.judge import CRASH, NOT_APPLICABLE, SILENT
from architectures.page import PAGE, figures, page_with, stored


def test_the_page_is_what_the_stored_results_say():
    text = PAGE.read_text()
    assert page_with(text, stored()) == text


def test_every_cell_was_run():
    cells = stored()["cells"]
    assert set(cells) == {one.name for one in ARCHITECTURES}
    assert all(tuple(row) == METHODS for row in cells.values())


def test_no_cell_is_silently_wrong():
    wrong = [
        f"{name}, {method}: {why}"
        for name, row in stored()["cells"].items()
        for method, (kind, why) in row.items()
        if kind in (SILENT, CRASH)
    ]
    assert not wrong


def test_what_is_not_applicable_is_so_by_the_rule_written_beforehand():
    cells = stored()["cells"]
    for architecture in ARCHITECTURES:
        for method, (kind, why) in cells[architecture.name].items():
            rule = not_applicable(architecture, method)
            if rule is not None:
                assert (kind, why) == (NOT_APPLICABLE, rule)
            elif kind == NOT_APPLICABLE:
                assert method in ("activation", "conductance")


def test_most_cells_are_answered():
    assert sum(sum(one.values()) for one in figures(stored()["cells"]).values()) == len(ARCHITECTURES) * len(
        METHODS
    )
