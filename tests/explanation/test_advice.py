"""The advice of every refusal and warning is followed once, in the tables of `tests/advice`."""

from __future__ import annotations

from collections import Counter

import pytest
from advice import (
    arguments,
    attention,
    callbacks,
    files,
    functions,
    inventory,
    maps,
    methods,
    metric_results,
    metrics,
    migration,
    model_files,
    newcomers,
    opening,
    outputs,
    reports,
    results,
    strings,
    texts,
)

TABLES = (
    arguments,
    attention,
    callbacks,
    files,
    functions,
    maps,
    methods,
    metric_results,
    metrics,
    migration,
    model_files,
    newcomers,
    opening,
    outputs,
    reports,
    results,
    strings,
    texts,
)
ADVICE = [one for table in TABLES for one in table.ADVICE]
CASES = [
    pytest.param(one, kit, id=f"{table.__name__.rpartition('.')[2]}-{number}-{kit}")
    for table in TABLES
    for number, one in enumerate(table.ADVICE)
    for kit in one.on
]


@pytest.mark.parametrize(("advice", "framework"), CASES)
def test_advice_is_followed(advice, framework, request):
    advice.check(request.getfixturevalue(f"{framework}_kit"))


@pytest.fixture(scope="module")
def sites():
    return inventory.sites()


def test_every_refusal_has_advice_that_is_followed(sites):
    """Whoever adds an error or a warning adds a row to a table of `tests/advice`."""
    words = [*(one.says for one in ADVICE), *inventory.WITHOUT_A_CALL]
    classes = {one.error.__name__ for one in ADVICE}
    missing = [
        f"{site.where} {site.kind}: {max(site.pieces, key=len, default='')[:80]!r}"
        for site in sites
        if not (any(map(site.has, words)) if site.pieces else site.kind in classes)
    ]
    assert not missing, "no row follows the advice of\n" + "\n".join(missing)


def test_every_row_is_of_a_message_of_the_sources():
    texts = inventory.literals()
    rows = [*(one.says for one in ADVICE), *inventory.WITHOUT_A_CALL]
    assert not [says for says in rows if not any(says in text for text in texts)]


def test_a_row_is_of_one_message_of_a_file(sites):
    """Words that several messages share would let one of them pass without its own row."""
    texts = {(site.file, piece) for site in sites for piece in site.pieces}
    for says in {one.says for one in ADVICE}:
        found = Counter(file for file, piece in texts if says in piece)
        assert max(found.values(), default=1) == 1, (
            f"{says!r} is in several messages of {found.most_common(1)}"
        )
