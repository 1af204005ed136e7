"""A page of docs/coming-from: its blocks run, and every row of its tables is tested as it is written.

A table whose third column is *numbers* has two calls a row, and that column says what is required of them:

- ``equal``: no value differs by more than 1e-5 of the greatest; ``equal to 1e-3``: of that bound, whose reason follows
- ``within 5 %``: both draw, each its own numbers; that is the relative L2 of the difference
- ``other``: the numbers differ, for the reason that follows
- ``fails``: their call raises
- ``not here``: the names exist in their library; the second column says what to do instead

So a row cannot say more than its test. Blocks are fenced as ``py``: those fenced as ``python`` are run by the tests of
the guides too, where nothing stands in for torchvision.
"""

from __future__ import annotations

import re
import sys
import types
import warnings
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[2] / "docs" / "coming-from"
_BLOCK = re.compile(r"^```py\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_NUMBERS = re.compile(
    r"(?P<kind>equal|within|other|fails|not here)(?: to (?P<bound>\d\S*?))?(?: (?P<percent>\d+) %)?(?:: .+)?"
)
_EQUAL = 1e-5


class Page:
    """A page by its name, without the ending.

    Parameters
    ----------
    name : str
        For example ``"captum"``.
    """

    def __init__(self, name: str) -> None:
        self.path = FOLDER / f"{name}.md"
        self.text = self.path.read_text(encoding="utf-8")
        self.rows = _rows_of(self.text)

    def run(self, folder: Path) -> dict[str, Any]:
        """Run the blocks in order in `folder`, a warning of ours being an error, and give the names they make."""
        # A module of its own, so that classes of the page know where they live.
        module = types.ModuleType(f"coming_from_{self.path.stem.replace('-', '_')}")
        sys.modules[module.__name__] = module
        with chdir(folder), warnings.catch_warnings():
            import explain

            warnings.simplefilter("error", explain.errors.ExplainWarning)
            for block in _BLOCK.finditer(self.text):
                # As many line ends before it as put its lines where the page has them.
                lines_before = "\n" * self.text.count("\n", 0, block.start(1))
                exec(compile(lines_before + block.group(1), str(self.path), "exec"), module.__dict__)
        return module.__dict__

    def lacks(self, names: Any) -> list[str]:
        """Give those of the names that no code of the page's prose and tables mentions."""
        codes = " ".join(_CODE.findall(_BLOCK.sub("", self.text)))
        return sorted(name for name in names if not re.search(rf"\b{re.escape(name)}\b", codes))


@dataclass(frozen=True)
class Row:
    """A row of a table: two calls, and what the page says of their numbers."""

    theirs: str
    here: str
    kind: str
    bound: float
    line: int

    def check(self, names: dict[str, Any]) -> None:
        """Require of the two calls what the row says; `names` are those that the page's blocks made."""
        with warnings.catch_warnings(action="ignore"):
            if self.kind == "not here":
                assert all(callable(eval(code, names)) for code in _CODE.findall(self.theirs))
            elif self.kind == "fails":
                assert _raises(_only_code(self.theirs), names), "their call works: compare the numbers"
                assert np.isfinite(_value(self.here, names)).all()
            else:
                self._compare(_value(self.theirs, names), _value(self.here, names))

    def _compare(self, theirs: np.ndarray, here: np.ndarray) -> None:
        assert np.isfinite(theirs).all()
        assert np.isfinite(here).all()
        assert theirs.any()
        if self.kind == "equal":
            np.testing.assert_allclose(
                here, theirs, rtol=0, atol=self.bound * np.abs(theirs).max(), strict=True
            )
        elif self.kind == "within":
            assert here.shape == theirs.shape
            assert _apart(here, theirs) < self.bound
        else:
            assert here.shape != theirs.shape or _apart(here, theirs) > 1e-3, "the numbers do not differ"


def _apart(here: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(here - theirs) / np.linalg.norm(theirs))


def _rows_of(text: str) -> list[Row]:
    """Find the rows of tables whose last column is *numbers*; one that says something else of them is an error."""
    rows, inside = [], False
    for number, line in enumerate(text.splitlines(), start=1):
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not line.startswith("|"):
            inside = False
        elif cells[-1] == "numbers":
            inside = True
        elif inside and not line.startswith("|---"):
            theirs, here, numbers = cells
            said = _NUMBERS.fullmatch(numbers)
            assert said, f"{numbers!r} in line {number} says nothing that can be tested"
            bound = (
                float(said["percent"]) / 100 if said["kind"] == "within" else float(said["bound"] or _EQUAL)
            )
            rows.append(Row(theirs, here, said["kind"], bound, number))
    return rows


def _only_code(cell: str) -> str:
    (code,) = _CODE.findall(cell)
    assert cell == f"`{code}`", f"a cell that is compared is one call, and nothing else: {cell}"
    return str(code)


def _raises(code: str, names: dict[str, Any]) -> bool:
    try:
        eval(code, names)
    except Exception:
        return True
    return False


def _value(cell: str, names: dict[str, Any]) -> np.ndarray:
    """Give what a call returns, a tensor or an Attribution, as an array of double precision."""
    found = eval(_only_code(cell), names)
    if hasattr(found, "detach"):
        found = found.detach().cpu().numpy()
    return np.asarray(getattr(found, "values", found), np.float64)
