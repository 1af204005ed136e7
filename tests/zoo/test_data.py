"""Data sets: readers on tiny files of the real formats, where they are looked for, and bad files refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from explain.errors import DataError, ZooError
from explain.files.atomic_write import replace_file
from explain.zoo import download
from explain.zoo.data import dataset
from explain.zoo.labels import LANGUAGES
from explain.zoo.preprocessing import spell
from explain.zoo.readers import read_cifar_binary, read_idx, read_jpeg_archive

Bytes = Callable[..., bytes]
Site = tuple[Path, str]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_pictures_of_a_jpeg_archive(data_folder: Path) -> None:
    data = dataset("cifar10")
    assert data.train.x.shape == (40, 32, 32, 3)
    assert data.test.x.shape == (20, 32, 32, 3)
    assert data.train.x.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(data.test.y), np.full(10, 2))
    levels = data.train.x.mean(axis=(1, 2, 3))
    # JPEG rounds a flat picture by up to a level, and its colours once more.
    np.testing.assert_allclose(levels, 20 * data.train.y + np.tile(np.arange(4), 10), atol=1.5)


def test_pictures_of_the_binary_version(tmp_path: Path, cifar_binary_archive: Bytes) -> None:
    generator = np.random.default_rng(0)
    batches = {f"data_batch_{number}.bin": 2 for number in range(1, 6)} | {"test_batch.bin": 3}
    records = {
        name: generator.integers(0, 256, size=(count, 3073), dtype=np.uint8)
        for name, count in batches.items()
    }
    for rows in records.values():
        rows[:, 0] %= 10
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(cifar_binary_archive(records))
    pictures, labels = read_cifar_binary(path, "train")
    assert pictures.shape == (10, 32, 32, 3)
    last = records["data_batch_5.bin"][1]
    assert labels[-1] == last[0]
    # The file holds all red pixels, then all green, then all blue, each row by row.
    assert pictures[-1, 4, 7, 2] == last[1 + 2 * 1024 + 4 * 32 + 7]
    assert len(read_cifar_binary(path, "test")[1]) == 3


def test_idx_files(data_folder: Path, idx_file: Bytes) -> None:
    data = dataset("fashion_mnist")
    assert data.train.x.shape == (300, 28, 28)
    assert data.test.y.tolist() == list(range(10))
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = data_folder / "values.gz"
    path.write_bytes(idx_file(values))
    np.testing.assert_array_equal(read_idx(path), values)


def test_names_are_split_by_language_without_overlap(data_folder: Path) -> None:
    data = dataset("names")
    assert data.classes == LANGUAGES
    np.testing.assert_array_equal(np.bincount(data.train.y), np.full(18, 8))
    np.testing.assert_array_equal(np.bincount(data.test.y), np.full(18, 2))
    train, test = (spell(split.x, split.lengths) for split in (data.train, data.test))
    assert not set(train) & set(test)
    assert all(name.startswith(LANGUAGES[label] + "e") for name, label in zip(test, data.test.y, strict=True))
    again = dataset("names")
    np.testing.assert_array_equal(data.test.x, again.test.x)


def test_unknown_data_set() -> None:
    with pytest.raises(ZooError, match=r"Did you mean 'cifar10'\?"):
        dataset("cifar")


def test_a_stated_folder_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLAIN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"EXPLAIN_DATA=.*nowhere' is not a folder"):
        dataset("names")


def test_a_damaged_archive_of_pictures(data_folder: Path) -> None:
    path = data_folder / "cifar10-jpeg.zip"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="put a good copy in its place"):
        dataset("cifar10")


def test_an_archive_with_an_unknown_class_or_without_the_split(data_folder: Path) -> None:
    path = data_folder / "cifar10-jpeg.zip"
    with pytest.raises(DataError, match="cannot be read"):
        read_jpeg_archive(path, "train", ("airplane",))
    with pytest.raises(DataError, match="no picture under validation/CLASS/"):
        read_jpeg_archive(path, "validation", ())


def test_a_binary_batch_of_the_wrong_size(tmp_path: Path, cifar_binary_archive: Bytes) -> None:
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(cifar_binary_archive({"test_batch.bin": np.zeros(100, np.uint8)}))
    with pytest.raises(DataError, match="100 bytes, not a multiple of 3073"):
        read_cifar_binary(path, "test")
    with pytest.raises(DataError, match=r"data_batch_1\.bin"):
        read_cifar_binary(path, "train")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not gzip",
        gzip.compress(b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00"),
        gzip.compress(b"\x00\x00\x08\x01\x00\x00\x00\x05\x00"),
        gzip.compress(bytes(1000))[:-10],
    ],
    ids=["empty", "foreign", "floats", "short", "cut"],
)
def test_damaged_idx_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged\.gz cannot be read"):
        read_idx(path)


def test_pictures_and_labels_of_different_number(data_folder: Path, idx_file: Bytes) -> None:
    path = data_folder / "fashion_mnist" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(idx_file(np.zeros(9, np.uint8)))
    with pytest.raises(DataError, match="10 pictures but 9 labels"):
        dataset("fashion_mnist")


@pytest.mark.parametrize("content", [b"\n", b"\xff\xfe\n", None], ids=["empty", "not UTF-8", "missing"])
def test_damaged_names(data_folder: Path, content: bytes | None) -> None:
    path = data_folder / "names" / "Greek.txt"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"Greek\.txt cannot be read"):
        dataset("names")


def test_cifar10_is_downloaded_once_and_checked(
    cache: Path, site: Site, cifar_binary_archive: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = site
    rows: npt.NDArray[np.uint8] = np.zeros((1, 3073), np.uint8)
    batches = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    content = cifar_binary_archive(dict.fromkeys(batches, rows))
    (folder / "cifar-10-binary.tar.gz").write_bytes(content)
    monkeypatch.setattr(
        download, "CIFAR10", download.Download(f"{address}/cifar-10-binary.tar.gz", sha256(content))
    )
    assert len(dataset("cifar10").train) == 5
    (folder / "cifar-10-binary.tar.gz").unlink()
    assert len(dataset("cifar10").test) == 1


def test_a_corrupt_download_is_refused_and_not_kept(
    cache: Path, site: Site, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = site
    (data_folder / "cifar10-jpeg.zip").unlink()
    (folder / "cifar-10-binary.tar.gz").write_bytes(b"something else")
    monkeypatch.setattr(
        download, "CIFAR10", replace(download.CIFAR10, url=f"{address}/cifar-10-binary.tar.gz")
    )
    with pytest.raises(DataError, match="is not the file it should be"):
        dataset("cifar10")
    assert not list(cache.rglob("*.tar.gz"))


def test_a_download_that_fails(cache: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    address = site[1]
    monkeypatch.setattr(
        download, "FASHION_MNIST", (replace(download.FASHION_MNIST[0], url=f"{address}/absent.gz"),)
    )
    with pytest.raises(DataError, match="set the environment variable EXPLAIN_DATA"):
        dataset("fashion_mnist")


def names_archive(names: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for language, content in names.items():
            archive.writestr(f"data/names/{language}.txt", content)
    return buffer.getvalue()


def test_downloaded_names_are_checked_file_by_file(
    cache: Path, site: Site, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EXPLAIN_DATA")
    folder, address = site
    contents = {language: (data_folder / "names" / f"{language}.txt").read_bytes() for language in LANGUAGES}
    (folder / "data.zip").write_bytes(names_archive(contents))
    monkeypatch.setattr(download, "NAMES", replace(download.NAMES, url=f"{address}/data.zip"))
    with pytest.raises(
        DataError, match=r"Arabic\.txt in .*data\.zip has the SHA-256 .* Delete .* downloaded again"
    ):
        dataset("names")
    assert not list(cache.rglob("*.txt"))
    monkeypatch.setattr(
        download, "NAMES_SHA256", {language: sha256(content) for language, content in contents.items()}
    )
    assert len(dataset("names").test) == 36
    (folder / "data.zip").unlink()
    assert len(dataset("names").test) == 36


def test_an_archive_of_names_that_lacks_a_language(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    path.write_bytes(names_archive({"Arabic": b""}))
    with pytest.raises(DataError, match=r"Chinese\.txt"):
        download.extract_names(path, tmp_path / "names")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")

    def refuse(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="no"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
