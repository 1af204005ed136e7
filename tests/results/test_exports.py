"""A result as a data frame, a labelled array and plain data: pivoted back, it is the result again."""

from __future__ import annotations

import json
import sys
from dataclasses import fields

import numpy as np
import pytest

from explain.errors import InputError, PackageNotInstalledError
from explain.inputs.display import Display
from explain.results.attribution import Attribution
from explain.results.exports import MOST_ROWS


def made(shape, layout, **fields):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    count = shape[layout.index("N")]
    own = {"scores": np.arange(count, dtype=float), "target": tuple(range(count)), **fields}
    return Attribution(values=values, inputs=2 * values, layout=layout, method="saliency", **own)


class TestDataFrame:
    @pytest.mark.parametrize(
        ("shape", "layout", "columns"),
        [
            ((2, 3), "NC", ["feature"]),
            ((2, 3, 4), "NCT", ["channel", "step"]),
            ((4, 2, 3), "TNC", ["step", "channel"]),
            ((2, 3, 4, 5), "NCHW", ["channel", "height", "width"]),
            ((2, 4, 5, 3), "NHWC", ["height", "width", "channel"]),
            ((2, 1, 3, 4, 5), "NCDHW", ["channel", "depth", "height", "width"]),
            ((2, 7), "NT", ["step"]),
        ],
    )
    def test_a_row_for_each_value_pivots_back(self, shape, layout, columns):
        a = made(shape, layout)
        frame = a.to_dataframe()
        assert list(frame.columns) == ["example", "target", *columns, "input", "value"]
        assert len(frame) == a.values.size
        for name, array in (("value", a.values), ("input", a.inputs)):
            back = frame.set_index(["example", *columns])[name].sort_index().to_numpy()
            batch_first = np.moveaxis(array, layout.index("N"), 0)
            np.testing.assert_array_equal(back, batch_first.ravel())
            assert frame[name].dtype == np.float32
        assert frame.groupby("example")["target"].first().tolist() == [0, 1]

    def test_names_of_a_table(self):
        a = made((2, 3), "NC").with_display(
            feature_names=("age", "income", "age of car"), classes=("no", "yes"), example_names=("Ada", "Bob")
        )
        frame = a.to_dataframe()
        wide = frame.pivot(index="example_name", columns="feature", values="value")
        for row, name in enumerate(("Ada", "Bob")):
            assert wide.loc[name, ["age", "income", "age of car"]].tolist() == a.values[row].tolist()
        assert frame["target"].tolist() == ["no"] * 3 + ["yes"] * 3

    def test_names_of_the_wrong_number_are_left_out(self):
        frame = made((2, 3), "NC").with_display(feature_names=("a",), example_names=("b",)).to_dataframe()
        assert frame["feature"].tolist() == [0, 1, 2] * 2
        assert "example_name" not in frame

    def test_a_series_in_seconds(self):
        frame = (
            made((1, 2, 4), "NCT")
            .with_display(sampling_rate=8.0, feature_names=("left", "right"))
            .to_dataframe()
        )
        assert frame["seconds"].tolist() == [0, 0.125, 0.25, 0.375] * 2
        assert frame["channel"].tolist() == ["left"] * 4 + ["right"] * 4

    def test_padding_has_no_rows(self, made):
        a = made.names(words=("Jo", "Ann"))
        frame = a.to_dataframe()
        assert len(frame) == 5 * a.values.shape[2]
        found = frame[frame["channel"] == 1]
        assert found["step_name"].tolist() == list("JoAnn")
        np.testing.assert_array_equal(found["value"], np.r_[a.values[0, :2, 1], a.values[1, :3, 1]])

    def test_names_of_real_steps_alone(self):
        mask = np.array([[False, True, True]])
        a = made((1, 3), "NT", mask=mask).with_display(step_names=(("a", "b"),))
        assert a.to_dataframe()["step_name"].tolist() == ["a", "b"]
        assert a.to_dataframe()["step"].tolist() == [1, 2]

    def test_tokens(self, made):
        a = made.texts()
        frame = a.to_dataframe()
        for example in range(2):
            own = frame[frame["example"] == example]
            assert list(zip(own["token"], own["value"].tolist(), strict=True)) == a.tokens(example)

    @pytest.mark.parametrize("target", [(), (None, None), ((1, 2), (0, 3)), ("a", 1), ("f", "f")])
    def test_targets_of_every_kind(self, target):
        frame = made((2, 2), "NC", target=target).to_dataframe()
        if not target or target[0] is None:
            assert "target" not in frame
        else:
            assert frame["target"].tolist() == [target[0], target[0], target[1], target[1]]

    def test_too_many_rows(self):
        side = int(MOST_ROWS**0.5) + 1
        values = np.broadcast_to(np.zeros((), np.float32), (2, side, side // 2 + 1))
        a = Attribution(values, values, "NHW", "saliency", np.zeros(2))
        with pytest.raises(InputError, match=r"a\[:10\].to_dataframe\(\), or use to_xarray"):
            a.to_dataframe()
        assert a.to_xarray().shape == values.shape

    def test_no_examples(self):
        assert len(made((2, 2), "NC")[:0].to_dataframe()) == 0


class TestXarray:
    def test_names_of_axes_and_positions(self):
        a = made((4, 2, 3), "TNC", mask=np.array([[True] * 4, [True, True, False, False]])).with_display(
            classes=("no", "yes"),
            feature_names=("x", "y", "z"),
            example_names=("Ada", "Bob"),
            sampling_rate=2.0,
        )
        found = a.to_xarray()
        assert found.dims == ("step", "example", "channel")
        np.testing.assert_array_equal(found.sel(example="Bob", channel="z").to_numpy(), a.values[:, 1, 2])
        np.testing.assert_array_equal(
            found.transpose("example", "step", "channel"), a.values.transpose(1, 0, 2)
        )
        np.testing.assert_array_equal(found["input"], a.inputs)
        assert found["seconds"].values.tolist() == [0, 0.5, 1, 1.5]
        assert found["target"].values.tolist() == ["no", "yes"]
        assert found["score_value"].values.tolist() == [0, 1]
        np.testing.assert_array_equal(found["mask"], a.mask)
        assert (found.name, found.attrs["method"], found.attrs["options"]) == ("attribution", "saliency", {})

    def test_every_kind(self, any_attribution):
        found = any_attribution.to_xarray()
        np.testing.assert_array_equal(found.values, any_attribution.values)
        assert found.dims[any_attribution.layout.index("N")] == "example"
        assert found.sizes["example"] == len(any_attribution)


class TestDict:
    def test_every_field_as_json(self, any_attribution):
        plain = json.loads(json.dumps(any_attribution.to_dict(), allow_nan=False))
        assert set(plain) == {field.name for field in fields(Attribution)}
        np.testing.assert_array_equal(np.array(plain["values"], np.float32), any_attribution.values)
        assert plain["display"]["classes"] == list(any_attribution.display.classes)
        assert plain["target"] == list(any_attribution.target)

    def test_what_json_has_not(self):
        a = made((2, 2), "NC", map_error=np.array([np.inf, np.nan]), options={"f": print, "n": np.int64(3)})
        plain = json.loads(json.dumps(a.to_dict(), allow_nan=False))
        assert plain["map_error"] == ["inf", "nan"]
        assert plain["options"]["n"] == 3
        assert "print" in plain["options"]["f"]
        assert plain["display"] == json.loads(json.dumps(Display().to_json()))


@pytest.mark.parametrize(
    ("method", "package", "extra"), [("to_dataframe", "pandas", "tables"), ("to_xarray", "xarray", "xarray")]
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, method, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        PackageNotInstalledError, match=rf'needs {package}.*pip install "explain-toolkit\[{extra}\]"'
    ):
        getattr(made((2, 2), "NC"), method)()
