"""Sequences of named steps, as figures and as HTML; tables of named features; drawing into given axes."""

import base64
import html.parser
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from explain.errors import RenderError
from explain.inputs.display import Display
from explain.render import (
    Scale,
    Step,
    draw_characters,
    draw_colorbar,
    draw_features,
    draw_score_curve,
    draw_step_margin,
    features,
    figure_data_uri,
    plot,
    sequence_html,
    shared_scale,
    steps,
)
from explain.render.parts.text_contrast import contrast

SIGNED = Scale(-1, 1, True, 99)


def axes():
    return Figure(figsize=(4, 2)).add_subplot()


class TestSteps:
    def test_sums_over_features_and_leaves_padding_out(self, made):
        a = made.names(("Jo", "O'Neal"))
        found = steps(a, 0)
        assert [step.name for step in found] == ["J", "o"]
        np.testing.assert_allclose([step.relevance for step in found], a.values[0, :2].sum(axis=1), rtol=1e-6)

    def test_names_may_cover_the_padding_too(self, made):
        a = made.names(("Jo", "O'Neal"))
        padded = a.with_display(step_names=(tuple("Jo____"), tuple("O'Neal")))
        assert steps(padded, 0) == steps(a, 0)

    def test_unnamed_steps_without_relevance_are_padding(self, made):
        a = replace(made.names(("Jo", "O'Neal")), mask=None)
        assert [step.name for step in steps(a, 0)] == ["J", "o"]

    def test_a_relevant_step_without_a_name_is_refused(self, made):
        a = made.names(("Jo", "O'Neal")).with_display(step_names=(("J",), tuple("O'Neal")))
        with pytest.raises(
            RenderError, match=r"step_names\[0\] has 1 names but the sequence has 6 steps \(2 of"
        ):
            steps(a, 0)

    def test_an_example_without_names_is_refused(self, made):
        a = made.names(("Jo", "O'Neal")).with_display(step_names=(tuple("Jo"),))
        with pytest.raises(RenderError, match="names for 1 of 2 examples, none for example 1"):
            plot(a)


class TestCells:
    shown = (Step("J", 1.0), Step("o", -0.5), Step(" ", 0.0))

    def test_cells_have_the_colors_of_the_scale_and_text_that_can_be_read(self):
        drawn = axes()
        draw_characters(drawn, self.shown, SIGNED)
        cells = drawn.patches[::2]
        for cell, text, step in zip(cells, drawn.texts, self.shown, strict=True):
            np.testing.assert_allclose(cell.get_facecolor(), SIGNED.colors(step.relevance))
            assert contrast(to_rgb(text.get_color()), cell.get_facecolor()) >= 4.5
        assert [text.get_text() for text in drawn.texts] == ["J", "o", "␣"]

    def test_bars_have_the_sign_and_the_size(self):
        drawn = axes()
        draw_characters(drawn, self.shown, SIGNED)
        heights = [bar.get_height() for bar in drawn.patches[1::2]]
        assert heights[0] > 0
        assert heights[1] == pytest.approx(-heights[0] / 2)
        assert heights[2] == 0

    def test_unsigned_bars_stay_under_their_cells(self):
        drawn = axes()
        draw_characters(drawn, [Step("J", 1.0)], Scale(0, 1, False, 99))
        cell, bar = drawn.patches
        assert bar.get_y() + bar.get_height() < cell.get_y()

    def test_an_empty_sequence_and_one_of_zeros(self):
        drawn = axes()
        draw_characters(drawn, [], SIGNED)
        draw_characters(drawn, [Step("a", 0.0)], SIGNED)
        assert "all zero" in [text.get_text() for text in drawn.texts]

    @pytest.mark.parametrize("word", ["ab", "a" * 20, "abc" * 20])
    def test_lengths(self, made, word):
        figure = plot(made.names((word,), target=(0,)))
        lines = [len(one.patches) // 2 for one in figure.axes[:-1]]
        assert sum(lines) == len(word)
        assert len(lines) == (1 if len(word) <= 20 else 3)
        assert max(lines) - min(lines) <= 1

    def test_words_are_elided_where_they_do_not_fit(self, made):
        a = made.names(("abc",)).with_display(step_names=(("a", "b", "antidisestablishmentarianism"),))
        found = [text.get_text() for text in plot(a).axes[0].texts]
        assert found[:2] == ["a", "b"]
        assert found[2].endswith("…")


class TestHtml:
    def test_well_formed_escaped_and_readable(self, made):
        a = made.names(("<b>", "a&\"'"))
        seen = []

        class Reader(html.parser.HTMLParser):
            def handle_starttag(self, tag, attrs):
                seen.append((tag, dict(attrs)))

        for example in range(2):
            Reader().feed(sequence_html(a, example))
        assert {tag for tag, _ in seen} == {"span"}
        spans = [attrs for _, attrs in seen if "style" in attrs]
        assert [attrs["title"].split(":")[0] for attrs in spans] == list("<b>a&\"'")
        for attrs in spans:
            style = dict(part.split(":") for part in attrs["style"].split(";"))
            assert contrast(to_rgb(style["background"]), to_rgb(style["color"])) >= 4.5

    def test_colors_are_those_of_the_scale_given(self, made):
        a = made.names(("Jo",))
        wide = shared_scale(np.array([1e9]))
        assert sequence_html(a, 0, wide) != sequence_html(a, 0)
        neutral = round(255 * wide.colors(0.0)[0])
        assert f"#{neutral:02x}{neutral:02x}{neutral:02x}" in sequence_html(a, 0, wide)

    def test_a_zero_map_says_so(self, made):
        a = made.names(("Jo",))
        assert 'title="all zero"' in sequence_html(replace(a, values=0 * a.values))

    def test_refusals(self, made):
        with pytest.raises(RenderError, match="example=3 is not one of the 1"):
            sequence_html(made.names(("Jo",)), 3)
        with pytest.raises(RenderError, match="is a str"):
            sequence_html("Jo")

    def test_a_figure_as_data(self):
        uri = figure_data_uri(Figure(figsize=(1, 1)))
        assert base64.b64decode(uri.partition(",")[2]).startswith(b"\x89PNG")
        assert b"Matplotlib" not in base64.b64decode(uri.partition(",")[2])


class TestTables:
    def test_the_largest_first_with_names_and_values(self, made):
        a = made.table(1, 4).with_display(feature_names=("w", "x", "y", "z"))
        a = replace(a, values=[[0.5, -2, 0, 1]])
        found = features(a, 0)
        assert [feature.relevance for feature in found] == [-2, 1, 0.5, 0]
        assert found[0].name == "x = 0.333"

    def test_many_features_end_in_a_sum_that_keeps_the_total(self, made):
        a = made.table(1, 40)
        found = features(a, 0)
        assert len(found) == 31
        assert found[-1].name == "sum of 10 others"
        assert sum(feature.relevance for feature in found) == pytest.approx(float(a.values.sum()), rel=1e-5)
        assert len(features(made.table(1, 31), 0)) == 31

    def test_without_names(self, made):
        assert features(replace(made.table(1, 2), display=Display()), 0)[0].name.startswith("feature ")

    def test_a_wrong_number_of_names(self, made):
        with pytest.raises(RenderError, match="feature_names has 1 names but the table has 3 columns"):
            plot(made.table(1, 3).with_display(feature_names=("one",)))

    def test_colors_tell_the_sign(self, made):
        drawn = axes()
        draw_features(drawn, features(made.table(1, 8), 0), SIGNED)
        for bar in drawn.patches:
            red, _, blue, _ = bar.get_facecolor()
            assert (red > blue) == (bar.get_width() > 0)


class TestDrawing:
    @pytest.mark.parametrize(
        ("box", "vertical"), [((0.1, 0.1, 0.05, 0.8), True), ((0.1, 0.1, 0.8, 0.05), False)]
    )
    def test_colour_bars_stand_or_lie_and_show_clipping(self, box, vertical):
        cax = Figure(figsize=(4, 4)).add_axes(box)
        draw_colorbar(cax, SIGNED, np.array([2.0, -2.0]), label="a label")
        labels = cax.get_yticklabels() if vertical else cax.get_xticklabels()
        assert [label.get_text() for label in labels] == ["−1", "−0.5", "0", "0.5", "1"]
        assert len(cax.patches) == 2

    def test_no_arrows_without_clipping(self):
        cax = Figure(figsize=(4, 4)).add_axes((0.1, 0.1, 0.05, 0.8))
        draw_colorbar(cax, SIGNED, np.array([0.5]))
        assert len(cax.patches) == 0

    def test_the_bar_of_zeros_has_zero_alone(self):
        cax = Figure(figsize=(4, 4)).add_axes((0.1, 0.1, 0.05, 0.8))
        draw_colorbar(cax, shared_scale(np.zeros(3)), np.zeros(3), label="a label")
        assert [label.get_text() for label in cax.get_yticklabels()] == ["0"]
        assert cax.get_ylabel() == "all zero"

    def test_a_margin_of_zeros_says_so(self):
        drawn = axes()
        draw_step_margin(drawn, np.zeros((3, 2)), Scale(0, 1, False, 99))
        assert drawn.texts[0].get_text() == "all zero"

    def test_curves_are_told_apart_without_color(self):
        drawn = axes()
        draw_score_curve(drawn, [[0, 1], [0, 2]], ["a", "b"])
        assert drawn.lines[0].get_linestyle() != drawn.lines[1].get_linestyle()
        assert [text.get_text() for text in drawn.get_legend().get_texts()] == ["a", "b"]
