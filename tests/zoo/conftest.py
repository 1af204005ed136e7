"""Tiny data sets of the real formats, made on the spot."""

from __future__ import annotations

import functools
import gzip
import http.server
import io
import struct
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs
import pytest
from PIL import Image

from explain.zoo.labels import CIFAR10_CLASSES, LANGUAGES


def _idx_file(values: npt.NDArray[np.uint8]) -> bytes:
    """The gzipped IDX file that holds `values`."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return gzip.compress(header + values.tobytes())


def _cifar_binary_archive(records: dict[str, npt.NDArray[np.uint8]]) -> bytes:
    """A tar of batches, each of rows of a label and 3072 channels-first pixels."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, rows in records.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = rows.nbytes
            archive.addfile(member, io.BytesIO(rows.tobytes()))
    return buffer.getvalue()


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as EXPLAIN_DATA names one: 40 + 20 pictures, 300 + 10 of clothing, 10 names a language."""
    generator = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "cifar10-jpeg.zip", "w") as archive:
        for split, count in (("train", 4), ("test", 2)):
            for label, name in enumerate(CIFAR10_CLASSES):
                for number in range(count):
                    # A flat grey survives JPEG: its level tells class and number.
                    picture = Image.new("RGB", (32, 32), (20 * label + number,) * 3)
                    buffer = io.BytesIO()
                    picture.save(buffer, "JPEG", quality=95)
                    archive.writestr(f"{split}/{name}/{number:04d}.jpg", buffer.getvalue())
    clothes = tmp_path / "fashion_mnist"
    clothes.mkdir()
    for prefix, count in (("train", 300), ("t10k", 10)):
        pictures = generator.integers(0, 256, size=(count, 28, 28), dtype=np.uint8)
        (clothes / f"{prefix}-images-idx3-ubyte.gz").write_bytes(_idx_file(pictures))
        labels = np.arange(count, dtype=np.uint8) % 10
        (clothes / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(_idx_file(labels))
    names = tmp_path / "names"
    names.mkdir()
    for language in LANGUAGES:
        lines = [f"{language}é{'abcdefghij'[number]}" for number in range(10)]
        # A name that is repeated must not be in both splits.
        (names / f"{language}.txt").write_text("\n".join([*lines, *lines[:3], ""]), encoding="utf-8")
    monkeypatch.setenv("EXPLAIN_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user cache, with no EXPLAIN_DATA beside it."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.delenv("EXPLAIN_DATA", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_: folder)
    return folder


@pytest.fixture
def site(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which this machine serves it, for downloads without a network."""
    folder = tmp_path_factory.mktemp("site")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def idx_file() -> Callable[[npt.NDArray[np.uint8]], bytes]:
    """Makes gzipped IDX files."""
    return _idx_file


@pytest.fixture
def cifar_binary_archive() -> Callable[[dict[str, npt.NDArray[np.uint8]]], bytes]:
    """Makes archives like the binary version of CIFAR-10."""
    return _cifar_binary_archive
