"""Some examples of a result: cut as NumPy cuts its arrays, and as the explanation of the cut input."""

from __future__ import annotations

import copy
import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import explain
from explain.errors import ExampleIndexError, ExplainWarning
from explain.inputs.display import Display
from explain.inputs.text.tokens import Text, Token
from explain.results.attribution import Attribution

COUNT = 4
BY_EXAMPLE = ("scores", "predicted", "delta", "relative_delta", "steps", "map_error", "mask")
TUPLES = ("target", "neuron", "texts")


def full(layout="NTC", **changes):
    """Every field that has something of each example, filled with numbers that tell the examples apart."""
    sizes = {"N": COUNT, "T": 5, "C": 3, "H": 2, "W": 6, "D": 7}
    shape = tuple(sizes[letter] for letter in layout)
    generator = np.random.default_rng(0)
    numbers = np.arange(COUNT)
    fields = {
        "values": generator.normal(size=shape).astype(np.float32),
        "inputs": generator.normal(size=shape).astype(np.float32),
        "baseline": generator.normal(size=shape).astype(np.float32),
        "layout": layout,
        "method": "integrated_gradients",
        "scores": 10.0 + numbers,
        "predicted": 20 + numbers,
        "delta": 30.0 + numbers,
        "relative_delta": 40.0 + numbers,
        "steps": 50 + numbers,
        "map_error": 60.0 + numbers,
        "mask": generator.random((COUNT, 5)) < 0.5,
        "history": generator.normal(size=(3, COUNT)),
        "target": tuple(range(70, 70 + COUNT)),
        "neuron": tuple((one, 1) for one in range(COUNT)),
        "texts": tuple(Text(str(one), (Token(str(one), 0),)) for one in range(COUNT)),
        "display": Display(
            classes=("a", "b", "c", "d"),
            step_names=tuple(tuple(f"{one}{step}" for step in range(5)) for one in range(COUNT)),
            example_names=tuple(f"{one}.png" for one in range(COUNT)),
            feature_names=("x", "y", "z"),
        ),
    }
    return Attribution(**{**fields, **changes})


def numpy_rows(a, index):
    """The positions that NumPy selects."""
    return np.atleast_1d(np.arange(len(a))[index])


def check(a, index):
    found, rows = a[index], numpy_rows(a, index)
    axis = a.layout.index("N")
    assert len(found) == len(rows)
    for name in ("values", "inputs", "baseline"):
        np.testing.assert_array_equal(getattr(found, name), np.take(getattr(a, name), rows, axis))
        assert getattr(found, name).dtype == getattr(a, name).dtype
    for name in BY_EXAMPLE:
        np.testing.assert_array_equal(getattr(found, name), getattr(a, name)[rows])
    np.testing.assert_array_equal(found.history, a.history[:, rows])
    for name in TUPLES:
        assert getattr(found, name) == tuple(getattr(a, name)[row] for row in rows)
    for name in ("step_names", "example_names"):
        assert getattr(found.display, name) == tuple(getattr(a.display, name)[row] for row in rows)
    kept = {"values", "inputs", "baseline", "history", "display", "notes", *BY_EXAMPLE, *TUPLES}
    for field in fields(Attribution):
        if field.name not in kept:
            assert getattr(found, field.name) == getattr(a, field.name), field.name
    assert (found.display.classes, found.display.feature_names) == (
        a.display.classes,
        a.display.feature_names,
    )


INDICES = [
    0,
    -1,
    np.int64(2),
    np.array(3),
    slice(None),
    slice(1, 3),
    slice(None, None, 2),
    slice(None, None, -1),
    slice(3, 0, -2),
    slice(2, 100),
    slice(5, 9),
    [0, 2],
    [-1, 0, 0],
    [],
    np.array([2, 1], np.uint8),
    [True, False, False, True],
    np.array([False] * COUNT),
    np.arange(COUNT) > 1,
    range(1, 3),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("layout", ["NTC", "TNC", "CHWN", "NDHWC", "NT"])
def test_everything_is_cut_as_numpy_cuts(layout, index):
    check(full(layout), index)


@settings(deadline=None)
@given(
    st.one_of(
        st.integers(-COUNT, COUNT - 1),
        st.slices(COUNT),
        st.lists(st.integers(-COUNT, COUNT - 1)),
        st.lists(st.booleans(), min_size=COUNT, max_size=COUNT),
    )
)
def test_any_index(index):
    check(full("TNC"), index)


@pytest.mark.parametrize(
    ("shape", "cut"),
    [
        ((COUNT, 5, 3), (2, 5, 3)),
        ((1, 5, 3), (1, 5, 3)),
        ((5, 3), (5, 3)),
        ((3,), (3,)),
        ((), ()),
    ],
)
def test_a_baseline_that_broadcasts_still_does(shape, cut):
    a = full(baseline=np.random.default_rng(1).normal(size=shape))
    found = a[[3, 1]]
    assert found.baseline.shape == cut
    whole = np.broadcast_to(a.baseline, a.values.shape)
    np.testing.assert_array_equal(np.broadcast_to(found.baseline, found.values.shape), whole[[3, 1]])


def test_a_baseline_of_as_many_features_as_examples_is_not_cut():
    x = np.ones((3, 3), np.float32)
    a = Attribution(x, x, "NC", "ig", np.ones(3), baseline=np.array([1.0, 2.0, 3.0], np.float32))
    assert a[0].baseline.tolist() == [1, 2, 3]


def test_iteration_gives_each_example():
    a = full("TNC")
    ones = list(a)
    assert [len(one) for one in ones] == [1] * COUNT
    assert [one.target for one in ones] == [(70,), (71,), (72,), (73,)]
    np.testing.assert_array_equal(np.concatenate(ones, axis=1), a.values)
    assert next(reversed(a)) == ones[-1]


def test_what_has_nothing_of_each_example_stays():
    ones = np.ones((3, 2), np.float32)
    a = Attribution(ones, ones, "NC", "saliency", np.arange(3.0))
    assert (a[1].target, a[1].neuron, a[1].mask, a[1].display) == ((), (), None, Display())
    named = a.with_display(example_names=("only the first",))
    assert named[0].display.example_names == ("only the first",)
    assert named[1:].display.example_names == ()


def test_warnings_are_about_the_examples_that_are_there():
    notes = (
        "The gradient is zero for examples [0, 3]: why.",
        "For example [1], not converged.",
        "A general one.",
    )
    a = full(notes=notes)
    assert a[3].notes == ("The gradient is zero for example [0]: why.", "A general one.")
    assert a[[1, 3]].notes == (
        "The gradient is zero for example [1]: why.",
        "For example [0], not converged.",
        "A general one.",
    )
    assert a[:].notes == notes


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (4, "no example 4 in an attribution of 4: give numbers from 0 to 3"),
        (-5, "no example -5"),
        ([0, 9, 8], "no examples 9, 8"),
        ("cat", r"a\['cat'\] does not select examples"),
        (1.0, "a slice"),
        ([0.5], "does not select"),
        (True, "does not select"),
        (None, "index a.values"),
        (..., r"a\[\.\.\.\].*index a.values"),
        ((0, 1), r"a\[0, 1\].*index a.values"),
        ((slice(None), 1), r"a\[:, 1\].*index a.values"),
        ([True, False], "mask has 2 entries, and the attribution has 4 examples"),
        ([[0, 1]], "does not select"),
        (slice("a", None), "does not select"),
        (slice(0, 2, 0), "zero"),
        ({}, "a dict"),
        ((0,), r"a\[0,\] is not understood"),
        ((np.arange(3), slice(1, 3, 2)), r"a\[a ndarray, 1:3:2\]"),
        (slice("a", None), r"a\['a':\]"),
    ],
)
def test_wrong_indices(index, says):
    with pytest.raises(ExampleIndexError, match=says) as caught:
        full()[index]
    assert isinstance(caught.value, IndexError)


def test_what_stands_for_a_number():
    class Second:
        def __index__(self):
            return 1

    assert full()[Second()] == full()[1]


def test_an_index_into_none():
    empty = full()[:0]
    assert len(empty) == 0
    assert list(empty) == []
    with pytest.raises(ExampleIndexError, match="it is empty"):
        empty[0]


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "occlusion", "feature_ablation"])
def test_a_part_is_the_explanation_of_the_part(kit, method):
    x = np.random.default_rng(2).normal(size=(COUNT, 6)).astype(np.float32)
    model = kit.dense([(np.random.default_rng(3).normal(size=(6, 3)), np.zeros(3))])
    arguments = {"n_steps": 8} if method == "integrated_gradients" else {}
    arguments |= {"sliding_window_shapes": (2,)} if method == "occlusion" else {}
    whole = explain.attribute(model, x, method, **arguments)
    for index in (0, slice(1, 3), [3, 0]):
        rows = numpy_rows(whole, index)
        alone = explain.attribute(model, x[rows], method, target=list(whole[index].target), **arguments)
        np.testing.assert_allclose(whole[index].values, alone.values, rtol=1e-6, atol=1e-7)
        for name in ("inputs", "target", "scores", "predicted"):
            np.testing.assert_allclose(getattr(whole[index], name), getattr(alone, name), rtol=1e-6)


def test_a_part_is_drawn_compared_saved(made, tmp_path):
    a = made.names()
    part = a[1:]
    part.plot()
    assert explain.load(part.save(tmp_path / "a")) == part
    assert explain.compare(part, part).relative_l2.tolist() == [0, 0]


class TestArray:
    def test_it_is_its_values(self):
        a = full()
        assert np.asarray(a) is a.values
        np.testing.assert_array_equal(np.array(a), a.values)
        assert np.array(a).flags.writeable
        assert np.asarray(a, np.float64).dtype == np.float64
        assert np.array(a, copy=False) is a.values
        np.testing.assert_allclose(np.abs(a), np.abs(a.values))
        assert np.stack([a, a]).shape == (2, *a.values.shape)

    def test_another_type_without_a_copy(self):
        with pytest.raises(ValueError, match="dtype=float64 needs a copy"):
            np.array(full(), np.float64, copy=False)


class TestReadOnly:
    def test_values_cannot_be_written(self):
        a = full()
        for made in (
            a,
            a[1:],
            a[[0, 1]],
            replace(a, model="B"),
            copy.deepcopy(a),
            pickle.loads(pickle.dumps(a)),
        ):
            for name in ("values", "inputs", "baseline", "scores", "mask", "history", "target"):
                array = getattr(made, name)
                if isinstance(array, np.ndarray):
                    assert not array.flags.writeable
                    with pytest.raises(ValueError, match="read-only"):
                        array[...] = 0
            assert made == a[: len(made)] or len(made) < len(a)

    def test_the_array_of_the_caller_is_its_own(self):
        own = np.ones((2, 3), np.float32)
        view = own[:]
        view.flags.writeable = False
        a = Attribution(values=view, inputs=own, layout="NC", method="saliency", scores=np.ones(2))
        own[:] = 5
        assert own.flags.writeable
        assert (a.values == 1).all()
        assert (a.inputs == 1).all()

    def test_results_of_one_another_share_their_arrays(self):
        a = full()
        assert replace(a, model="B").values is a.values
        assert np.shares_memory(a[1:3].values, a.values)
        assert copy.copy(a).values is a.values

    def test_a_result_of_a_call(self, kit):
        x = np.ones((2, 4), np.float32)
        a = explain.attribute(kit.dense([(np.ones((4, 3)), np.zeros(3))]), x, "saliency", target=0)
        assert not a.values.flags.writeable
        assert x.flags.writeable


class TestEquality:
    @pytest.mark.parametrize(
        "change",
        [
            {"values": full().values + 1},
            {"values": full().values[:, :, :2], "inputs": full().inputs[:, :, :2]},
            {"inputs": full().inputs + 1},
            {"baseline": full().baseline + 1},
            {"baseline": None},
            {"target": (0, 1, 2, 3)},
            {"score": "output"},
            {"method": "saliency"},
            {"options": {"n_steps": 5}},
            {"layout": "TNC"},
            {"layer": "conv"},
            {"neuron": ()},
            {"texts": ()},
            {"mask": None},
        ],
        ids=str,
    )
    def test_another_answer_or_question(self, change):
        a = full()
        assert a != replace(a, **change)
        assert replace(a, **change) != a

    @pytest.mark.parametrize(
        "change",
        [
            {"display": Display()},
            {"versions": {"numpy": "1.0"}},
            {"batch_size": 7},
            {"notes": ("A warning.",)},
            {"delta": None},
            {"framework": "tensorflow"},
            {"options": {"grid": (1, 2), "x": np.nan}},
        ],
        ids=str,
    )
    def test_the_same(self, change):
        a = full(options={"grid": [1, 2], "x": np.nan})
        b = replace(a, **change)
        assert a == b
        assert hash(a) == hash(b)
        assert len({a, b}) == 1

    def test_zeros_and_nan(self):
        values = np.array([[0.0, np.nan, -0.0]], np.float32)
        a = Attribution(values, np.ones((1, 3), np.float32), "NC", "saliency", np.ones(1))
        b = replace(a, values=np.array([[-0.0, np.nan, 0.0]], np.float64))
        assert a == b
        assert hash(a) == hash(b)

    def test_references_differ_by_their_record(self):
        a = full(baseline=None, baseline_rule={"rule": "references", "count": 3})
        assert a != replace(a, baseline_rule={"rule": "references", "count": 4})

    def test_anything_else(self):
        assert full() != "attribution"
        assert full() != None  # noqa: E711
        assert (full() == full().values).shape == full().values.shape


def test_a_repr_fits_on_a_screen():
    ones = np.ones((1000, 2), np.float32)
    classes = tuple(f"class number {number}" for number in range(1000))
    a = Attribution(ones, ones, "NC", "saliency", np.ones(1000), target=tuple(range(1000)), model="M" * 500)
    a = a.with_display(
        classes=classes, example_names=classes, step_names=tuple(("a",) * 50 for _ in range(1000))
    )
    assert "target=(0, 1, 2, 3, 4, 5, … 994 more)" in repr(a)
    assert len(repr(a)) < 500
    assert len(repr(a.display)) < 700
    assert "… 994 more" in repr(a.display)
    assert repr(Display()) == "Display()"
    assert (
        repr(Display(mean=0.5, bounds=(-1, 1), classes=("a",)))
        == "Display(mean=0.5, bounds=(-1, 1), classes=('a',))"
    )


def test_warnings_of_a_call_are_cut(kit):
    x = np.array([[1.0, 1.0], [-1.0, -1.0], [2.0, 1.0]], np.float32)
    model = kit.dense([(np.eye(2), np.zeros(2)), (np.ones((2, 1)), np.zeros(1))], "relu")
    with pytest.warns(ExplainWarning, match=r"example \[1\]"):
        a = explain.attribute(model, x, "saliency")
    assert "example [1]" in " ".join(a.notes)
    assert "example [0]" in " ".join(a[1].notes)
    assert not any("zero" in note for note in a[[0, 2]].notes)


@pytest.mark.filterwarnings("ignore::explain.errors.ZeroGradientWarning")
def test_the_warning_of_each_method_is_cut(kit):
    """A warning that named the examples in words of its own would stay with every example."""
    rng = np.random.default_rng(0)
    model = kit.dense(
        [(rng.normal(size=(2, 9)) * 40, rng.normal(size=9)), (rng.normal(size=(9, 2)), np.zeros(2))], "relu"
    )
    x = np.float32(rng.normal(size=(120, 2)))
    with pytest.warns(ExplainWarning, match=r"tolerance=.*\d+, … \d+ more\]"):
        a = explain.attribute(model, x, "ig", target=1, max_steps=7, tolerance=1e-6)
    far = np.flatnonzero(a.map_error > 1e-6)
    (note,) = (one for one in a.notes if "tolerance" in one)
    assert str(far.tolist()) in note  # the result keeps all of them
    for place in range(len(a)):
        assert any("tolerance" in one for one in a[place].notes) == (place in far)
