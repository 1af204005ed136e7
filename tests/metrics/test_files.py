"""Evaluations and benchmarks as files: all comes back, and every damage is an error that says what to do."""

from __future__ import annotations

import io
import json
import math
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import made_attributions
import made_evaluations
import numpy as np
import pytest

import explain
from explain.errors import AttributionFileError, EvaluationError, MissingFileError
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Measurement


@pytest.fixture
def full() -> Evaluation:
    """An evaluation in which no field has its default."""
    found = Measurement(
        "randomization",
        np.array([0.25, np.nan, -np.inf]),
        "nearer to zero",
        curve=np.array([[0.0, 1.0], [np.nan, np.nan], [2.0, np.inf]]),
        positions=np.array([0.5, 1.5]),
        labels=("conv1", "<fc>"),
        left_out={1: "The map is constant – here."},
        options={"n_samples": 10, "fill": "mean", "sizes": [1, 2], "none": None, "far": math.inf},
        seeded=True,
    )
    plain = Measurement("sparseness", np.array([1e-300, 0.5, 1 / 3]), "")
    return Evaluation(
        {"randomization(n_samples=10)": found, "sparseness": plain},
        method="saliency",
        framework="torch",
        model="Net",
        score="logit",
        layout="NCHW",
        target=(1, (0, 2), None),
        seed=7,
        versions={"explain": "0.9.0"},
        notes=("A note.",),
        attribution=made_attributions.images(3),
    )


def assert_same(a: Evaluation, b: Evaluation) -> None:
    assert list(a.measurements) == list(b.measurements)
    for name, one in a.measurements.items():
        other = b.measurements[name]
        for field in ("values", "curve", "positions"):
            x, y = getattr(one, field), getattr(other, field)
            assert (x is None) == (y is None)
            if x is not None:
                np.testing.assert_array_equal(x, y)
                assert y.dtype == np.float64
        for field in ("metric", "better", "labels", "left_out", "options", "seeded"):
            assert getattr(one, field) == getattr(other, field)
        assert one.interval(a.seed)[0] == other.interval(b.seed)[0] or math.isnan(one.interval(a.seed)[0])
    plain = ("method", "framework", "model", "score", "layout", "target", "seed", "versions", "notes")
    assert {name: getattr(a, name) for name in plain} == {name: getattr(b, name) for name in plain}


def test_every_field_of_an_evaluation_comes_back_but_the_attribution(full, tmp_path):
    loaded = Evaluation.load(full.save(tmp_path / "a.npz"))
    assert_same(full, loaded)
    assert loaded.attribution is None
    assert_same(Evaluation({}), Evaluation.load(Evaluation({}).save(tmp_path / "b")))


def test_every_field_of_a_benchmark_comes_back(full, tmp_path):
    given = Benchmark(
        {"saliency": full, "ig": replace(full, method="ig"), "rise": Evaluation({})},
        {"rise": {"": "It explains no tables."}},
        {"ig": {"forward": 3.5, "backward": 50}},
        seed=9,
    )
    loaded = Benchmark.load(given.save(tmp_path / "b"))
    assert list(loaded) == list(given)
    for method in given:
        assert_same(given[method], loaded[method])
    assert (loaded.reasons, loaded.passes, loaded.seed) == (given.reasons, given.passes, 9)
    assert loaded.best("sparseness") == given.best("sparseness")
    assert str(loaded) == str(given)


def test_the_same_result_gives_the_same_bytes_without_pickle(full, tmp_path):
    path = full.save(tmp_path / "deep" / "a")
    assert path.name == "a.npz"
    assert path.read_bytes() == full.save(tmp_path / "b.npz").read_bytes()
    with np.load(path, allow_pickle=False) as archive:
        header = json.loads(str(archive["header"]))
        assert {archive[name].dtype.kind for name in archive.files} == {"f", "U"}
    assert (header["format"], header["format_version"]) == ("explain-evaluation", 1)


def test_a_name_gets_its_suffix_and_another_is_refused(full, tmp_path):
    full.save(tmp_path / "a")
    assert_same(full, Evaluation.load(tmp_path / "a"))
    with pytest.raises(
        EvaluationError, match=r"evaluations are saved as \.npz.*evaluation\.plot\(\)\.savefig"
    ):
        full.save(tmp_path / "a.png")
    with pytest.raises(EvaluationError, match="names a folder"):
        full.save(f"{tmp_path}/")
    with pytest.raises(EvaluationError, match="benchmarks are saved as"):
        Benchmark({"a": full}).save(tmp_path / "b.json")
    assert [one.name for one in tmp_path.iterdir()] == ["a.npz"]


def test_an_interrupted_save_leaves_the_old_file(full, tmp_path, monkeypatch):
    path = full.save(tmp_path / "a.npz")
    before = path.read_bytes()

    def interrupted(temporary, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("explain.files.atomic_write.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        full.save(path)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("a.npz", before)]


def test_each_kind_of_file_is_told_from_the_others(full, tmp_path):
    evaluation = full.save(tmp_path / "e")
    benchmark = Benchmark({"a": full}).save(tmp_path / "b")
    attribution = made_attributions.images(2).save(tmp_path / "a")
    with pytest.raises(EvaluationError, match=r"explain-attribution.*explain\.load reads an attribution"):
        Evaluation.load(attribution)
    with pytest.raises(EvaluationError, match=r"explain-benchmark.*Benchmark\.load"):
        Evaluation.load(benchmark)
    with pytest.raises(EvaluationError, match=r"explain-evaluation.*Evaluation\.load"):
        Benchmark.load(evaluation)
    with pytest.raises(AttributionFileError, match="explain-evaluation"):
        explain.load(evaluation)


def test_what_is_no_file_of_the_kind_is_refused(tmp_path, monkeypatch):
    with pytest.raises(MissingFileError, match=r"nowhere nor .*nowhere\.npz.*Evaluation\.save returned"):
        Evaluation.load(tmp_path / "nowhere")
    with pytest.raises(EvaluationError, match="is a folder, not a saved evaluation"):
        Evaluation.load(tmp_path)
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(EvaluationError, match=r"it is no \.npz archive"):
        Evaluation.load(tmp_path / "text.npz")
    np.savez(tmp_path / "foreign.npz", values=np.ones(3))
    with pytest.raises(EvaluationError, match=r"lacks the header that Benchmark\.save writes"):
        Benchmark.load(tmp_path / "foreign.npz")
    path = made_evaluations.evaluation().save(tmp_path / "a")
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=100))
    with pytest.raises(EvaluationError, match=r"GB of free memory.*fewer examples or metrics"):
        Evaluation.load(path)


def changed(path, change, arrays=lambda found: None):
    """Change the header and the arrays of a file, and write it again."""
    with np.load(path, allow_pickle=False) as archive:
        found = {name: archive[name] for name in archive.files}
    header = json.loads(str(found.pop("header")))
    change(header)
    arrays(found)
    np.savez(path, header=np.array(json.dumps(header)), **found)
    return path


def first(header):
    return header["measurements"][0]


DAMAGES = {
    "version": lambda header: header.update(format_version=2),
    "measurements": lambda header: header.update(measurements=3),
    "unknown field": lambda header: header.update(colour="red"),
    "twice": lambda header: header["measurements"][1].update(name=first(header)["name"]),
    "name": lambda header: first(header).update(name=["a"]),
    "metric": lambda header: first(header).update(metric=3),
    "better": lambda header: first(header).update(better="greater"),
    "labels": lambda header: first(header).update(labels=["a"]),
    "label": lambda header: first(header).update(labels=[1, 2]),
    "left out beyond": lambda header: first(header).update(left_out=[[3, "why"]]),
    "left out negative": lambda header: first(header).update(left_out=[[-2, "why"]]),
    "left out with a value": lambda header: first(header).update(left_out=[[0, "why"]]),
    "left out without a reason": lambda header: first(header).update(left_out=[[1, None]]),
    "left out": lambda header: first(header).update(left_out={"1": "why"}),
    "options": lambda header: first(header).update(options=[1]),
    "seeded": lambda header: first(header).update(seeded="yes"),
    "missing": lambda header: first(header).pop("seeded"),
    "method": lambda header: header.update(method=1),
    "notes": lambda header: header.update(notes=[1]),
    "versions": lambda header: header.update(versions={"explain": 1}),
    "seed": lambda header: header.update(seed="7"),
    "negative seed": lambda header: header.update(seed=-1),
    "target": lambda header: header.update(target=4),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_header_that_does_not_fit_is_refused(full, tmp_path, damage):
    path = changed(full.save(tmp_path / "a.npz"), DAMAGES[damage])
    with pytest.raises(EvaluationError, match=r"a\.npz (is not a saved evaluation|has format version 2)"):
        Evaluation.load(path)


ARRAY_DAMAGES = {
    "no values": lambda found: found.pop("0.values"),
    "axes": lambda found: found.update({"0.values": np.ones((3, 1))}),
    "dtype": lambda found: found.update({"0.values": np.ones(3, np.float32)}),
    "examples": lambda found: found.update({"1.values": np.ones(4)}),
    "curves": lambda found: found.update({"0.curve": np.ones((2, 2))}),
    "positions": lambda found: found.update({"0.positions": np.ones(3)}),
    "positions without curve": lambda found: found.pop("0.curve"),
    "one more": lambda found: found.update({"2.values": np.ones(3)}),
}


@pytest.mark.parametrize("damage", ARRAY_DAMAGES)
def test_arrays_that_do_not_fit_are_refused(full, tmp_path, damage):
    path = changed(full.save(tmp_path / "a.npz"), lambda header: None, ARRAY_DAMAGES[damage])
    with pytest.raises(EvaluationError, match=r"a\.npz is not a saved evaluation"):
        Evaluation.load(path)


BENCHMARK_DAMAGES = {
    "evaluations": lambda header: header.update(evaluations={"a": 1}),
    "method": lambda header: header["evaluations"][0].update(method=1),
    "twice": lambda header: header["evaluations"][1].update(method=header["evaluations"][0]["method"]),
    "reasons": lambda header: header.update(reasons={"a": {"b": 1}}),
    "reason": lambda header: header.update(reasons=["a"]),
    "passes": lambda header: header.update(passes={"a": {"forward": "many"}}),
    "seed": lambda header: header.update(seed=None),
    "unknown field": lambda header: header.update(colour="red"),
}


@pytest.mark.parametrize("damage", BENCHMARK_DAMAGES)
def test_a_benchmark_that_does_not_fit_is_refused(tmp_path, damage):
    path = changed(made_evaluations.benchmark().save(tmp_path / "b.npz"), BENCHMARK_DAMAGES[damage])
    with pytest.raises(EvaluationError, match=r"b\.npz is not a saved benchmark"):
        Benchmark.load(path)


def test_methods_of_other_numbers_of_examples_are_refused(tmp_path):
    several = {"a": made_evaluations.evaluation(1, 4), "b": made_evaluations.evaluation(1, 5)}
    with pytest.raises(EvaluationError, match=r"the methods have \[4, 5\] examples"):
        Benchmark.load(Benchmark(several).save(tmp_path / "b"))


def test_truncated_files(full, tmp_path):
    whole = full.save(tmp_path / "a.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(EvaluationError, match=r"cut\.npz"):
            Evaluation.load(cut)


def test_whatever_byte_is_turned_round(full, tmp_path):
    """The whole result, or an error of ours."""
    path = tmp_path / "b.npz"
    whole = Benchmark({"a": full, "b": Evaluation({})}).save(path).read_bytes()
    refused = 0
    for start in range(7, len(whole), 53):
        damaged = bytearray(whole)
        damaged[start] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert_same(Benchmark.load(path)["a"], full)
        except EvaluationError:
            refused += 1
    assert refused > 20


def test_a_changed_header_is_whole_or_refused(full, tmp_path):
    """What the archive's checksums do not find: text of the header that was changed before it was packed."""
    source = full.save(tmp_path / "a.npz")
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with np.load(source) as archive:
        text = str(archive["header"])
    generator = np.random.default_rng(0)
    read = refused = 0
    for _ in range(300):
        place = int(generator.integers(len(text)))
        other = text[:place] + '3[]{}",x-'[int(generator.integers(9))] + text[place + 1 :]
        stream = io.BytesIO()
        np.save(stream, np.array(other))
        with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, stream.getvalue() if name == "header.npy" else content)
        try:
            found = Evaluation.load(tmp_path / "c.npz")
        except EvaluationError:
            refused += 1
            continue
        read += 1
        assert str(found)
        assert repr(found)
    assert read > 10
    assert refused > 100
