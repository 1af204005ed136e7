"""What `check_migration` reports of the known mistakes of porting, and that it reports nothing of correct ports.

The frameworks' own forward passes test that each mistake is where it is said to be; the check's verdicts are counted.
The counts are in docs/migration-figures.md, which this file writes when it runs as a script, with
``PYTHONPATH=tests``.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from models import correct_ports, mistakes, ported_models, ported_models_unseen, twins

import explain
from explain.migration import CAUSES, MigrationReport

PAGE = Path(__file__).parents[2] / "docs" / "migration-figures.md"
SEEDS = (0, 1, 2)
HALVES = {"visible": ported_models.FAMILIES, "held out": ported_models_unseen.FAMILIES}
LEAST = 0.9


@dataclass(frozen=True)
class Verdict:
    """What the check said of one planted mistake."""

    title: str
    noticed: bool
    layer: bool
    cause: bool
    said: str
    evidence: str = ""

    @property
    def right(self) -> bool:
        return self.noticed and self.layer and self.cause


def check(*given: object, methods: tuple[str, ...] | None = ()) -> MigrationReport:
    """By default without maps, of which neither the layer nor the cause depends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return explain.check_migration(*given, methods=methods)


def named(label: str) -> str:
    """The layer of a label that may say which call of it, or which part, is meant."""
    return re.sub(r"(\[\d+\]| \(.*\))$", "", label)


def judged(case: mistakes.Case) -> Verdict:
    try:
        report = check(case.a, case.b, case.x, case.x_b)
    except Exception as error:
        # An error is a wrong answer, whatever it is, and must not hide the other figures.
        return Verdict(case.title, False, False, False, f"{type(error).__name__}: {error}")
    first = report.first_divergence
    where = None if first is None else (named(first.layer_a), named(first.layer_b))
    return Verdict(
        case.title,
        not report.passed,
        where is not None and where[0] in case.layers_a and where[1] in case.layers_b,
        report.cause == case.cause,
        f"{report.cause} at {where}, not {case.cause} at {sorted(case.layers_a)} and {sorted(case.layers_b)}",
        report.evidence,
    )


@functools.cache
def families_of(mistake: str, half: str) -> tuple[twins.Family, ...]:
    return tuple(family for family in HALVES[half] if mistakes.applies(mistake, family))


@functools.cache
def planted(mistake: str, family: twins.Family, seed: int) -> mistakes.Case:
    return mistakes.planted(mistake, family, seed)


@functools.cache
def verdict(mistake: str, family: twins.Family, seed: int) -> Verdict:
    return judged(planted(mistake, family, seed))


def verdicts(mistake: str, families: Sequence[twins.Family]) -> list[Verdict]:
    return [verdict(mistake, family, seed) for family in families for seed in SEEDS]


def alarm(port: correct_ports.Port, methods: tuple[str, ...] | None) -> str:
    """What the check says against a right port; nothing if it passes it."""
    a, b, x, _ = port.make()
    report = check(a, b, x, methods=methods)
    failed = [row for row in report.rows if row.passed is False]
    where = [f"{row.stage} {row.a}/{row.b} {row.error:.2g}" for row in failed if row.error is not None]
    return "" if report.passed else f"{report.cause}, {', '.join(where)}"


# --- the page -----------------------------------------------------------------------------------------------


def share(found: Sequence[Verdict]) -> str:
    return f"{sum(one.right for one in found)}/{len(found)}"


def of_mistake(mistake: str) -> str:
    """One line of the first table."""
    cells = [share(verdicts(mistake, families_of(mistake, half))) for half in HALVES]
    return f"| {mistake} | {' | '.join(cells)} |"


def of_half(half: str) -> list[Verdict]:
    return [one for mistake in mistakes.MISTAKES for one in verdicts(mistake, families_of(mistake, half))]


def in_total() -> str:
    cells = []
    for half in HALVES:
        found = of_half(half)
        cells.append(f"{share(found)} ({sum(one.right for one in found) / len(found):.1%})")
    return f"| all | {' | '.join(cells)} |"


def of_model(family: twins.Family) -> str:
    """One line of the second table."""
    cells = [
        share(verdicts(mistake, (family,))) if mistakes.applies(mistake, family) else ""
        for mistake in mistakes.MISTAKES
    ]
    return f"| {family.title} | {' | '.join(cells)} |"


def of_right_ports(alarms: int) -> str:
    """The sentence on ports that are right; outputs, layers and the maps of all methods by default are compared."""
    return f"Alarms on {alarms} of {len(correct_ports.PORTS)}, outputs, layers and maps compared:"


def page(alarms: Mapping[str, str]) -> str:
    parts = [
        INTRODUCTION,
        "| mistake | visible | held out |\n|---|--:|--:|",
        *map(of_mistake, mistakes.MISTAKES),
        in_total(),
        f"\n## By visible model\n\n| | {' | '.join(mistakes.MISTAKES)} |\n|---|{'--:|' * len(mistakes.MISTAKES)}",
        *map(of_model, HALVES["visible"]),
        f"\n## Ports that are right\n\n{of_right_ports(sum(map(bool, alarms.values())))}\n",
        *(f"- {title}{f': {said}' if said else ''}" for title, said in alarms.items()),
    ]
    return "\n".join(parts) + "\n"


INTRODUCTION = """# How often a migration check is right

`tests/migration/` takes pairs of correct models, PyTorch and Keras, plants the known mistakes of porting in them, and
calls `explain.check_migration` to find the first layer at which the two diverge, and the cause. A verdict is right if
*both* are right: the layer is the first one whose output differs from that of the correct model, by the frameworks' own
forward passes, and the cause is the planted one. Each mistake is planted three times in every model that allows it,
with three seeds. A seed changes the weights, the examples, the layer, the way in which the mistake is made, and which
of the two models is broken. The weights have the size of trained ones; the statistics of the batch norms are those of
data.

The held-out models were written before the check was tried on them, by somebody other than the author of the check, who
did not read them. What the author knew of them: their figures by mistake, of which 100 of 111 were right at first
sight, before any correction; and the line above each model that describes it, which a linter printed because it was too
long, before the last changes. `explain.port`, which reads settings with the same code, was later tried on them too.

`tests/migration/test_mistakes.py` counts again and compares with this page; run as a script, it writes the page.

## By mistake
"""


# --- tests --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads cost more than they bring on models so small, above all where others compute too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


ALL = [(mistake, half) for mistake in mistakes.MISTAKES for half in HALVES]


def test_every_cause_is_one_that_the_check_knows():
    assert {cause for _, cause in mistakes.MISTAKES.values()} <= set(CAUSES)


@pytest.mark.parametrize(("mistake", "half"), ALL)
def test_a_mistake_shows_where_it_is_said_to(mistake, half):
    """The truth by which the check is judged, held to both frameworks' own forward passes."""
    families = families_of(mistake, half)
    assert len(families) >= 2
    for family in families:
        # Of each model one: their outcomes are counted for all seeds.
        seed = SEEDS[families.index(family) % len(SEEDS)]
        case = planted(mistake, family, seed)
        plan, side = case.plan, case.plan.side or case.side_b
        broken, where = (case.a, case.layers_a) if side == case.side_a else (case.b, case.layers_b)
        x = family.laid_out(side, family.inputs(seed))
        expected, before = twins.run(side, family.right(side, seed), x)
        found, after = twins.run(side, broken, x if case.x_b is None else case.x_b)
        assert twins.distance(expected, found) > 3e-4, case.title
        prefixes = [family.prefix(s) if side == "torch" else "" for s in (twins.Settings(), plan.settings)]
        assert first_difference(before, after, *prefixes) in where, case.title


def first_difference(before, after, prefix_before, prefix_after):
    """The first layer, of those that both have, whose output has changed."""

    def numbered(seen, prefix):
        count = Counter()
        for name, value in seen:
            yield (name.removeprefix(prefix), count[name]), value
            count[name] += 1

    kept = dict(numbered(before, prefix_before))
    for (name, call), value in numbered(after, prefix_after):
        if (name, call) in kept and twins.distance(kept[name, call], value) > 1e-6:
            return prefix_after + name
    return None


@pytest.mark.parametrize("mistake", mistakes.MISTAKES)
def test_every_way_to_make_a_mistake_is_tried(mistake):
    families = [family for half in HALVES for family in families_of(mistake, half)]
    possible = {plan.way for family in families for plan in mistakes.MISTAKES[mistake][0](family)}
    planned = [mistakes.planned(mistake, family, seed) for family in families for seed in SEEDS]
    assert {plan.way for plan in planned} == possible
    assert {plan.side for plan in planned} >= set(mistakes.SIDES)
    assert len({mistakes.direction(mistake, family, seed) for family in families for seed in SEEDS}) == 2


@pytest.mark.parametrize("half", HALVES)
def test_the_right_layer_and_cause_for_nine_of_ten(half):
    found = of_half(half)
    right = sum(one.right for one in found)
    assert right >= LEAST * len(found), f"{right} of {len(found)}"


@pytest.mark.parametrize("mistake", mistakes.MISTAKES)
def test_the_page_has_the_figures_of_a_mistake(mistake):
    assert of_mistake(mistake) in PAGE.read_text().splitlines(), PAGE


@pytest.mark.parametrize("family", HALVES["visible"], ids=lambda one: one.title)
def test_the_page_has_the_figures_of_a_model(family):
    assert of_model(family) in PAGE.read_text().splitlines(), PAGE


def test_the_page_has_the_sums():
    text = PAGE.read_text()
    assert text.startswith(INTRODUCTION)
    assert in_total() in text.splitlines()


@pytest.mark.parametrize("port", correct_ports.PORTS, ids=lambda port: port.title)
def test_a_right_port_raises_no_alarm(port):
    assert port.agreement() < 1e-5
    # Maps of a network of real size would take longer than all else here; the page's were made with all of them.
    assert alarm(port, () if port.large else ("saliency",)) == ""
    assert f"- {port.title}" in PAGE.read_text().splitlines()


def test_there_are_twenty_right_ports():
    assert len({port.title for port in correct_ports.PORTS}) == len(correct_ports.PORTS) >= 20
    assert of_right_ports(0) in PAGE.read_text().splitlines()


if __name__ == "__main__":
    torch.set_num_threads(1)
    text = page({port.title: alarm(port, None) for port in correct_ports.PORTS})
    PAGE.write_text(text)
    print(text.removeprefix(INTRODUCTION))
    for one in of_half("visible"):
        if not one.right:
            print(f"- {one.title}: {one.said}. {one.evidence}")
