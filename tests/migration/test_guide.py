"""What the guide says of the check is what the check does."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from explain.migration.diagnosis.known_causes import CAUSES
from explain.migration.report import Tolerances

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "guides" / "migration.md").read_text(encoding="utf-8")


def section(title):
    return GUIDE.partition(f"\n## {title}")[2].partition("\n## ")[0]


def test_every_cause_is_there_and_no_other():
    rows = [line.split("|")[1] for line in section("The causes").splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`([^`]+)`", " ".join(rows))) == sorted(CAUSES)


def test_the_tolerances_are_the_defaults():
    rows = [line.split(" | ") for line in section("What is compared").splitlines() if line.startswith("| `")]
    assert {row[0].strip("| `"): float(row[2]) for row in rows} == asdict(Tolerances())


@pytest.mark.parametrize("name", ["migration", "porting"])
def test_the_picture_is_there(name):
    assert f"../images/{name}.png" in (DOCS / "guides" / f"{name}.md").read_text(encoding="utf-8")
    with Image.open(DOCS / "images" / f"{name}.png") as picture:
        assert min(picture.size) > 600
