"""Files of every format, damaged at random: read, or refused with a sentence; never another error."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pandas
import pytest
import soundfile
from PIL import Image

from explain.errors import ExplainError
from explain.preprocessing import read

NOISE = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def stored(save):
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


def picture(suffix):
    return "picture", stored(lambda stream: Image.fromarray(NOISE).save(stream, suffix))


def sound(suffix):
    return "sound", stored(lambda stream: soundfile.write(stream, np.zeros(50), 8000, format=suffix))


WHOLE = {
    **{suffix: picture(suffix) for suffix in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")},
    **{suffix: sound(suffix) for suffix in ("WAV", "FLAC", "OGG")},
    "npy": ("npy", stored(lambda stream: np.save(stream, np.eye(3)))),
    "npz": ("npz", stored(lambda stream: np.savez_compressed(stream, a=np.eye(3), b=np.ones(3)))),
    "csv": ("csv", b"a,b,c\n1,2,3\n4,5,6\n1.5,2,9\n"),
    "parquet": ("parquet", stored(pandas.DataFrame({"a": [1.0, 2], "b": [3, 4]}).to_parquet)),
    "text": ("text", "Ein Stück\nein Film\n".encode()),
}


def damaged(content, generator):
    found = bytearray(content)
    way, place = generator.integers(3), int(generator.integers(len(found)))
    if way == 0:
        for _ in range(generator.integers(1, 4)):
            found[generator.integers(len(found))] = generator.integers(256)
    elif way == 1:
        del found[place:]
    else:
        found[place : place + 4] = b"\xff\xff\xff\x7f"
    return bytes(found)


@pytest.mark.parametrize("name", WHOLE)
def test_damaged_files_are_read_or_refused(name, tmp_path):
    kind, content = WHOLE[name]
    options = {"preprocessing": "none"} if kind == "picture" else {}
    generator = np.random.default_rng(1)
    path = tmp_path / "damaged.bin"
    for number in range(80):
        broken = damaged(content, generator)
        path.write_bytes(broken)
        source = path if number % 2 else "-"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of Pillow and pandas, on what they make of it.
            try:
                read(source, format=kind, standard_input=io.BytesIO(broken), **options)
            except ExplainError as refused:
                assert "allow_pickle" not in str(refused)  # noqa: PT017
