"""Tables and series from CSV and Parquet."""

from __future__ import annotations

import io
import sys

import numpy as np
import pandas
import pyarrow
import pytest
from pyarrow import parquet
from sklearn.linear_model import LogisticRegression

from explain.errors import InputError, OptionError, PackageNotInstalledError
from explain.preprocessing import read


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def csv(text, **options):
    return read("-", format="csv", standard_input=io.BytesIO(text.encode()), **options)


@pytest.mark.parametrize(
    "text",
    [
        "age,height\n3,0.5\n4,1.25\n",
        "age;height\n3;0,5\n4;1,25\n",
        "age;height\n3;0.5\n4;1.25\n",
        "age\theight\n3\t0.5\n4\t1.25\n",
        "age|height\r\n3|0.5\r\n4|1.25\r\n",
        '"age","height"\n"3","0.5"\n"4","1.25"',
        "\ufeffage, height\n3, 0.5\n4, 1.25\n\n",
    ],
)
def test_tables_with_a_header(text):
    inputs = csv(text)
    np.testing.assert_array_equal(inputs.x, np.float32([[3, 0.5], [4, 1.25]]))
    assert inputs.x.dtype == np.float32
    assert inputs.display.feature_names == ("age", "height")
    assert (inputs.kind, inputs.layout, len(inputs)) == ("table", "NC", 2)


def test_numbers_alone_have_no_names():
    inputs = csv("3,0.5\n4,1.25\n")
    np.testing.assert_array_equal(inputs.x, np.float32([[3, 0.5], [4, 1.25]]))
    assert inputs.display.feature_names == ()


def test_one_column():
    assert csv("age\n3\n4\n").x.tolist() == [[3], [4]]


def test_truths_are_numbers():
    assert csv("a,b\nTrue,1\nFalse,2\n").x.tolist() == [[1, 1], [0, 2]]


def test_the_index_that_pandas_writes_is_no_feature(here):
    frame = pandas.DataFrame({"a": [1.0, 2.0, 4.0]}, index=["x", "y", "z"])
    frame.to_csv("t.csv")
    frame.to_parquet("t.parquet")
    frame.reset_index(drop=True).to_csv("counted.csv")
    frame.rename_axis("patient").to_parquet("named.parquet")
    for name in ("t.csv", "t.parquet", "named.parquet"):
        inputs = read(name)
        assert inputs.x.tolist() == [[1], [2], [4]]
        assert inputs.display.example_names == ("x", "y", "z")
    assert read("named.parquet", index="patient").x.shape == (3, 1)
    assert read("counted.csv").display.example_names == ("0", "1", "2")


def test_a_column_that_counts_the_rows_is_not_taken_silently():
    text = "row,a\n1,5\n2,6\n3,9\n"
    with pytest.raises(InputError, match=r"'row', counts the rows.*index='row'.*columns="):
        csv(text)
    assert csv(text, index="row").display.example_names == ("1", "2", "3")
    assert csv(text, columns=["row", "a"]).x.shape == (3, 2)
    # Elsewhere, or in numbers with a point, it is a feature.
    assert csv("a,row\n5,1\n6,2\n9,3\n").x.shape == (3, 2)
    assert csv("t,a\n0.0,5\n1.0,6\n2.0,9\n").x.shape == (3, 2)


def test_features_labels_and_names():
    text = "name,age,height,label\nann,3,0.9,1\nbob,4,1.1,0\n"
    inputs = csv(text, index="name", drop=["label"])
    assert inputs.display.feature_names == ("age", "height")
    assert inputs.display.example_names == ("ann", "bob")
    assert csv(text, columns=["height", "age"]).x.tolist() == np.float32([[0.9, 3], [1.1, 4]]).tolist()


def test_columns_are_those_that_the_estimator_was_fitted_on():
    frame = pandas.DataFrame({"b": [0.0, 1.0, 0.5, 0.2], "a": [1.0, 0.0, 0.4, 0.9]})
    model = LogisticRegression().fit(frame, [0, 1, 1, 0])
    inputs = csv("id,a,b,label\nu,1,2,0\nv,3,4,1\n", model=model)
    assert inputs.display.feature_names == ("b", "a")
    assert inputs.x.tolist() == [[2, 1], [4, 3]]
    with pytest.raises(InputError, match="no column 'b'"):
        csv("a,c\n1,2\n", model=model)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,a,b\nann,1,2\nbob,3,\ncat,,4\n", r"'a' has no value in row 'cat'"),
        ("a,b\n1,2\n3\n", r"'b' has no value in row 2\b"),
        ("a,b\n" + "1,\n" * 8 + "1,2\n", r"rows 1, 2, 3, 4, 5 and 3 more"),
        ("a,b\n1,NA\n2,3\n", "no value in row 1"),
    ],
)
def test_missing_values_are_named(text, says):
    with pytest.raises(InputError, match=says):
        csv(text, index="name" if text.startswith("name") else None)


def test_parquet(here):
    frame = pandas.DataFrame({"a": np.array([1, 2], "int8"), "b": [0.5, 0.25], "c": [True, False]})
    frame.to_parquet("t.parquet", index=False)
    assert read("t.parquet").x.tolist() == [[1, 0.5, 1], [2, 0.25, 0]]
    stream = io.BytesIO((here / "t.parquet").read_bytes())
    assert read("-", standard_input=stream).display.feature_names == ("a", "b", "c")


def test_parquet_of_few_bytes_and_many_rows_is_refused(here, monkeypatch):
    from explain.inputs.readers import limits

    parquet.write_table(pyarrow.table({"a": np.zeros(10**6)}), "bomb.parquet")
    assert (here / "bomb.parquet").stat().st_size < 10**5
    monkeypatch.setattr(limits, "bytes_to_read", lambda: 10**6)
    with pytest.raises(InputError, match="1000000 rows of 1 columns"):
        read("bomb.parquet")


def test_nested_parquet_is_no_table_of_numbers(here):
    parquet.write_table(pyarrow.table({"a": [[1, 2], [3]]}), "t.parquet")
    with pytest.raises(InputError, match="'a' holds values such as"):
        read("t.parquet")


def test_several_tables(here):
    (here / "t2.csv").write_text("a,b\n3,4\n")
    (here / "t10.csv").write_text("a,b\n5,6\n")
    assert read(here).x.tolist() == [[3, 4], [5, 6]]


def test_a_file_of_one_series_and_files_of_several_lengths(here):
    (here / "1.csv").write_text("pulse,breath\n60,10\n61,11\n62,12\n")
    (here / "2.csv").write_text("pulse,breath\n70,20\n")
    one = read("1.csv", series=True)
    assert one.x.tolist() == [[[60, 10], [61, 11], [62, 12]]]
    assert one.lengths is None
    both = read(here, series=True)
    assert both.x.tolist() == [[[60, 10], [61, 11], [62, 12]], [[70, 20], [0, 0], [0, 0]]]
    assert both.lengths.tolist() == [3, 1]
    assert both.display.example_names == ("1.csv", "2.csv")
    assert both.display.feature_names == ("pulse", "breath")
    assert both.layout == "NTC"


def test_a_long_table_of_several_series():
    text = "who,time,pulse\nann,0.0,60\nbob,0.0,70\nann,0.5,61\nbob,0.5,71\nann,1.0,62\n"
    inputs = csv(text, series="who", time="time")
    assert inputs.x[..., 0].tolist() == [[60, 61, 62], [70, 71, 0]]
    assert inputs.lengths.tolist() == [3, 2]
    assert inputs.display.example_names == ("ann", "bob")
    assert inputs.display.sampling_rate == 2.0


def test_dates_tell_the_sampling_rate():
    text = "t,a\n2026-01-01 00:00:00,1\n2026-01-01 00:00:10,2\n2026-01-01 00:00:20,3\n"
    assert csv(text, series=True, time="t").display.sampling_rate == pytest.approx(0.1)
    # 02/03 is the second or the third month, as one likes.
    with pytest.raises(InputError, match="Write dates as"):
        csv("t,a\n02/03/2026,1\n03/03/2026,2\n", series=True, time="t")
    uneven = "t,a\n0.0,1\n1.0,2\n3.0,3\n"
    assert csv(uneven, series=True, time="t").display.sampling_rate is None


def test_arrays_of_series(here):
    np.save("1.npy", np.ones((3, 2)))
    np.save("2.npy", np.ones((1, 2)))
    inputs = read(here, series=True)
    assert inputs.x.shape == (2, 3, 2)
    assert inputs.lengths.tolist() == [3, 1]


def test_options_of_other_kinds_are_refused():
    with pytest.raises(OptionError, match=r"time='t' is for series"):
        csv("t,a\n1,2\n", time="t")
    with pytest.raises(OptionError, match=r"size=224 is not for stdin.*picture"):
        csv("t,a\n1,2\n", size=224)


@pytest.mark.parametrize(
    ("package", "suffix"), [("pandas", "csv"), ("pyarrow", "parquet"), ("soundfile", "wav")]
)
def test_a_package_that_is_not_installed(here, monkeypatch, package, suffix):
    pandas.DataFrame({"a": [1.0]}).to_parquet("t.parquet")
    (here / "t.csv").write_text("a\n1\n")
    (here / "t.wav").write_bytes(b"RIFF")
    monkeypatch.setitem(sys.modules, package, None)
    extra = "sound" if package == "soundfile" else "tables"
    with pytest.raises(
        PackageNotInstalledError, match=rf'needs {package}.*pip install "explain-toolkit\[{extra}\]"'
    ):
        read(f"t.{suffix}")
