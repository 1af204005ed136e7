"""What reading files says while it runs."""

from __future__ import annotations

from PIL import Image

import explain


def test_reading_pictures_shows_how_far_it_is(tmp_path, capsys):
    for number in range(3):
        Image.new("RGB", (8, 8), "red").save(tmp_path / f"{number}.png")
    with explain.progress(True):
        explain.preprocessing.read(tmp_path, divide_by=255)
    said = capsys.readouterr()
    assert "read: pictures" in said.err
    assert said.out == ""
