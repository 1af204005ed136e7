"""Tables as waterfalls, beeswarms and bars of importance: what they show, against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import explain
from explain.errors import RenderError
from explain.inputs.display import Display
from explain.render import (
    draw_beeswarm,
    feature_rows,
    plot,
    plot_beeswarm,
    plot_importance,
    plot_pair,
    plot_waterfall,
    shared_scale,
    start_scores,
    waterfall,
)
from explain.render.colour_maps import value_colors
from explain.render.tables.feature_rows import shades_of

GOLDEN = pytest.mark.mpl_image_compare(
    tolerance=0.2, savefig_kwargs={"dpi": 100, "metadata": {"Software": None}}
)
NAMES = ("age", "is a member", "income per month, in $1,000$", "constant")
LONG = tuple(f"one_hot_encoder__occupation_of_the_first_parent_{place}_Exec" for place in range(500))


def linear(made, count=1, features=14, delta=0.0, names=NAMES, **fields):
    """A linear model from the baseline of zeros, whose attributions are known: each weight times its value."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(count, features)).astype(np.float32)
    x[:, 1] = x[:, 1] > 0
    x[:, 3] = 2
    weights = generator.normal(size=features) * np.exp(-np.arange(features) / 4)
    values = weights * x
    names = (*names, *(f"measure {place}" for place in range(features)))[:features]
    own = {
        "inputs": x,
        "scores": 0.7 + values.sum(axis=1) - delta,
        "delta": np.full(count, delta),
        "relative_delta": np.abs(delta / values.sum(axis=1)),
        "baseline_rule": {"rule": "zeros"},
        "target": (1,) * count,
        "display": {"feature_names": names},
    }
    return made.attribution(values, "NC", **{**own, **fields})


def labels(axes):
    return [one.get_text() for one in axes.get_yticklabels()]


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@GOLDEN
def test_golden_waterfall(made):
    return plot_waterfall(linear(made, delta=0.3), max_features=6)


@GOLDEN
def test_golden_waterfalls(made):
    return linear(made, 2, baseline_rule={"rule": "references", "count": 64}).plot(
        kind="waterfall", max_features=4
    )


@GOLDEN
def test_golden_beeswarm(made):
    return plot_beeswarm(linear(made, 200))


@GOLDEN
def test_golden_importance(made):
    return plot_importance(linear(made, 200), max_features=8)


class TestWaterfall:
    def test_the_bars_lead_from_the_score_at_the_baseline_to_the_score(self, made):
        a = linear(made, 3)
        for example in range(3):
            axes = plot_waterfall(a, example, max_features=5).axes[0]
            bars = axes.patches
            left = [bar.get_x() for bar in bars]
            right = [bar.get_x() + bar.get_width() for bar in bars]
            assert right[0] == pytest.approx(a.scores[example], rel=1e-6)
            assert left[-1] == pytest.approx(0.7, rel=1e-5)
            np.testing.assert_allclose(left[:-1], right[1:])
            order = np.argsort(-np.abs(a.values[example]), kind="stable")
            widths = [bar.get_width() for bar in bars]
            np.testing.assert_allclose(widths[:5], a.values[example][order[:5]], rtol=1e-6)
            assert widths[5] == pytest.approx(float(a.values[example][order[5:]].sum()), rel=1e-5)

    def test_the_numbers_at_the_right_are_those_of_the_bars(self, made):
        fall = waterfall(linear(made), max_features=3)
        found = [text.get_text() for text in plot_waterfall(linear(made), max_features=3).axes[0].texts]
        assert len(found) == len(fall.bars) + 2
        for text, bar in zip(found[1:-1], fall.bars, strict=True):
            assert float(text.replace("−", "-")) == pytest.approx(bar.relevance, rel=5e-3)
            assert text.startswith("−" if bar.relevance < 0 else "+")
        assert float(found[-1].replace("−", "-")) == pytest.approx(0.7)

    def test_features_have_their_values_and_the_rest_is_counted(self, made):
        a = linear(made)
        found = labels(plot_waterfall(a, max_features=13).axes[0])
        assert f"age = {explain.results.names.number(float(a.inputs[0, 0]))}" in found
        assert "constant = 2" in found
        assert labels(plot_waterfall(a, max_features=4).axes[0])[-2:] == [
            "sum of 10 others",
            "logit at the baseline",
        ]

    def test_a_delta_that_can_be_seen_has_a_bar_of_its_own(self, made):
        a = linear(made, delta=0.3)
        axes = plot_waterfall(a).axes[0]
        assert labels(axes)[-2] == "not attributed (delta)"
        assert axes.patches[-1].get_width() == pytest.approx(-0.3)
        assert axes.patches[-1].get_x() == pytest.approx(0.7, rel=1e-5)
        assert not waterfall(linear(made, delta=1e-4)).has_delta

    def test_references_and_the_kind_of_score_are_named(self, made):
        a = linear(made, baseline_rule={"rule": "references", "count": 64}, score="log_probability")
        found = labels(plot_waterfall(a).axes[0])
        assert (found[0], found[-1]) == (
            "log-probability of the example",
            "mean log-probability of 64 references",
        )

    def test_several_share_the_length_of_a_unit_unless_each_has_its_own(self, made):
        a = linear(made, 3)
        shared, each = (plot(a, kind="waterfall", scale=scale) for scale in ("shared", "panel"))
        spans = [np.ptp(axes.get_xlim()) for axes in shared.axes]
        np.testing.assert_allclose(spans, spans[0])
        assert np.ptp([np.ptp(axes.get_xlim()) for axes in each.axes]) > 0.1

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"delta": None, "method": "lrp"}, "values of method='lrp' do not sum to a difference of scores"),
            ({"together": ("x", "y")}, r"only the values of all inputs together \(x, y\)"),
            (
                {"options": {"feature_mask": "grid"}},
                "with feature_mask= each column has the value of its whole",
            ),
            ({"reduce": "norm"}, "reduce='norm' makes numbers.*Explain with reduce='sum'"),
            ({"reduce": "sum", "method": "kernel_shap"}, "Explain with reduce='mean'"),
        ],
    )
    def test_values_that_do_not_sum_to_a_difference_are_refused(self, made, fields, message):
        a = replace(linear(made), **fields)
        with pytest.raises(RenderError, match=message + r'.*plot\(kind="bars"\)'):
            plot_waterfall(a)
        assert plot(a, kind="bars").axes

    def test_all_zero(self, made, check_text):
        a = linear(made, features=4)
        figure = plot_waterfall(replace(a, values=0 * a.values, scores=np.full(1, 0.7)))
        assert "all zero" in words(figure)
        assert "−0" not in words(figure)
        check_text(figure)


@pytest.mark.parametrize(
    "method", ["integrated_gradients", "deep_lift", "kernel_shap", "shapley_value_sampling"]
)
def test_a_waterfall_leads_from_the_models_score_at_the_baseline_to_its_score(kit, method):
    """Against the model in NumPy, in both frameworks."""
    generator = np.random.default_rng(1)
    first, last = (generator.normal(size=shape) for shape in ((5, 8), (8, 2)))
    model = kit.dense([(first, np.ones(8)), (last, np.zeros(2))], between="tanh")
    x, baseline = generator.normal(size=(3, 5)).astype(np.float32), np.full(5, 0.25, np.float32)
    a = explain.attribute(model, x, method, target=1, baseline=baseline)

    def score(points):
        return (np.tanh(points @ first + 1) @ last)[:, 1]

    np.testing.assert_allclose(start_scores(a), np.full(3, score(baseline[np.newaxis])), rtol=1e-5)
    for example in range(3):
        top = plot_waterfall(a, example).axes[0].patches[0]
        assert top.get_x() + top.get_width() == pytest.approx(score(x)[example], rel=1e-5)


def test_a_waterfall_of_a_mean_over_references(kit):
    """The start is the mean score of the references."""
    generator = np.random.default_rng(1)
    weights = generator.normal(size=(5, 2))
    model = kit.dense([(weights, np.zeros(2))])
    x, references = (generator.normal(size=(count, 5)).astype(np.float32) for count in (3, 7))
    a = explain.attribute(model, x, "deep_lift_shap", target=1, baseline=references)
    np.testing.assert_allclose(start_scores(a), np.full(3, (references @ weights)[:, 1].mean()), rtol=1e-5)
    assert labels(plot_waterfall(a).axes[0])[-1] == "mean logit of 7 references"


class TestCategories:
    """Columns of categories, which a model reads by an embedding each, as token ids."""

    def explained(self, kit, **options):
        ids = np.random.default_rng(0).integers(1, 5, size=(6, 3))
        return explain.attribute(_entities(kit), ids, "integrated_gradients", target=1, **options)

    def test_a_waterfall_starts_at_the_models_score_of_the_baseline(self, kit):
        a = self.explained(kit, baseline=np.array([1, 2, 3]))
        at_baseline = self.explained(kit, baseline=np.array([0, 0, 0]))
        one = explain.attribute(_entities(kit), np.array([[1, 2, 3]]), "saliency", target=1).scores
        np.testing.assert_allclose(start_scores(a), np.full(6, one[0]), rtol=1e-5)
        assert not np.allclose(start_scores(a), start_scores(at_baseline))

    def test_names_make_a_table_and_values_are_categories(self, kit):
        a = self.explained(kit, display={"feature_names": ("month", "shop", "product")})
        found = labels(plot(a, examples=0).axes[0])
        assert sorted(one.split(" = ")[0] for one in found) == ["month", "product", "shop"]
        assert f"month = {a.inputs[0, 0]:.0f}" in found
        for kind in ("waterfall", "beeswarm", "importance"):
            assert any(one.startswith("month") for one in labels(plot(a, kind=kind).axes[0]))
        assert any(one.startswith("month") for one in labels(plot_pair(a, a).axes[0]))

    def test_without_names_a_kind_must_be_asked_for(self, kit):
        a = self.explained(kit)
        assert labels(plot(a, kind="waterfall", examples=0).axes[0])[1].startswith("feature ")
        assert {text.get_text() for text in plot(a).axes[0].texts} <= {"0", "1", "2", "3", "4"}

    def test_padded_texts_are_no_tables(self, made):
        ids = made.attribution(
            np.ones((1, 3)),
            "NT",
            inputs=np.ones((1, 3), np.float32),
            reduce="sum",
            mask=np.array([[1, 1, 0]], bool),
        )
        with pytest.raises(RenderError, match="token ids without padding"):
            plot(ids, kind="beeswarm")


def _entities(kit):
    """Three columns, an embedding each; the same weights in both frameworks."""
    generator = np.random.default_rng(3)
    tables = [generator.normal(size=(5, size)).astype(np.float32) for size in (2, 3, 4)]
    weights = generator.normal(size=(9, 2)).astype(np.float32)
    if kit.name == "torch":
        torch, nn = kit.torch, kit.torch.nn

        class Entities(nn.Module):
            def __init__(self):
                super().__init__()
                self.columns = nn.ModuleList([nn.Embedding(*table.shape) for table in tables])
                self.head = nn.Linear(9, 2)
                with torch.no_grad():
                    for column, table in zip(self.columns, tables, strict=True):
                        column.weight.copy_(torch.tensor(table))
                    self.head.weight.copy_(torch.tensor(weights.T))
                    self.head.bias.zero_()

            def forward(self, x):
                vectors = [column(x[:, place]) for place, column in enumerate(self.columns)]
                return torch.tanh(self.head(torch.cat(vectors, dim=1)))

        return Entities().eval()
    import keras

    x = keras.Input((3,), dtype="int32")
    columns = [keras.layers.Embedding(*table.shape) for table in tables]
    vectors = [column(x[:, place]) for place, column in enumerate(columns)]
    head = keras.layers.Dense(2, activation="tanh")
    model = keras.Model(x, head(keras.layers.Concatenate()(vectors)))
    for column, table in zip(columns, tables, strict=True):
        column.set_weights([table])
    head.set_weights([weights, np.zeros(2)])
    return model


class TestBeeswarm:
    def test_rows_are_sorted_by_the_mean_size_and_the_last_is_the_sum_of_the_others(self, made):
        a = linear(made, 50)
        rows = feature_rows(a, max_features=6)
        sizes = np.abs(a.values).mean(axis=0)
        order = np.argsort(-sizes, kind="stable")
        names = a.display.feature_names
        assert [row.name for row in rows] == [*(names[place] for place in order[:6]), "sum of 8 others"]
        np.testing.assert_allclose([row.size for row in rows[:6]], sizes[order[:6]], rtol=1e-6)
        np.testing.assert_allclose(rows[6].values, a.values[:, order[6:]].sum(axis=1), atol=1e-6)

    def test_every_example_is_a_point_at_its_value_and_within_its_row(self, made):
        a = linear(made, 400)
        points = plot_beeswarm(a, max_features=4).axes[0].collections[0].get_offsets()
        rows = feature_rows(a, max_features=4)
        places = np.asarray(points).reshape(len(rows), 400, 2)
        for place, row in enumerate(rows):
            np.testing.assert_allclose(places[place, :, 0], row.values, rtol=1e-6)
            assert np.abs(places[place, :, 1] - place).max() < 0.5

    def test_points_are_apart_where_they_would_hide_each_other(self, made):
        a = linear(made, 12)
        a = replace(a, values=np.where(np.arange(14) == 0, 1.0, a.values))
        row = next(one for one in feature_rows(a) if one.name == "age")
        axes = Figure(figsize=(4, 2)).add_subplot()
        draw_beeswarm(axes, [row])
        heights = np.asarray(axes.collections[0].get_offsets())[:, 1]
        assert len(np.unique(heights.round(6))) == 12

    def test_colours_are_those_of_the_features_values(self, made):
        a = linear(made, 50)
        axes = plot_beeswarm(a, max_features=4).axes[0]
        rows = feature_rows(a, max_features=4)
        colors = axes.collections[0].get_facecolors().reshape(len(rows), 50, 4)
        for place, row in enumerate(rows):
            if row.without_shades:
                assert np.ptp(colors[place][:, :3]) == 0
            else:
                np.testing.assert_allclose(colors[place], value_colors()(row.shades))

    def test_lightness_rises_with_the_value(self):
        """Readable without hue: by the weights of ITU-R BT.601."""
        lightness = value_colors()(np.linspace(0, 1, 50))[:, :3] @ [0.299, 0.587, 0.114]
        assert (np.diff(lightness) > 0).all()
        assert lightness[-1] < 0.75

    def test_low_and_high_are_percentiles_that_outliers_do_not_move(self):
        values = np.array([*np.linspace(0, 1, 99), 1e6])
        low, high = np.percentile(values, [5, 95])
        np.testing.assert_allclose(shades_of(values), np.clip((values - low) / (high - low), 0, 1))
        assert shades_of(np.array([0.0] * 99 + [1.0]))[-1] == 1
        assert np.isnan(shades_of(np.array([1.0, np.nan, 3.0]))).tolist() == [False, True, False]

    def test_it_is_the_same_twice_and_for_ten_thousand(self, made, check_text):
        a = linear(made, 10_000)
        first, second = (plot(a, kind="beeswarm") for _ in range(2))
        assert first._repr_png_() == second._repr_png_()
        assert "10,000 examples" in words(first)
        check_text(first)

    def test_chosen_examples(self, made):
        a = linear(made, 20)
        row = feature_rows(a, examples=[3, 5])[0]
        np.testing.assert_array_equal(row.values, a.values[[3, 5], a.display.feature_names.index(row.name)])
        assert "2 of 20 examples" in " ".join(words(plot(a, kind="beeswarm", examples=[3, 5])))

    def test_unsigned_values_begin_at_zero(self, made):
        a = linear(made, 20)
        figure = plot_beeswarm(replace(a, values=np.abs(a.values), reduce="norm"))
        assert figure.axes[0].get_xlim()[0] == 0


class TestImportance:
    def test_bars_are_mean_sizes_and_the_last_is_the_sum_of_the_others(self, made):
        a = linear(made, 50)
        sizes = np.sort(np.abs(a.values).mean(axis=0))[::-1]
        widths = [bar.get_width() for bar in plot_importance(a, max_features=5).axes[0].patches]
        np.testing.assert_allclose(widths, [*sizes[:5], sizes[5:].sum()], rtol=1e-6)


class TestOwnAxes:
    def test_each_kind_is_drawn_into_axes_of_the_caller(self, made):
        a = linear(made, 20)
        for kind, count in (("bars", 3), ("waterfall", 5), ("beeswarm", 3), ("importance", 3)):
            axes = Figure(figsize=(5, 3)).add_subplot()
            examples = 0 if kind in ("bars", "waterfall") else None
            assert plot(a, ax=axes, kind=kind, examples=examples, max_features=2) is axes.figure
            assert len(labels(axes)) == count

    def test_several_waterfalls_do_not_fit_into_one(self, made):
        with pytest.raises(RenderError, match="ax= draws one example, and 3 are to be drawn"):
            plot(linear(made, 3), ax=Figure().add_subplot(), kind="waterfall")

    @pytest.mark.parametrize("kind", ["waterfall", "beeswarm", "importance"])
    @pytest.mark.parametrize("size", [(7, 5), (14, 7)])
    def test_size_and_title(self, made, check_text, kind, size):
        figure = plot(linear(made, 1, 6), kind=kind, figsize=size, title="Six $features$")
        assert tuple(figure.get_size_inches()) == size
        assert "Six $features$" in words(figure)
        check_text(figure)

    def test_colours_of_the_signs_of_a_waterfall(self, made):
        axes = plot(linear(made), kind="waterfall", cmap="PuOr_r").axes[0]
        colors = {bar.get_width() > 0: bar.get_facecolor() for bar in axes.patches}
        assert colors[True][0] > colors[True][2]
        assert colors[False][0] < colors[False][2]

    def test_arguments_that_would_do_nothing_are_refused(self, made):
        a = linear(made, 3)
        scale = shared_scale(a.values)
        for kind in ("beeswarm", "importance"):
            for options in ({"cmap": "PuOr_r"}, {"scale": "panel"}, {"scale": scale}):
                (name,) = options
                with pytest.raises(RenderError, match=f"{name}=.* is for colours of attributions, and kind="):
                    plot(a, kind=kind, **options)
        for options in ({"channels": "abs_sum"}, {"scale": scale}):
            (name,) = options
            with pytest.raises(RenderError, match=f"{name}=.* does not apply to kind='waterfall'"):
                plot(a, kind="waterfall", **options)


class TestEveryKind:
    @pytest.mark.parametrize("kind", ["bars", "waterfall", "beeswarm", "importance"])
    @pytest.mark.parametrize(
        ("count", "features", "names"), [(1, 4, NAMES), (3, 500, LONG), (40, 14, ()), (1, 500, ())]
    )
    def test_words_can_be_read(self, made, check_text, kind, count, features, names):
        a = linear(made, count, features, names=names)
        check_text(plot(a if names else replace(a, display=Display()), kind=kind))

    @pytest.mark.parametrize("kind", ["bars", "waterfall", "beeswarm", "importance"])
    def test_long_names_keep_what_tells_them_apart(self, made, kind):
        figure = plot(linear(made, 1, 14, names=LONG), kind=kind, max_features=14)
        found = [one for one in labels(figure.axes[0]) if one.startswith("one_hot")]
        assert len(set(found)) == 14

    @pytest.mark.parametrize("kind", ["waterfall", "beeswarm", "importance"])
    def test_a_layer_has_units(self, made, kind):
        a = linear(made, 2, layer="hidden")
        a = replace(a, display=Display())
        assert any(one.startswith("unit ") for one in labels(plot(a, kind=kind).axes[0]))

    def test_only_tables(self, made):
        for a in (made.images(1), made.texts(), replace(made.table(), method="activation_maximization")):
            with pytest.raises(RenderError, match="kind='beeswarm' is for attributions of tables"):
                plot(a, kind="beeswarm")
        with pytest.raises(RenderError, match="max_features=3 is for attributions of tables"):
            plot(made.images(1), max_features=3)
        with pytest.raises(RenderError, match="a waterfall is for attributions of tables"):
            plot_waterfall(made.rows())
        with pytest.raises(RenderError, match="a beeswarm is for attributions of tables"):
            plot_beeswarm(made.volumes())

    def test_wrong_arguments(self, made):
        a = linear(made, 2)
        with pytest.raises(
            RenderError, match=r"kind='force' is not a figure.*'bars', 'waterfall', 'beeswarm'"
        ):
            plot(a, kind="force")
        for wrong in (0, 2.5, True, "all"):
            for draw in (plot, plot_waterfall, plot_beeswarm, plot_importance):
                with pytest.raises(RenderError, match=f"max_features={wrong!r} is not a whole number"):
                    draw(a, max_features=wrong)
        with pytest.raises(RenderError, match="examples=9 asks for 9 but there are 2 examples"):
            plot_waterfall(a, 9)
        with pytest.raises(RenderError, match="attribution is a ndarray"):
            plot_beeswarm(a.values)
