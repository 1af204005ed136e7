"""The figures of similarity against independent formulas, and what `compare` refuses."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explain.errors import ComparisonError
from explain.inputs.display import Display
from explain.results.attribution import Attribution
from explain.results.comparison import FIGURES, Comparison, compare
from explain.results.similarity import pearson, ranks, relative_l2, spearman, ssim, top_overlap

rng = np.random.default_rng(7)


def attribution(values, layout="NHWC", **fields):
    values = np.asarray(values, np.float32)
    defaults = {
        "inputs": np.linspace(0, 1, values.size, dtype=np.float32).reshape(values.shape),
        "method": "saliency",
        "scores": np.ones(values.shape[layout.index("N")]),
        "target": (0,) * values.shape[layout.index("N")],
    }
    return Attribution(values=values, layout=layout, **{**defaults, **fields})


def images(count=3, size=9, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size, size, 3)).astype(np.float32)


def pair(size=9):
    a = attribution(images(size=size))
    return a, replace(a, values=a.values + 0.3 * images(size=size, seed=1))


floats = st.floats(-1e3, 1e3, allow_nan=False, width=32)
flat = arrays(np.float64, st.integers(2, 40), elements=floats)


class TestFigures:
    def test_relative_l2_by_hand(self):
        assert relative_l2(np.array([3.0, 0.0]), np.array([0.0, 4.0])) == pytest.approx(5 / 4)

    def test_pearson_is_that_of_numpy(self):
        a, b = rng.normal(size=(2, 500))
        assert pearson(a, a + b) == pytest.approx(np.corrcoef(a, a + b)[0, 1], abs=1e-12)

    @pytest.mark.parametrize("values", [[0.5, -1.0, 0.5, 3.0, 0.5], [2.0, 2.0], [3.0], [1.0, np.nan, 0.0]])
    def test_ranks_are_those_of_scipy(self, values):
        np.testing.assert_array_equal(ranks(np.array(values)), scipy.stats.rankdata(values))

    def test_spearman_is_that_of_scipy_with_ties(self):
        a, b = rng.integers(0, 6, size=(2, 300)).astype(float)
        assert spearman(a, a + b) == pytest.approx(scipy.stats.spearmanr(a, a + b).statistic, abs=1e-12)

    def test_top_overlap_without_ties_counts_common_members(self):
        a, b = rng.normal(size=(2, 95))
        b = a + 0.5 * b
        count = 10
        common = set(np.argsort(-np.abs(a))[:count]) & set(np.argsort(-np.abs(b))[:count])
        assert top_overlap(a, b) == len(common) / count

    def test_top_overlap_shares_the_places_of_ties(self):
        # One place (a tenth of ten), two tied for it: each is half a member.
        a = np.array([5.0, 5, 0, 0, 0, 0, 0, 0, 0, 0])
        b = np.array([5.0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        assert top_overlap(a, b) == 0.5
        assert top_overlap(a, a) == 1.0

    def test_top_overlap_does_not_depend_on_the_order_of_ties(self):
        a, b = rng.integers(-3, 4, size=(2, 60)).astype(float)
        order = rng.permutation(60)
        assert top_overlap(a[order], b[order]) == pytest.approx(top_overlap(a, b), abs=1e-12)

    def test_ssim_by_the_paper_on_one_window(self):
        a, b = rng.normal(size=(2, 7, 7))
        data_range = max(a.max(), b.max()) - min(a.min(), b.min())
        c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
        covariance = ((a - a.mean()) * (b - b.mean())).sum() / 48
        expected = (2 * a.mean() * b.mean() + c1) * (2 * covariance + c2)
        expected /= (a.mean() ** 2 + b.mean() ** 2 + c1) * (a.var(ddof=1) + b.var(ddof=1) + c2)
        assert ssim(a, b) == pytest.approx(expected, abs=1e-12)

    def test_zero_maps(self):
        zero, other = np.zeros(20), np.arange(20.0)
        assert relative_l2(zero, zero) == 0
        assert relative_l2(zero, other) == 1
        for figure in (pearson, spearman, top_overlap):
            assert math.isnan(figure(zero, zero))
            assert math.isnan(figure(zero, other))
        assert math.isnan(ssim(np.zeros((9, 9)), np.zeros((9, 9))))
        assert -1 <= ssim(np.zeros((9, 9)), rng.normal(size=(9, 9))) < 1

    def test_constant_maps(self):
        two, three = np.full(20, 2.0), np.full(20, 3.0)
        assert relative_l2(two, three) == pytest.approx(1 / 3)
        assert math.isnan(pearson(two, three))
        assert math.isnan(spearman(two, three))
        assert top_overlap(two, three) == 1.0

    def test_one_value_has_no_correlation(self):
        assert math.isnan(pearson(np.ones(1), np.ones(1)))
        assert math.isnan(spearman(np.ones(1), np.ones(1)))

    @pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300])
    def test_size_does_not_matter(self, size):
        a, b = rng.normal(size=(2, 9, 9))
        for figure in (relative_l2, pearson, spearman, top_overlap):
            expected = figure(a.ravel(), b.ravel())
            assert figure(size * a.ravel(), size * b.ravel()) == pytest.approx(expected, rel=1e-9)
        assert ssim(size * a, size * b) == pytest.approx(ssim(a, b), rel=1e-9)

    @settings(max_examples=60, deadline=None)
    @given(flat, st.integers(0, 2**32 - 1))
    def test_symmetry_and_ranges(self, a, seed):
        b = np.random.default_rng(seed).permutation(a) + 0.0
        for figure, low, high in (
            (relative_l2, 0, 2),
            (pearson, -1, 1),
            (spearman, -1, 1),
            (top_overlap, 0, 1),
        ):
            one, other = figure(a, b), figure(b, a)
            assert (math.isnan(one) and math.isnan(other)) or one == pytest.approx(other, abs=1e-9)
            assert math.isnan(one) or low - 1e-9 <= one <= high + 1e-9

    @settings(max_examples=60, deadline=None)
    @given(flat)
    def test_identity_and_mirror(self, a):
        assert relative_l2(a, a) == 0
        for figure in (pearson, spearman, top_overlap):
            assert math.isnan(figure(a, a)) or figure(a, a) == pytest.approx(1)
        for figure in (pearson, spearman):
            assert math.isnan(figure(a, -a)) or figure(a, -a) == pytest.approx(-1)
        if a.any():
            assert relative_l2(a, -a) == pytest.approx(2)
            assert top_overlap(a, -a) == pytest.approx(1)

    @settings(max_examples=40, deadline=None)
    @given(flat, st.floats(0.1, 10))
    def test_scaling_one_map_only_moves_the_distance(self, a, factor):
        if not a.any():
            return
        assert relative_l2(a, factor * a) == pytest.approx(1 - min(factor, 1 / factor), abs=1e-9)
        assert math.isnan(pearson(a, a)) or pearson(a, factor * a) == pytest.approx(1)
        assert top_overlap(a, factor * a) == pytest.approx(1)


class TestCompare:
    def test_all_figures_of_real_shapes(self):
        a, b = pair()
        result = compare(a, b)
        assert len(result) == 3
        for example in range(3):
            one, other = (x.values[example].astype(float).ravel() for x in (a, b))
            assert result.relative_l2[example] == pytest.approx(
                math.sqrt(((one - other) ** 2).sum() / max((one**2).sum(), (other**2).sum()))
            )
            assert result.pearson[example] == pytest.approx(np.corrcoef(one, other)[0, 1])
            assert result.spearman[example] == pytest.approx(scipy.stats.spearmanr(one, other).statistic)
        assert (result.ssim < 1).all()

    @pytest.mark.parametrize("axes", ["NCHW", "HWCN", "CNHW", "HNCW"])
    def test_layouts_are_matched(self, axes):
        a, b = pair()
        move = ["NHWC".index(letter) for letter in axes]
        moved = replace(b, values=b.values.transpose(move), inputs=b.inputs.transpose(move), layout=axes)
        for name in FIGURES:
            np.testing.assert_array_equal(getattr(compare(a, moved), name), getattr(compare(a, b), name))

    def test_time_first_and_padding(self):
        values = rng.normal(size=(2, 5, 4)).astype(np.float32)
        mask = np.array([[True] * 5, [True, True, False, False, False]])
        values[~mask] = 0
        names = Display(step_names=(tuple("abcde"), tuple("fg")))
        a = attribution(values, "NTC", mask=mask, display=names)
        b = replace(
            a, values=(values * 2).transpose(1, 0, 2), inputs=a.inputs.transpose(1, 0, 2), layout="TNC"
        )
        result = compare(a, b)
        assert result.relative_l2 == pytest.approx([0.5, 0.5])
        short = values[1, :2].ravel().astype(float)
        other = replace(a, values=a.values[:, :, ::-1].copy())
        assert compare(a, other).pearson[1] == pytest.approx(
            np.corrcoef(short, values[1, :2, ::-1].ravel())[0, 1]
        )
        assert np.isnan(result.ssim).all()

    def test_rows_as_time_have_a_structural_similarity(self):
        a = attribution(rng.normal(size=(1, 9, 8)), "NTC")
        assert compare(a, a).ssim == pytest.approx([1])

    def test_maps_under_seven_wide_have_none(self):
        a = attribution(images(size=6))
        assert np.isnan(compare(a, a).ssim).all()

    def test_tables_have_none(self):
        a = attribution(rng.normal(size=(2, 8)), "NC")
        assert np.isnan(compare(a, a).ssim).all()

    def test_mean_leaves_the_undefined_out(self):
        a, b = pair()
        a, b = (replace(one, values=one.values * [[[[1]]], [[[0]]], [[[1]]]]) for one in (a, b))
        result = compare(a, b)
        assert np.isnan(result.pearson).tolist() == [False, True, False]
        assert result.mean["pearson"] == pytest.approx((result.pearson[0] + result.pearson[2]) / 2)
        table = attribution(rng.normal(size=(2, 8)), "NC")
        assert math.isnan(compare(table, table).mean["ssim"])

    def test_worst_is_the_least_similar(self):
        a, b = pair()
        b = replace(b, values=np.concatenate([b.values[:1], -a.values[1:2], b.values[2:]]))
        assert compare(a, b).worst == 1

    def test_written_as_a_table(self):
        a, b = pair(size=6)
        text = str(compare(replace(a, framework="torch"), replace(b, framework="tensorflow")))
        assert "PyTorch | TensorFlow" in text
        lines = text.splitlines()
        assert lines[1].split() == [
            "example",
            "relative",
            "L2",
            "Pearson",
            "Spearman",
            "top",
            "10",
            "%",
            "SSIM",
        ]
        assert len({len(line) for line in lines[1:8]}) == 1
        assert lines[3].endswith("–")
        assert "least similar: example" in text
        assert "framework: torch | tensorflow" in text

    def test_plain_data(self):
        a, b = pair(size=6)
        found = json.loads(json.dumps(compare(a, b).to_json(), allow_nan=False))
        assert found["examples"]["ssim"] == [None] * 3
        assert found["mean"]["relative_l2"] == pytest.approx(compare(a, b).mean["relative_l2"])

    def test_frozen(self):
        with pytest.raises(AttributeError):
            compare(*pair()).ssim = None


class TestDifferences:
    def test_equal_attributions_have_none(self):
        a, b = pair()
        assert compare(a, b).differences == ()

    def test_all_that_may_differ_is_listed(self):
        a, b = pair()
        a = replace(
            a,
            model="One",
            options={"n_steps": 50},
            baseline=np.zeros_like(a.inputs),
            baseline_rule={"rule": "zeros"},
        )
        b = replace(
            b,
            model="Two",
            method="integrated_gradients",
            engine="captum",
            options={"n_steps": 20, "rule": "midpoint"},
            baseline=np.full_like(b.inputs, 0.5),
            scores=np.array([1.0, 1.0, 3.0]),
            seed=3,
        )
        text = "\n".join(compare(a, b).differences)
        for words in (
            "model: One | Two",
            "method: saliency | integrated_gradients",
            "engine: explain | captum",
            "option n_steps: 50 | 20",
            "option rule: – | midpoint",
            "baseline: zeros | given (examples 0, 1, 2, by up to 0.5)",
            "scores: by up to 2",
            "seed: 0 | 3",
        ):
            assert words in text

    def test_sets_of_references_are_told_by_their_number(self):
        a, b = pair()
        several = replace(a, baseline_rule={"rule": "references", "count": 64})
        fewer = replace(b, baseline_rule={"rule": "references", "count": 8})
        one = replace(b, baseline=np.zeros_like(b.inputs), baseline_rule={"rule": "zeros"})
        assert compare(several, several).differences == ()
        assert compare(several, fewer).differences == ("baseline: 64 references | 8 references",)
        assert compare(several, one).differences == ("baseline: 64 references | one an example",)
        assert compare(b, several).differences == ("baseline: none | 64 references",)

    def test_steps_rule_and_chunk_size(self):
        a, b = pair()
        a = replace(a, steps=np.array([15, 45, 135]), rule="midpoint", batch_size=64)
        b = replace(b, steps=np.array([15, 45, 45]), rule="gauss_legendre", batch_size=32)
        assert compare(a, b).differences == (
            "steps: 135 | 45 (example 2)",
            "rule: midpoint | gauss_legendre",
            "batch_size: 64 | 32",
        )
        everywhere = replace(a, steps=np.array([5, 5, 405]))
        assert compare(a, everywhere).differences == ("steps: 15 to 135 | 5 to 405",)

    def test_what_one_of_them_does_not_know_is_no_difference(self):
        a, b = pair()
        a = replace(a, steps=np.array([15, 45, 135]), rule="midpoint", batch_size=64)
        assert compare(a, b).differences == ()
        assert compare(b, a).differences == ()

    def test_steps_are_compared_however_they_were_chosen(self):
        a, b = pair()
        a = replace(
            a, steps=np.array([15, 45, 45]), rule="midpoint", options={"n_steps": "auto", "rule": None}
        )
        b = replace(
            b,
            steps=np.array([15, 45, 45]),
            rule="midpoint",
            options={"n_steps": [15, 45, 45], "rule": "midpoint"},
        )
        assert compare(a, b).differences == ()
        # Without steps the options are all that is known.
        old = [replace(one, steps=None, rule="") for one in (a, b)]
        assert compare(*old).differences == (
            "option n_steps: auto | [15, 45, 45]",
            "option rule: None | midpoint",
        )

    def test_one_baseline(self):
        a, b = pair()
        assert compare(replace(a, baseline=a.inputs), b).differences == ("baseline: only a has one",)
        assert compare(a, replace(b, baseline=a.inputs)).differences == ("baseline: only b has one",)

    @pytest.mark.parametrize(
        ("fields", "labels"),
        [
            ({}, ("a", "b")),
            ({"framework": "tensorflow"}, ("PyTorch", "TensorFlow")),
            ({"model": "Other"}, ("Net", "Other")),
            ({"method": "integrated_gradients"}, ("Saliency", "Integrated gradients")),
            ({"engine": "captum"}, ("explain", "captum")),
        ],
    )
    def test_labels_are_what_tells_the_two_apart(self, fields, labels):
        a = attribution(images(), framework="torch", model="Net")
        assert compare(a, replace(a, **fields)).labels == labels


class TestRefusals:
    def refused(self, a, b, *words):
        with pytest.raises(ComparisonError) as caught:
            compare(a, b)
        for word in words:
            assert word in str(caught.value)

    def test_not_an_attribution(self):
        self.refused(attribution(images()), images(), "b is a ndarray", "explain.attribute")

    def test_other_inputs(self):
        a, b = pair()
        inputs = b.inputs.copy()
        inputs[1] += 0.25
        self.refused(a, replace(b, inputs=inputs), "the inputs of examples 1", "by up to 0.25")

    def test_rounding_in_the_inputs_is_let_pass(self):
        a, b = pair()
        compare(a, replace(b, inputs=b.inputs * np.float32(1 + 1e-6)))

    def test_other_number_of_examples(self):
        self.refused(attribution(images(2)), attribution(images(3)), "the number of examples: 2 and 3")

    def test_no_examples(self):
        self.refused(attribution(images(0)), attribution(images(0)), "no examples")

    def test_other_shape(self):
        self.refused(
            attribution(images(size=8)), attribution(images(size=9)), "(3, 8, 8, 3) and (3, 9, 9, 3)"
        )

    def test_other_targets(self):
        a, b = pair()
        names = Display(classes=("cat", "dog"))
        a, b = replace(a, display=names), replace(b, target=(0, 0, 1), display=names)
        self.refused(a, b, "the targets of examples 2", "cat and dog", "give target= to both")
        self.refused(a, replace(b, target=()), "the targets: (0, 0, 0) and ()")

    def test_other_kind_of_score(self):
        a, b = pair()
        self.refused(a, replace(b, score="probability"), "the kind of score: 'logit' and 'probability'")

    def test_other_padding(self):
        a = attribution(rng.normal(size=(2, 4, 3)), "NTC")
        b = replace(a, mask=np.array([[True] * 4, [True, True, True, False]]))
        self.refused(a, b, "the padding (mask) of examples 1")

    def test_an_input_that_was_found_and_a_map(self):
        a, b = pair()
        self.refused(a, replace(b, method="activation_maximization"), "the kind of result")

    def test_all_reasons_at_once(self):
        a, b = pair()
        b = replace(b, target=(1, 0, 0), score="output", inputs=b.inputs + 1)
        self.refused(a, b, "the inputs", "the targets", "the kind of score")

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_no_figure_of_what_is_not_finite(self, bad):
        a, b = pair()
        values = b.values.copy()
        values[2, 0, 0, 0] = bad
        b = replace(b, values=values)
        self.refused(a, b, "b.values is NaN or infinite in examples 2")


def test_comparison_can_be_made_by_hand():
    one = np.ones(2)
    made = Comparison(one, one, one, one, one)
    assert made.worst == 0
    assert made.labels == ("a", "b")
