"""How an integral was made, said beside every map: its steps, its rule, its error; and where two differ."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from explain.render import plot, plot_pair
from explain.render.parts.sheet import ALERT, MUTED
from explain.results.integration_text import (
    Difference,
    differences_text,
    integration_differences,
    map_error_text,
    steps_text,
    tolerance_of,
)
from explain.results.names import percent_at_most


def colors(figure):
    return {text.get_text(): text.get_color() for text in figure.findobj(Text) if text.get_text()}


def lines(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


class TestWords:
    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            ("midpoint", "16 midpoint steps"),
            ("gauss_legendre", "16 Gauss–Legendre steps"),
            ("fejer", "16 Fejér steps"),
            ("trapezoid", "16 trapezoid steps"),
            ("riemann_left", "16 left Riemann steps"),
            ("riemann_right", "16 right Riemann steps"),
            ("", "16 steps"),
        ],
    )
    def test_every_rule_has_its_name(self, made, rule, words):
        assert steps_text(made.images(1, steps=np.array([16]), rule=rule), 0) == words

    def test_steps_of_one_and_of_all_examples(self, made):
        a = made.images(3, steps=np.array([45, 1, 135]), rule="midpoint")
        assert [steps_text(a, index) for index in range(3)] == [
            "45 midpoint steps",
            "1 midpoint step",
            "135 midpoint steps",
        ]
        assert steps_text(a) == "1 to 135 midpoint steps"
        assert steps_text(replace(a, steps=np.full(3, 45))) == "45 midpoint steps"
        assert steps_text(made.images(3)) is None

    @given(st.floats(1e-6, 1e4))
    def test_a_bound_is_never_rounded_down_nor_far_up(self, bound):
        written = float(percent_at_most(bound).removesuffix(" %")) / 100
        assert bound * (1 - 1e-8) <= written <= max(1.1 * bound, 1.001e-5)

    @pytest.mark.parametrize(
        ("error", "words"), [(0.0161, "1.7 %"), (0.02, "2 %"), (0.0, "0 %"), (np.inf, "∞ %"), (0.123, "13 %")]
    )
    def test_map_errors(self, made, error, words):
        assert map_error_text(made.images(1, map_error=np.array([error])), 0) == f"map error ≤ {words}"

    def test_no_estimate_is_no_words(self, made):
        assert map_error_text(made.images(1, map_error=np.array([np.nan])), 0) is None
        assert map_error_text(made.images(1), 0) is None

    def test_a_tolerance_counts_only_where_it_chose_the_steps(self, made):
        assert tolerance_of(made.images(1, options={"n_steps": "auto", "tolerance": 0.01})) == 0.01
        assert tolerance_of(made.images(1, options={"n_steps": 45, "tolerance": 0.01})) is None
        assert tolerance_of(made.images(1, options={"n_steps": [45], "tolerance": 0.01})) is None
        assert tolerance_of(made.images(1)) is None


class TestFigures:
    def test_one_attribution(self, made, any_attribution):
        found = lines(plot(any_attribution))
        if any_attribution.steps is None:
            assert not any("steps" in text and "midpoint" in text for text in found)
            return
        name = {"midpoint": "midpoint", "gauss_legendre": "Gauss–Legendre"}[any_attribution.rule]
        for words in (f"45 {name} steps", f"135 {name} steps", f"5 {name} steps"):
            assert words in found
        for words in ("map error ≤ 1.7 %", "map error ≤ 0.42 %", "map error ≤ 2.4 %"):
            assert words in found
        assert sum(text.startswith("convergence delta") for text in found) == 3

    def test_an_error_above_the_tolerance_is_coloured(self, made):
        a = made.images(3, **made.integral(3))
        found = colors(plot(a))
        assert found["map error ≤ 2.4 %"] == ALERT
        assert found["map error ≤ 1.7 %"] == found["map error ≤ 0.42 %"] == MUTED
        fixed = replace(a, options={"n_steps": 5, "tolerance": 0.02})
        assert colors(plot(fixed))["map error ≤ 2.4 %"] == MUTED

    def test_only_the_line_that_is_too_high_is_coloured_in_a_pair(self, made):
        a = made.images(3, **made.integral(3), relative_delta=np.array([0.2, 0.0, 0.0]))
        found = colors(plot_pair(a, replace(a, framework="tensorflow")))
        assert found["logit −1  ·  delta 20 %"] == ALERT
        assert found["45 midpoint steps"] == MUTED
        assert found["map error ≤ 2.4 %"] == ALERT

    @pytest.mark.parametrize("rule", ["midpoint", "gauss_legendre"])
    @pytest.mark.parametrize("shape", [(4, 4, 3), (28, 28, 1), (32, 32, 3), (20, 90, 3), (90, 20, 3)])
    @pytest.mark.parametrize("count", [1, 4])
    def test_pairs_of_images_of_every_size(self, made, check_text, count, shape, rule):
        fields = made.integral(count, rule=rule, score="log_probability")
        a = made.images(count, shape=shape, **fields)
        figure = plot_pair(a, replace(a, framework="tensorflow"))
        check_text(figure)
        found = [text for text in lines(figure) if "error" in text or "steps" in text or "delta" in text]
        assert " ".join(found).count("map error ≤ 1.7 %") == 2 * -(-count // 3)
        assert not any("…" in text for text in found)

    @pytest.mark.parametrize("kind", ["rows", "names", "table", "volumes"])
    def test_pairs_of_every_kind(self, made, check_text, kind):
        first = (("Jo", "O'Neal"),) if kind == "names" else (2,)
        fields = made.integral(2, rule="gauss_legendre", score="log_probability")
        a = getattr(made, kind)(*first, **fields)
        for scale in ("shared", "example"):
            figure = plot_pair(a, replace(a, framework="tensorflow", map_error=None), scale=scale)
            check_text(figure)
            found = " ".join(lines(figure))
            assert found.count("45 Gauss–Legendre steps") == found.count("135 Gauss–Legendre steps") == 2
            assert found.count("map error ≤ 1.7 %") == 1

    def test_words_are_broken_alike_under_all_maps(self, made):
        # The long score of one example would alone need a line more than the short one of the other.
        a = made.images(
            2,
            shape=(32, 32, 3),
            **made.integral(2, scores=np.array([1.0, -0.000123])),
            score="log_probability",
        )
        found = lines(plot_pair(a, replace(a, framework="tensorflow", steps=np.array([45, 405]))))
        assert found.count("45 midpoint steps") == 2
        assert found.count("135 midpoint steps") == found.count("405 midpoint steps") == 1

    def test_wide_maps_have_both_on_a_line(self, made):
        a = made.images(1, shape=(60, 90, 3), **made.integral(1))
        found = lines(plot_pair(a, replace(a, framework="tensorflow")))
        assert found.count("45 midpoint steps  ·  map error ≤ 1.7 %") == 2


class TestDifferences:
    def test_alike_in_all(self, made):
        a = made.images(3, **made.integral(3))
        assert integration_differences(a, replace(a, map_error=None)) == []
        figure = plot_pair(a, replace(a, framework="tensorflow"))
        assert not any("differing" in text for text in lines(figure))

    def test_each_is_listed(self, made):
        a = made.images(3, **made.integral(3))
        b = replace(a, steps=np.array([15, 135, 405]), rule="gauss_legendre", batch_size=32)
        assert integration_differences(a, b) == [
            Difference("steps", "5 to 45", "15 to 405", "examples 0, 2"),
            Difference("rule", "midpoint", "gauss_legendre"),
            Difference("batch_size", "64", "32"),
        ]

    def test_steps_that_differ_everywhere_need_no_list(self, made):
        a = made.images(3, **made.integral(3, steps=(45,)))
        (found,) = integration_differences(a, replace(a, steps=np.full(3, 15)))
        assert found == Difference("steps", "45", "15")

    @pytest.mark.parametrize("missing", [{"steps": None}, {"rule": ""}, {"batch_size": None}])
    def test_what_one_does_not_know_is_no_difference(self, made, missing):
        a = made.images(3, **made.integral(3))
        assert integration_differences(a, replace(a, **missing)) == []
        assert integration_differences(replace(a, **missing), a) == []

    def test_a_pair_says_so_at_its_head(self, made, check_text):
        a = made.images(3, **made.integral(3))
        b = replace(
            a, framework="tensorflow", steps=np.array([45, 135, 405]), rule="trapezoid", batch_size=256
        )
        figure = plot_pair(a, b)
        check_text(figure)
        words = "differing in steps (5 and 405 in example 2), rule (midpoint and trapezoid), chunk size (64 and 256)"
        assert differences_text(a, b) == words
        assert words in lines(figure)
