"""Arrays from .npy and .npz files: as NumPy reads them, and never unpickled."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

import explain
from explain.errors import InputError
from explain.inputs.readers.array_files import read_npy, read_npz
from explain.preprocessing import read


def npy(array, version=None):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version)
    return stream.getvalue()


def declared(text, version=b"\x01\x00"):
    """A file with a header of one's own."""
    header = text.encode("latin1") + b"\n"
    size = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + header


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        np.array(3.5),
        np.zeros((0, 3)),
        np.array([[True, False]]),
        np.array([1 + 2j]),
        np.array(["ab", "c"]),
    ],
    ids=range(7),
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_arrays_are_those_that_numpy_reads(array, version):
    content = npy(array, version)
    found = read_npy(io.BytesIO(content), "a.npy", len(content))
    expected = np.load(io.BytesIO(content), allow_pickle=False)
    np.testing.assert_array_equal(found, expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    found += found  # It is the caller's own, not the file's.


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


HOSTILE = {
    "objects": npy(np.array([1, "a"], dtype=object)),
    "a pickle": pickle.dumps(Evil()),
    "an object that runs code": npy(np.array([Evil()], dtype=object)),
    "records": npy(np.zeros(2, dtype=[("a", "f4"), ("b", "i4")])),
    "ten terabytes": declared("{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000000,), }"),
    "more than numbers hold": declared(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (10" + "0" * 40 + ",), }"
    ),
    "negative": declared("{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }"),
    "code": declared("__import__('os').system('touch evil')"),
    "no mapping": declared("[1, 2]"),
    "deep": declared("(" * 5000 + ")" * 5000),
    "unknown version": declared("{}", b"\x09\x00"),
    "a long header": declared("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + " " * 60_000),
    "empty": b"",
    "short": npy(np.arange(10.0))[:-8],
    "nothing but a beginning": b"\x93NUMPY",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_a_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npy").write_bytes(HOSTILE[name])
    with pytest.raises(InputError, match=r"^x\.npy") as caught:
        read("x.npy")
    assert "allow_pickle" not in str(caught.value)
    assert not (tmp_path / "evil").exists()
    with pytest.raises(InputError):
        read("-", standard_input=io.BytesIO(HOSTILE[name]), format="npy")


def archive(**entries):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as found:
        for name, content in entries.items():
            found.writestr(name, content)
    return stream.getvalue()


def test_archives(tmp_path):
    np.savez(tmp_path / "one.npz", np.eye(2))
    np.savez_compressed(tmp_path / "two.npz", left=np.eye(2), right=np.ones((2, 3)))
    np.testing.assert_array_equal(read(tmp_path / "one.npz").x, np.eye(2))
    both = read(tmp_path / "two.npz")
    assert {name: value.shape for name, value in both.x.items()} == {"left": (2, 2), "right": (2, 3)}
    assert len(both) == 2
    np.testing.assert_array_equal(read(tmp_path / "two.npz", array="right").x, np.ones((2, 3)))


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path, monkeypatch):
    from explain.inputs.readers import limits

    monkeypatch.setattr(limits, "bytes_to_read", lambda: 10**6)
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros(10**6))
    assert (tmp_path / "bomb.npz").stat().st_size < 10**5
    with pytest.raises(InputError, match="at most 1 MB"):
        read(tmp_path / "bomb.npz")


@pytest.mark.parametrize(
    "content",
    [
        archive(**{"../../evil.txt": b"text"}),
        archive(**{"x.npy": HOSTILE["objects"]}),
        archive(**{"x.npy": HOSTILE["ten terabytes"]}),
        archive(**{"x.npy": npy(np.eye(3))})[:-30],
        b"PK\x03\x04" + bytes(50),
        archive(),
    ],
    ids=range(6),
)
def test_hostile_archives(content):
    with pytest.raises(InputError, match=r"x\.npz"):
        read_npz(io.BytesIO(content), "x.npz")


def test_a_saved_attribution_is_a_result_and_no_input(tmp_path):
    samples = explain.zoo.samples("cifar_net")
    made = explain.attribute(explain.zoo.load("cifar_net"), samples.x[:1], "saliency")
    path = made.save(tmp_path / "cat.npz")
    with pytest.raises(InputError, match=r"is a saved attribution.*explain show cat\.npz"):
        read(path)


def test_several_batches_are_joined(tmp_path):
    for number in (2, 10, 1):
        np.save(tmp_path / f"{number}.npy", np.full((1, 3), number))
    assert read(tmp_path).x[:, 0].tolist() == [1, 2, 10]


def test_arrays_of_pixels_are_prepared_as_pictures_are(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    with pytest.raises(InputError, match="a wrong guess"):
        read(tmp_path / "x.npy")
    inputs = read(tmp_path / "x.npy", preprocessing="tf")
    np.testing.assert_array_equal(inputs.x, pixels.astype(np.float32) / np.float32(127.5) - 1)
    assert inputs.layout == "NHWC"
    # Of any other dtype they are the model's input already.
    np.save(tmp_path / "y.npy", inputs.x)
    np.testing.assert_array_equal(read(tmp_path / "y.npy").x, inputs.x)
