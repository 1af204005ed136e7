"""Which layer goes with which, told from names, order and shapes alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain.errors import PortError
from explain.migration.porting.layer_names import plain_name
from explain.migration.porting.pairing import fits, pair_layers
from explain.parameters.canonical import ParameterLayer


def dense(name, before=3, after=2, follows=None, **tensors):
    settings = {} if follows is None else {"after": tuple(follows.split())}
    return ParameterLayer(name, "dense", {"kernel": np.zeros((before, after)), **tensors}, settings)


def norm(name, count, follows=None):
    settings = {} if follows is None else {"after": tuple(follows.split())}
    return ParameterLayer(name, "batch_normalization", {"gamma": np.zeros(count)}, settings)


def convolution(name, before=3, after=4, side=3):
    return ParameterLayer(name, "convolution", {"kernel": np.zeros((side, side, before, after))})


def names(pairing):
    return [(pair.source.label, pair.target.label, pair.reason) for pair in pairing.pairs]


def test_in_order_where_names_say_nothing():
    found = pair_layers(
        [convolution("features.0"), convolution("features.2", 4), dense("classifier")],
        [convolution("conv2d"), convolution("conv2d_1", 4), dense("dense")],
    )
    assert names(found) == [
        ("features.0", "conv2d", "order"),
        ("features.2", "conv2d_1", "order"),
        ("classifier", "dense", "order"),
    ]
    assert not found.problems


def test_layers_of_one_shape_go_in_order():
    found = pair_layers(
        [dense(f"blocks.{n}", 3, 3) for n in range(4)], [dense(f"dense_{n}", 3, 3) for n in range(4)]
    )
    assert [(source[-1], target[-1]) for source, target, _ in names(found)] == [
        (str(n),) * 2 for n in range(4)
    ]


def test_names_that_all_agree_go_before_order():
    found = pair_layers(
        [convolution("stem"), convolution("main"), convolution("shortcut")],
        [convolution("stem"), convolution("shortcut"), convolution("main")],
    )
    assert {(source, target) for source, target, _ in names(found)} == {
        ("stem", "stem"),
        ("main", "main"),
        ("shortcut", "shortcut"),
    }


def test_names_that_agree_in_part_are_counted_apart():
    found = pair_layers(
        [convolution(f"conv{n}") for n in (1, 2, 3)],
        [convolution(f"conv{n}") for n in (0, 1, 2)],
    )
    assert [target for _, target, _ in names(found)] == ["conv0", "conv1", "conv2"]
    assert [source for source, _, _ in names(found)] == ["conv1", "conv2", "conv3"]


def test_capitals_signs_and_empty_words_do_not_matter():
    assert plain_name("Block_1/Conv-1") == plain_name("layer1.conv1")
    assert plain_name("layer1.0.conv1") != plain_name("layer1.1.conv1")


def test_where_shapes_contradict_the_order_what_is_unique_is_paired():
    found = pair_layers(
        [dense("a", 3, 2), dense("b", 2, 5), dense("c", 5, 7)],
        [dense("x", 5, 7), dense("y", 3, 2), dense("z", 2, 5)],
    )
    assert {(source, target) for source, target, _ in names(found)} == {("a", "y"), ("b", "z"), ("c", "x")}
    assert {reason for *_, reason in names(found)} == {"shape"}


def test_what_stands_between_the_same_known_layers_goes_in_order():
    # Two of one shape on either side of a head that is called sooner in one model.
    source = [dense("a", 3, 3), dense("b", 3, 3), dense("p", 3, 9), dense("q", 3, 8)]
    target = [dense("x", 3, 3), dense("y", 3, 3), dense("u", 3, 8), dense("v", 3, 9)]
    found = pair_layers(source, target)
    # The known ones cross: what is between is not known to be in order.
    assert {(one, other) for one, other, _ in names(found)} == {("p", "v"), ("q", "u")}
    source = [dense("a", 3, 3), dense("b", 3, 3), dense("p", 3, 9), dense("extra", 1, 1)]
    found = pair_layers(source, target[:2] + target[3:])
    assert {(one, other) for one, other, _ in names(found)} == {("a", "x"), ("b", "y"), ("p", "v")}


def test_what_is_ambiguous_is_left_and_asks_for_a_mapping():
    source = [dense("a", 3, 3), dense("p", 3, 9), dense("b", 3, 3)]
    target = [dense("x", 3, 3), dense("y", 3, 3), dense("v", 3, 9)]
    found = pair_layers(source, target)
    assert names(found) == [("p", "v", "shape")]
    assert [one.name for one in found.left_source] == ["a", "b"]
    (problem,) = found.problems
    assert "a, b of the source, x, y of the target" in problem
    assert "mapping={'a': 'x', ...}" in problem
    settled = pair_layers(source, target, {"a": "y", "b": "x"})
    assert {(one, other) for one, other, _ in names(settled)} == {("a", "y"), ("b", "x"), ("p", "v")}
    # One is enough where only one is left then.
    assert ("b", "x") in {pair[:2] for pair in names(pair_layers(source, target, {"a": "y"}))}


def test_layers_that_depend_on_each_other_have_one_order():
    source = [dense("a", 3, 3), dense("p", 3, 9), dense("b", 3, 3)]
    target = [dense("x", 3, 3, ""), dense("y", 3, 3, "x"), dense("v", 3, 9, "y")]
    assert {pair[:2] for pair in names(pair_layers(source, target))} == {("a", "x"), ("b", "y"), ("p", "v")}
    # By way of another layer too, and seen on the source.
    source = [dense("a", 3, 3, ""), dense("p", 3, 9, "b"), dense("c", 3, 3, "a"), dense("b", 3, 3, "c")]
    target = [dense("x", 3, 3), dense("y", 3, 3), dense("z", 3, 3), dense("v", 3, 9)]
    found = {pair[:2] for pair in names(pair_layers(source, target))}
    assert found == {("a", "x"), ("c", "y"), ("b", "z"), ("p", "v")}


def test_a_norm_goes_with_the_layer_that_it_follows():
    source = [convolution("a", 1, 4), norm("na", 4), convolution("b", 2, 4), norm("nb", 4)]
    target = [
        convolution("y", 2, 4),
        convolution("x", 1, 4),
        norm("nx", 4, "x"),
        norm("ny", 4, "y"),
        norm("no", 4, "x y"),
    ]
    found = names(pair_layers([*source, norm("last", 4)], target))
    assert ("na", "nx", "follows") in found
    assert ("nb", "ny", "follows") in found
    assert ("last", "no", "shape") in found


def test_an_order_that_what_follows_what_contradicts_is_none():
    # All of one shape; two towers, one after the other here and by turns there.
    source = [dense("a", 3, 3), dense("b", 3, 3, "a"), dense("c", 3, 3), dense("d", 3, 3, "c")]
    by_turns = [dense("w", 3, 3, ""), dense("x", 3, 3, ""), dense("y", 3, 3, "w"), dense("z", 3, 3, "x")]
    assert not pair_layers(source, by_turns).pairs
    one_by_one = [dense("w", 3, 3, ""), dense("x", 3, 3, "w"), dense("y", 3, 3, ""), dense("z", 3, 3, "y")]
    assert [pair[:2] for pair in names(pair_layers(source, one_by_one))] == [
        *zip("abcd", "wxyz", strict=True)
    ]


def test_a_mapping_of_a_layer_of_several_parts_pairs_the_parts():
    def lstm(name, part):
        tensors = {"kernel": np.zeros((3, 8)), "recurrent_kernel": np.zeros((2, 8))}
        return ParameterLayer(name, "lstm", tensors, part=part)

    source = [lstm("rnn", "l0"), lstm("rnn", "l0_reverse")]
    target = [lstm("bidirectional", "forward"), lstm("bidirectional", "backward")]
    both = [("rnn (l0)", "bidirectional (forward)"), ("rnn (l0_reverse)", "bidirectional (backward)")]
    assert [pair[:2] for pair in names(pair_layers(source, target, {"rnn": "bidirectional"}))] == both
    turned = pair_layers(source, target, {"rnn (l0)": "bidirectional (backward)"})
    assert ("rnn (l0)", "bidirectional (backward)", "mapping") in names(turned)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"classifer": "fc"}, "'classifer', which is no layer of the source.*did you mean 'classifier'"),
        ({"classifier": "nowhere"}, "'nowhere', which is no layer of the target.*there are fc, small"),
        ({"nothing": None}, "'nothing', which is no layer of either model"),
        ({"classifier": "small"}, "do not fit.*'classifier'.*kernel 3×2.*'small'.*kernel 1×1"),
        ({"classifier": "fc", "other": "fc"}, "gives 'fc' of the target to several"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(mapping, message):
    source = [dense("classifier"), dense("other")]
    with pytest.raises(PortError, match=message):
        pair_layers(source, [dense("fc"), dense("small", 1, 1)], mapping)


def test_what_is_set_aside_is_no_problem():
    found = pair_layers(
        [dense("a"), dense("auxiliary", 7, 7)],
        [dense("x"), dense("constants", 1, 1)],
        {"auxiliary": None, "constants": None},
    )
    assert names(found) == [("a", "x", "order")]
    assert [one.name for one in found.set_aside] == ["auxiliary", "constants"]
    assert not found.problems


def test_counts_that_differ_are_named():
    found = pair_layers([dense("a"), dense("b")], [dense("x"), convolution("y")])
    assert "2 layers of one kind and shape in the source (a, b), and 1 in the target (x)" in found.problems[0]
    assert "No layer of the source is of the kind and shape of 'y'" in found.problems[1]


def test_biases_do_not_matter_and_kinds_do():
    assert fits(dense("a"), dense("b", bias=np.zeros(2)))
    assert not fits(dense("a"), dense("b", 2, 3))
    one = ParameterLayer("n", "batch_normalization", {"gamma": np.zeros(3)})
    assert not fits(one, ParameterLayer("n", "layer_normalization", {"gamma": np.zeros(3)}))
    assert fits(one, ParameterLayer("n", "batch_normalization", {}))


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=8))
def test_any_model_is_paired_with_its_like(shapes):
    source = [dense(f"features.{place}", *shape) for place, shape in enumerate(shapes)]
    target = [dense(f"dense_{place + 4}", *shape) for place, shape in enumerate(shapes)]
    found = pair_layers(source, target)
    assert [(pair.source, pair.target) for pair in found.pairs] == list(zip(source, target, strict=True))


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_no_layer_is_paired_twice_or_with_another_shape(shapes, random):
    source = [dense(f"features.{place}", *shape) for place, shape in enumerate(shapes)]
    mixed = random.sample(shapes, len(shapes))
    target = [dense(f"dense_{place}", *shape) for place, shape in enumerate(mixed)]
    found = pair_layers(source, target)
    assert all(fits(pair.source, pair.target) for pair in found.pairs)
    assert (
        len({id(pair.source) for pair in found.pairs})
        == len({id(pair.target) for pair in found.pairs})
        == len(found.pairs)
    )
    assert len(found.pairs) + len(found.left_source) == len(shapes)
    # Every layer that is the only one of its shape has its partner.
    assert all(shapes.count(tuple(one.shapes["kernel"])) > 1 for one in found.left_source)
    assert bool(found.left_source) == bool(found.problems)
