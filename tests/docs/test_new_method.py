"""The guide to a new method, followed to the letter in a copy of the package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from docs.pages import apply, block_after

import explain

PACKAGE = Path(explain.__file__).parent
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "new-method.md"
FILE = "src/explain/algorithms/gradient/first_order_taylor.py"
TEST = "tests/algorithms/gradient/test_first_order_taylor.py"


def test_the_guides_method_is_added_by_its_file_its_name_and_its_test(tmp_path):
    guide = GUIDE.read_text(encoding="utf-8")
    shutil.copytree(PACKAGE, tmp_path / "src" / "explain", ignore=shutil.ignore_patterns("*.pyc.*"))
    (tmp_path / FILE).write_text(block_after(guide, f"`{FILE}`:\n", "python"), encoding="utf-8")
    apply(
        block_after(guide, "## Its name in the list\n", "diff"),
        tmp_path / "src" / "explain" / "algorithms" / "catalogue.py",
    )
    (tmp_path / TEST).parent.mkdir(parents=True)
    (tmp_path / TEST).write_text(
        block_after(guide, f"`{TEST}`:\n", "python")
        + f"""

def test_the_row_is_in_the_catalogue_of_this_copy():
    assert explain.__file__.startswith({str(tmp_path)!r})
    names = [row.name for row in explain.methods()]
    assert names[:4] == ["saliency", "input_x_gradient", "first_order_taylor", "smoothgrad"]
    assert explain.methods()[2].family == "gradient"
""",
        encoding="utf-8",
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:pytest_cov", TEST],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout
