"""Texts as figures and as HTML: each word on the colour of its relevance."""

from __future__ import annotations

import html.parser
import re
from dataclasses import replace

import numpy as np
import pytest
from html_pages import Page
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyBboxPatch

import explain
from explain.errors import RenderError
from explain.inputs.text.tokens import Text, Token
from explain.render import Scale, plot, plot_pair, sequence_html, shared_scale, text_html
from explain.render.kinds.text import LINE_WIDTH, placed_words
from explain.render.parts.text_contrast import contrast

SIGNED = Scale(-1, 1, True, 99)
# As for the golden images of the seed models.
GOLDEN = pytest.mark.mpl_image_compare(
    tolerance=0.2, savefig_kwargs={"dpi": 100, "metadata": {"Software": None}}
)


@GOLDEN
def test_golden_text(made):
    return made.texts().plot()


@GOLDEN
def test_golden_text_of_norms_and_the_next_token(made):
    a = made.texts(
        ("The capital of France is",), reduce="norm", method="saliency", notes=("Look here: give n_steps=9.",)
    )
    (text,) = a.texts
    a = replace(
        a,
        values=np.abs(a.values),
        texts=(replace(text, target=" Paris", predicted=" the"),),
        relative_delta=None,
    )
    return a.plot()


@GOLDEN
def test_golden_text_in_pieces(made):
    return made.texts(("Unbelievably good.",)).plot(pieces=True)


@GOLDEN
def test_golden_text_pair(made):
    a = made.texts(("A dull, overlong film; $5 wasted$.",))
    return plot_pair(a, replace(a, values=1.05 * a.values, framework="tensorflow"), difference=True)


def boxes(figure):
    """The boxes of the words in the first text of a figure, with what is written in each."""
    axes = figure.axes[0]
    patches = [one for one in axes.patches if isinstance(one, FancyBboxPatch)]
    return list(zip([text.get_text() for text in axes.texts], patches, strict=True))


class TestFigure:
    def test_each_word_has_the_colour_of_its_value(self, made):
        a = made.texts()
        words = a.by_word()
        scale = shared_scale(*(np.array([value for _, value in words.tokens(row)]) for row in range(2)))
        drawn = boxes(a.plot())
        assert [name for name, _ in drawn] == [name for name, _ in words.tokens(0)]
        for (_, box), (_, value) in zip(drawn, words.tokens(0), strict=True):
            np.testing.assert_allclose(box.get_facecolor(), scale.colors(value))

    def test_pieces_have_colours_of_their_own(self, made):
        a = made.texts()
        assert [name for name, _ in boxes(a.plot(pieces=True))] == [name for name, _ in a.tokens(0)]

    def test_special_tokens_are_outlined_and_no_others(self, made):
        drawn = boxes(made.texts().plot())
        assert [name for name, box in drawn if box.get_linewidth() > 0] == ["[CLS]", "[SEP]"]

    @pytest.mark.parametrize("options", [{}, {"pieces": True}, {"scale": "panel"}, {"examples": [1]}])
    def test_every_word_can_be_read(self, made, check_text, options):
        figure = made.texts().plot(**options)
        check_text(figure)
        for axes in figure.axes:
            for text, box in zip(axes.texts, axes.patches, strict=False):
                assert contrast(to_rgb(text.get_color()), box.get_facecolor()) >= 4.5

    def test_a_pair_can_be_read(self, made, check_text):
        a = made.texts()
        b = replace(a, values=-a.values, framework="tensorflow")
        check_text(plot_pair(a, b))
        check_text(plot_pair(a, b, difference=True, scale="example"))

    def test_a_text_without_relevance_says_so(self, made):
        a = made.texts()
        figure = replace(a, values=0 * a.values).plot()
        assert any(text.get_text() == "all zero" for text in figure.axes[0].texts)

    def test_padding_is_left_out_and_its_values_are_told(self):
        text = Text("a", (Token("a", 0), Token("", 1, "padding"), Token("", 2, "padding")))
        values = np.array([[1.0, 0.25, 0.5]], np.float32)
        a = explain.Attribution(values, values, "NT", "saliency", np.ones(1), texts=(text,))
        figure = a.plot()
        assert [name for name, _ in boxes(figure)] == ["a"]
        assert any("2 tokens of padding, not drawn: sum 0.75" in one.get_text() for one in figure.texts)
        assert "2 tokens of padding, not drawn: sum 0.75" in text_html(a)

    def test_dollars_and_long_words_are_drawn_as_they_are(self, check_text):
        words = ("$x^2$", "w" * 200, "b")
        text = Text(
            " ".join(words), tuple(Token(word, place, space=True) for place, word in enumerate(words))
        )
        values = np.ones((1, 3), np.float32)
        figure = plot(explain.Attribution(values, values, "NT", "saliency", np.ones(1), texts=(text,)))
        check_text(figure)
        names = [name for name, _ in boxes(figure)]
        assert names[0] == "$x^2$"
        assert names[1].endswith("…")


class TestLines:
    def test_lines_break_at_spaces_only(self):
        sentence = "one two, three four; five six. " * 6
        spans = [match.span() for match in re.finditer(r"\w+|[^\w\s]", sentence)]
        tokens = [
            Token(sentence[slice(*span)], place, space=bool(place) and sentence[span[0] - 1] == " ")
            for place, span in enumerate(spans)
        ]
        placed = placed_words(tokens, np.zeros(len(tokens)))
        assert max(word.left + word.width for word in placed) <= LINE_WIDTH + 1e-9
        first = {word.top: word for word in reversed(placed)}
        assert len(first) > 1
        assert not {word.text for word in first.values()} & set(",;.")

    def test_a_run_longer_than_a_line_is_broken(self):
        tokens = [Token("wwww", place) for place in range(60)]
        placed = placed_words(tokens, np.zeros(60))
        assert max(word.left + word.width for word in placed) <= LINE_WIDTH + 1e-9
        assert len({word.top for word in placed}) > 1


class Styles(html.parser.HTMLParser):
    """The words of a text in HTML, with their styles."""

    def __init__(self, text):
        super().__init__()
        self.found, self._open = [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        style = dict(attributes)
        self._open = style if "title" in style else None

    def handle_data(self, data):
        if self._open is not None and data.strip():
            self.found.append((data, self._open["style"], self._open["title"]))
            self._open = None


class TestHtml:
    def test_it_has_the_words_with_the_colours_of_the_figure(self, made):
        a = made.texts()
        words = [one for row in range(2) for one in a.by_word().tokens(row)]
        found = Styles(text_html(a)).found
        assert [name for name, _, _ in found] == [name for name, _ in words]
        scale = shared_scale(np.array([value for _, value in words]))
        for (_, style, title), (name, value) in zip(found, words, strict=True):
            own = re.search(r"background:(#\w{6});color:(#\w{6})", style)
            np.testing.assert_allclose(to_rgb(own[1]), scale.colors(value)[:3], atol=0.003)
            assert contrast(to_rgb(own[1]), to_rgb(own[2])) >= 4.5
            assert title.startswith(f"{name}: ")

    def test_its_text_is_the_text_with_the_target_and_the_score(self, made):
        a = made.texts()
        page = Page(f"<main>{text_html(a)}</main>")
        assert "two-hour running time is placed with a <care> that few directors" in page.words
        assert "$5 wasted$." in page.words
        for words in ("cat", "dog", "logit −1", "Integrated gradients", "convergence delta"):
            assert words in page.words
        scale = shared_scale(*(np.array([value for _, value in a.by_word().tokens(row)]) for row in range(2)))
        assert explain.results.names.number(scale.vmax) in page.words

    def test_all_of_it_is_escaped(self, made):
        evil = '<script>alert("x")</script>'
        a = made.texts((f"a {evil}",), model=evil, notes=(evil,)).with_display(classes=(evil,))
        a = replace(a, texts=(replace(a.texts[0], target=evil, predicted=evil),))
        page = text_html(a)
        assert "<script" not in page
        assert not [name for name, _ in Page(f"<main>{page}</main>").elements if name == "script"]

    def test_notebooks_show_it(self, made):
        a = made.texts()
        assert a._repr_html_() == text_html(a)
        assert made.names()._repr_html_() is None

    def test_what_has_no_texts_is_refused(self, made):
        with pytest.raises(RenderError, match="no strings were explained"):
            text_html(made.names())

    def test_one_scale_may_be_given(self, made):
        assert ">−100<" in text_html(made.texts(), scale=Scale(-100.0, 100.0, True, 99.0))

    def test_a_text_of_zeros_says_so(self, made):
        a = made.texts()
        assert "all zero" in text_html(replace(a, values=0 * a.values))

    def test_a_text_is_a_sequence_too(self, made):
        assert sequence_html(made.texts(), 1).count("<span") == len(made.texts().tokens(1)) + 1
