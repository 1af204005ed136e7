"""Saving and loading: every field, the same bytes, no pickle, and what is no such file."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import explain
from explain import Attribution, Display
from explain.errors import AttributionFileError, InputError
from explain.inputs.text.tokens import Text, Token

_generator = np.random.default_rng(0)


@pytest.fixture
def full() -> Attribution:
    """An attribution in which no field has its default."""
    return Attribution(
        values=_generator.normal(size=(2, 5, 3)).astype(np.float32),
        inputs=_generator.normal(size=(2, 5, 3)).astype(np.float32),
        layout="NTC",
        method="integrated_gradients",
        scores=_generator.normal(size=2),
        engine="captum",
        framework="torch",
        model="Net",
        layer="conv2",
        neuron=(4, (1, 3, 0)),
        target=(1, (0, 2)),
        score="probability",
        predicted=np.array([1, 0]),
        baseline=_generator.normal(size=(2, 5, 3)).astype(np.float32),
        baseline_rule={"rule": "uniform", "bounds": [0.0, 1.0], "seed": 3},
        delta=_generator.normal(size=2),
        relative_delta=np.abs(_generator.normal(size=2)),
        steps=np.array([15, 45]),
        rule="midpoint",
        map_error=np.array([0.0125, np.inf]),
        batch_size=64,
        mask=np.array([[True] * 5, [True] * 3 + [False] * 2]),
        nodes=_generator.random((2, 2, 5)),
        history=_generator.normal(size=(4, 2)),
        options={"n_steps": 50, "rule": "midpoint"},
        seed=7,
        versions={"explain": "0.1.0", "numpy": np.__version__},
        notes=("The first – with a dash.", "The second."),
        input_name="steps",
        reduce="norm",
        together=("steps", "table"),
        fingerprint="0123abcd",
        checks=(
            {"name": "other seeds", "value": 0.5, "words": "The map depends on the seed.", "doubtful": True},
        ),
        display=Display(
            mean=(0.1, 0.2, 0.3),
            scale=2.0,
            bounds=(-1.0, 1.0),
            classes=("cat", "Señor"),
            step_names=(("a", "b"), ("c",)),
            feature_names=("x", "y", "z"),
        ),
        texts=(
            Text("<a> film", (Token("<a>", 0, "special"), Token("film", 1, space=True)), "was", " is"),
            Text("b", (Token("b", 0), Token("", 1, "padding"))),
        ),
    )


def test_every_field_comes_back(full, tmp_path):
    loaded = explain.load(full.save(tmp_path / "a.npz"))
    defaults = Attribution(full.values, full.inputs, "NTC", "m", full.scores)
    for field in fields(Attribution):
        before, after = getattr(full, field.name), getattr(loaded, field.name)
        if isinstance(before, np.ndarray):
            assert before.dtype == after.dtype, field.name
            np.testing.assert_array_equal(before, after)
        else:
            assert before == after, field.name
            # Otherwise a field that is not saved would go unnoticed.
            assert field.name == "layout" or before != getattr(defaults, field.name), field.name


def test_empty_optional_fields_come_back(tmp_path):
    ones = np.ones((1, 2), np.float32)
    plain = Attribution(
        values=ones, inputs=ones, layout="NC", method="saliency", scores=ones[:, 0], target=(None,)
    )
    loaded = explain.load(plain.save(tmp_path / "a"))
    assert loaded.baseline is None
    assert loaded.mask is None
    assert loaded.target == (None,)
    assert loaded.display == Display()


def test_numpy_scalars_in_plain_fields(tmp_path):
    ones = np.ones((1, 2), np.float32)
    made = Attribution(
        ones,
        ones,
        "NC",
        "ig",
        ones[:, 0],
        target=(np.int64(3),),
        options={"n_steps": np.int32(5)},
        seed=np.int64(2),
    )
    loaded = explain.load(made.save(tmp_path / "a.npz"))
    assert (loaded.target, loaded.options, loaded.seed) == ((3,), {"n_steps": 5}, 2)


def test_result_of_a_real_call_comes_back(kit, tmp_path):
    x = np.ones((2, 4), np.float32)
    made = explain.attribute(
        kit.dense([(np.ones((4, 3)), np.zeros(3))]), x, "ig", bounds=(0, 1), baseline="uniform"
    )
    loaded = explain.load(made.save(tmp_path / "a.npz"))
    np.testing.assert_array_equal(loaded.values, made.values)
    np.testing.assert_array_equal(loaded.baseline, made.baseline)
    for name in ("target", "options", "versions", "baseline_rule", "framework", "model", "notes"):
        assert getattr(loaded, name) == getattr(made, name)


def test_same_bytes_twice(full, tmp_path, monkeypatch):
    import time

    first = full.save(tmp_path / "a.npz").read_bytes()
    # A later day: the archive's time stamps must not tell.
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2_000_000_000))
    assert full.save(tmp_path / "b.npz").read_bytes() == first


def test_name_gets_its_suffix_and_folders_are_made(full, tmp_path):
    path = full.save(str(tmp_path / "new" / "folder" / "result"))
    assert path == tmp_path / "new" / "folder" / "result.npz"
    assert [one.name for one in path.parent.iterdir()] == ["result.npz"]
    # The name that was saved is the name to load.
    assert explain.load(tmp_path / "new" / "folder" / "result") == full


def test_a_file_without_a_suffix_is_read_itself(full, tmp_path):
    path = full.save(tmp_path / "a")
    other = replace(full, values=-full.values)
    (tmp_path / "a").write_bytes(other.save(tmp_path / "b").read_bytes())
    assert explain.load(tmp_path / "a") == other
    assert explain.load(path) == full
    assert explain.load(str(tmp_path / "a.npz").encode()) == full
    upper = full.save(tmp_path / "C.NPZ")
    assert upper.name == "C.NPZ"
    assert explain.load(upper) == full


@pytest.mark.parametrize("name", ["a.png", "a.v2", "a.npy", "A.PDF", "a.npz.bak"])
def test_another_suffix_is_refused(full, tmp_path, name):
    with pytest.raises(InputError) as caught:
        full.save(tmp_path / name)
    message = str(caught.value)
    assert str(tmp_path / name) in message
    is_picture = name.lower().endswith(("png", "pdf"))
    assert ("plot().savefig" in message) == is_picture
    # The name that it proposes works.
    proposed = message.partition("give '")[2].partition("'")[0]
    assert explain.load(full.save(proposed)) == full
    assert [one.suffix for one in tmp_path.iterdir()] == [".npz"]


@pytest.mark.parametrize("name", ["", "folder/", "..", 3, None])
def test_what_names_no_file_is_refused(full, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        full.save(name)
    assert list(tmp_path.iterdir()) == []


def test_open_files_and_buffers(full, tmp_path):
    buffer = io.BytesIO()
    assert full.save(buffer) is None
    with pytest.raises(AttributionFileError, match=r"seek\(0\)"):
        explain.load(buffer)
    buffer.seek(0)
    assert explain.load(buffer) == full
    with open(tmp_path / "a.bin", "wb") as file:
        full.save(file)
        with pytest.raises(AttributionFileError, match="mode='rb'"):
            explain.load(file)
    with open(tmp_path / "a.bin", "rb") as file:
        assert explain.load(file) == full
    assert (tmp_path / "a.bin").read_bytes() == full.save(tmp_path / "b").read_bytes()
    with open(tmp_path / "text", "w") as file, pytest.raises(InputError, match="mode='wb'"):
        full.save(file)
    with open(tmp_path / "text") as file, pytest.raises(AttributionFileError, match="mode='rb'"):
        explain.load(file)
    with pytest.raises(AttributionFileError, match=r"BytesIO is not a saved attribution"):
        explain.load(io.BytesIO(b"no archive"))


def test_a_folder_and_a_text(full, tmp_path):
    with pytest.raises(AttributionFileError, match=r"is a folder.*it has no \.npz file"):
        explain.load(tmp_path)
    full.save(tmp_path / "a")
    with pytest.raises(AttributionFileError, match=r"is a folder.*'a\.npz'"):
        explain.load(tmp_path)
    (tmp_path / "notes.txt").write_text("not an archive")
    with pytest.raises(AttributionFileError, match=r"notes\.txt is not a saved attribution: it is no \.npz"):
        explain.load(tmp_path / "notes.txt")
    with pytest.raises(AttributionFileError, match="is a list"):
        explain.load([1, 2])
    # A folder of the name without its suffix is not the file.
    (tmp_path / "b").mkdir()
    full.save(tmp_path / "b")
    assert explain.load(tmp_path / "b") == full


def test_file_is_an_ordinary_one(full, tmp_path):
    (tmp_path / "other").touch()
    assert full.save(tmp_path / "a.npz").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_there_is_no_pickle_in_it(full, tmp_path):
    path = full.save(tmp_path / "a.npz")
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)
    with zipfile.ZipFile(path) as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())


def test_what_cannot_be_saved_leaves_no_file(full, tmp_path):
    with pytest.raises(TypeError, match="cannot be saved"):
        replace(full, options={"function": print}).save(tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_interrupted_save_leaves_the_old_file(full, tmp_path, monkeypatch):
    path = full.save(tmp_path / "a.npz")
    before = path.read_bytes()

    def interrupted(temporary, target):
        assert Path(temporary).stat().st_size
        raise KeyboardInterrupt

    monkeypatch.setattr("explain.files.atomic_write.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        full.save(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.npz"]


def test_truncated_files(full, tmp_path):
    whole = full.save(tmp_path / "a.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(AttributionFileError, match=r"cut\.npz"):
            explain.load(cut)


def test_damaged_file(full, tmp_path):
    path = full.save(tmp_path / "a.npz")
    whole = bytearray(path.read_bytes())
    for start in range(40, len(whole) - 200, 97):
        damaged = bytearray(whole)
        damaged[start] ^= 0xFF
        path.write_bytes(damaged)
        # Whatever byte is turned round: the whole thing, or an error of ours.
        try:
            loaded = explain.load(path)
        except AttributionFileError:
            continue
        np.testing.assert_array_equal(loaded.values, full.values)


def _written(path, header, **arrays):
    with open(path, "wb") as stream:
        np.savez(stream, header=np.array(header if isinstance(header, str) else json.dumps(header)), **arrays)
    return path


def test_foreign_files(full, tmp_path):
    path = tmp_path / "foreign.npz"
    np.savez(path, values=np.ones(3))
    foreign = [path]
    path = tmp_path / "array.npy"
    np.save(path, np.ones(3))
    foreign.append(path)
    path = tmp_path / "text.npz"
    path.write_text("not an archive")
    foreign.append(path)
    path = tmp_path / "objects.npz"
    np.savez(path, header=np.array([{"a": 1}], dtype=object))
    foreign.append(path)
    foreign.append(_written(tmp_path / "a.npz", "not json"))
    foreign.append(_written(tmp_path / "b.npz", {"format": "other", "format_version": 1}))
    foreign.append(_written(tmp_path / "c.npz", ["a", "list"]))
    foreign.append(_written(tmp_path / "d.npz", {"format": "explain-attribution", "format_version": 1}))
    foreign.append(tmp_path)
    for one in foreign:
        with pytest.raises(AttributionFileError) as caught:
            explain.load(one)
        assert one.name in str(caught.value)
        assert isinstance(caught.value, ValueError)


def test_newer_format(full, tmp_path):
    path = full.save(tmp_path / "a.npz")
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(str(arrays.pop("header")))
    header["format_version"] += 1
    header["something_new"] = 1
    with pytest.raises(AttributionFileError, match="Upgrade"):
        explain.load(_written(path, header, **arrays))


def test_parts_that_do_not_fit_together(full, tmp_path):
    path = full.save(tmp_path / "a.npz")
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = str(arrays.pop("header"))
    for wrong in ({"values": np.ones((2, 5), np.float32)}, {"inputs": np.ones((2, 5, 4), np.float32)}):
        with pytest.raises(AttributionFileError):
            explain.load(_written(path, header, **{**arrays, **wrong}))


def test_a_file_of_version_1_loads(tmp_path):
    # As the first format wrote it: no steps, rule, map_error or batch_size.
    display = {
        "mean": 0.0,
        "scale": 1.0,
        "bounds": None,
        "classes": [],
        "step_names": [],
        "feature_names": [],
    }
    header = {
        "format": "explain-attribution", "format_version": 1, "layout": "NC", "method": "integrated_gradients",
        "engine": "explain", "framework": "torch", "model": "Net", "target": [1, 0], "score": "logit",
        "baseline_rule": {"rule": "zeros"}, "options": {"n_steps": 50, "rule": "gauss_legendre"}, "seed": 0,
        "versions": {"explain": "0.1.0"}, "notes": [], "display": display,
    }  # fmt: skip
    values = np.array([[1.5, -2.0, 0.25], [0.0, 4.0, -1.0]], np.float32)
    arrays = {
        "values": values,
        "inputs": 2 * values,
        "scores": np.array([0.5, 3.0]),
        "delta": np.array([0.1, 0.2]),
    }
    loaded = explain.load(_written(tmp_path / "old.npz", header, **arrays))
    np.testing.assert_array_equal(loaded.values, values)
    assert loaded.delta.tolist() == [0.1, 0.2]
    assert loaded.options["n_steps"] == 50
    assert (loaded.steps, loaded.rule, loaded.map_error, loaded.batch_size) == (None, "", None, None)
    assert explain.load(loaded.save(tmp_path / "new.npz")).steps is None
    loaded.plot()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("steps", np.array([15, 45, 45])),
        ("steps", np.array(45)),
        ("steps", np.array([[15, 45]])),
        ("steps", np.array([15.5, 45.0])),
        ("map_error", np.array([0.01])),
        ("map_error", np.array([[0.01, 0.02]])),
        ("map_error", np.array(["little", "much"])),
        ("relative_delta", np.array([0.01, 0.02, 0.03])),
        ("scores", np.array([1.0])),
    ],
)
def test_a_number_for_each_example_is_expected(full, tmp_path, name, wrong):
    with np.load(full.save(tmp_path / "a.npz")) as archive:
        arrays = {field: archive[field] for field in archive.files}
    header = str(arrays.pop("header"))
    with pytest.raises(AttributionFileError, match=rf"wrong\.npz.*{name}"):
        explain.load(_written(tmp_path / "wrong.npz", header, **{**arrays, name: wrong}))


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.npz"):
        explain.load(tmp_path / "missing.npz")
    with pytest.raises(FileNotFoundError, match=r"missing nor .*missing\.npz"):
        explain.load(tmp_path / "missing")


OLD = sorted((Path(__file__).parent / "old_files").glob("version_*.npz"))


@pytest.mark.parametrize("version", range(1, 9))
def test_stored_files_of_older_formats(version, tmp_path):
    """Each was written by the code of its time, from the same arrays; a later format only added fields."""
    (path,) = [one for one in OLD if one.stem == f"version_{version}"]
    with np.load(path) as archive:
        header = json.loads(str(archive["header"]))
        assert header["format_version"] == version
        loaded = explain.load(path)
        for name in ("values", "inputs", "baseline", "scores", "predicted", "delta", "mask"):
            np.testing.assert_array_equal(getattr(loaded, name), archive[name])
    assert (loaded.target, loaded.score, loaded.options["grid"]) == ((1, (0, 2)), "probability", [1, 2])
    assert loaded.display.step_names == (("a", "b", "c", "d"), ("e", "f"))
    named = (("first", "second"), 100.0) if version >= 7 else ((), None)
    assert (loaded.display.example_names, loaded.display.sampling_rate) == named
    assert loaded.nodes is None
    assert (loaded.steps is not None) == (version >= 2)
    assert loaded.layer == ("conv" if version >= 3 else "")
    assert loaded.together == (("steps", "table") if version >= 4 else ())
    assert loaded.neuron == ((1, (2, 0)) if version >= 5 else ())
    assert len(loaded.texts) == (2 if version >= 6 else 0)
    # What an old file holds can be cut, and written in the present format.
    assert explain.load(loaded[1:].save(tmp_path / "new")) == loaded[1]
