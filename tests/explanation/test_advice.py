"""The advice of every refusal and warning is followed once, in the tables of `tests/advice`."""

from __future__ import annotations

import pytest
from advice import arguments, methods, outputs

ADVICE = [*arguments.ADVICE, *methods.ADVICE, *outputs.ADVICE]
CASES = [
    pytest.param(one, kit, id=f"{number}-{kit}-{one.says.strip()[:40]}")
    for number, one in enumerate(ADVICE)
    for kit in one.on
]


@pytest.mark.parametrize(("advice", "framework"), CASES)
def test_advice_is_followed(advice, framework, request):
    advice.check(request.getfixturevalue(f"{framework}_kit"))
