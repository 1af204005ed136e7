"""From a target to indices, without any framework."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.errors import TargetError
from explain.inputs.target import predicted_classes, resolve_target


@given(st.integers(1, 5), st.integers(2, 6), st.data())
def test_list_and_array_and_tuples_mean_the_same(count, classes, data):
    wanted = data.draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
    outputs = np.zeros((count, classes))
    for target in (wanted, np.array(wanted), [(one,) for one in wanted], [np.int64(one) for one in wanted]):
        resolved, labels = resolve_target(target, outputs)
        assert resolved.indices.tolist() == [[one] for one in wanted]
        assert resolved.indices.dtype == np.int64
        assert labels == tuple(wanted)


@given(st.integers(1, 4), st.integers(2, 5), st.integers(-9, 12))
def test_an_int_is_taken_exactly_if_it_is_in_range(count, classes, target):
    outputs = np.zeros((count, classes))
    if 0 <= target < classes:
        assert resolve_target(target, outputs)[1] == (target,) * count
    else:
        with pytest.raises(TargetError, match=f"{target} should be from 0 to {classes - 1}"):
            resolve_target(target, outputs)


def test_predicted_classes_exist_only_where_there_are_classes():
    assert predicted_classes(np.array([[0.1, 0.9], [3.0, -1.0]])).tolist() == [1, 0]
    for shape in ((3,), (3, 1), (3, 4, 5)):
        assert predicted_classes(np.zeros(shape)) is None


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 1, 1)])
def test_a_single_output_needs_no_target(shape):
    resolved, labels = resolve_target(None, np.zeros(shape))
    assert resolved.indices.shape == (3, len(shape) - 1)
    assert (resolved.indices == 0).all()
    assert labels == (None,) * 3


def test_a_callable_keeps_its_name():
    class Callable:
        def __call__(self, outputs):
            return outputs

    def margin(outputs):
        return outputs

    assert resolve_target(margin, np.zeros((2, 3)))[1] == ("margin", "margin")
    assert resolve_target(Callable(), np.zeros((2, 3)))[1] == ("Callable", "Callable")


def test_long_targets_are_cut_short_in_messages():
    with pytest.raises(TargetError) as caught:
        resolve_target([0] * 99 + [5], np.zeros((100, 3)))
    assert len(str(caught.value)) < 250


def test_arrays_of_floats_are_not_classes():
    with pytest.raises(TargetError, match="not a target"):
        resolve_target(np.array([0.0, 1.0]), np.zeros((2, 3)))
