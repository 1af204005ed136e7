"""Names of output files stay in their folder."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest

from explain.files.safe_names import safe_name

HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows\\system32",
    "..",
    ".",
    "",
    "   ",
    "a\0b",
    "\x1b[2Jclear",
    "con",
    "NUL.png",
    "lpt1",
    "-rf",
    ".bashrc",
    "a" * 5000,
    "ü" * 200,
    "name.",
    "bad\udcff byte",
    "a\u202egnp.exe",
    "line\nbreak",
    "*?<>|",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_out_of_its_folder(name, tmp_path):
    safe = safe_name(name)
    assert safe
    assert safe.isprintable()
    assert len(safe.encode()) <= 120
    assert not safe.startswith(".")
    assert PureWindowsPath(safe).name == safe
    assert not PureWindowsPath(safe).is_reserved()
    target = tmp_path / f"{safe}.png"
    target.write_bytes(b"")
    assert target.resolve().parent == tmp_path.resolve()
    assert list(tmp_path.iterdir()) == [target]


def test_names_differ_on_file_systems_that_ignore_case():
    taken = []
    for name in ["cat.png", "CAT.png", "cat.png", "a/cat.png", "a\\cat.png", "x" * 200, "x" * 201]:
        taken.append(safe_name(name, taken))
    assert len({Path(name).name.casefold() for name in taken}) == len(taken)
    assert taken[:3] == ["cat.png", "CAT.png_2", "cat.png_3"]


def test_plain_names_stay():
    for name in ["cat.png", "Größe 2", "猫.jpg", "a-b_c"]:
        assert safe_name(name) == name
