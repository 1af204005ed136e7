"""Tokens without a tokenizer: ids in cells, names that are words as a text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from html_pages import Page
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Text

import explain
from explain.render import plot, plot_pair, sequence_html, shared_scale, steps, text_html
from explain.results.view import has_token_ids, step_names, view

GOLDEN = pytest.mark.mpl_image_compare(
    tolerance=0.2, savefig_kwargs={"dpi": 100, "metadata": {"Software": None}}
)
TEXTS = (
    "the film was unbelievably good , and I did n't want it to end : every <line> of its $2h$ is fine",
    "a dull , overlong film",
)
WORDS = tuple(tuple(text.split()) for text in TEXTS)


def token_ids(made, lengths=(9, 18), **fields):
    """Ids between the same first and last one, padded to the longest with zeros."""
    generator = np.random.default_rng(0)
    shape = (len(lengths), max(lengths))
    mask = np.arange(shape[1]) < np.array(lengths)[:, np.newaxis]
    ids = np.where(mask, generator.integers(5, 30522, size=shape), 0).astype(np.float32)
    ids[:, 0] = 101
    values = generator.normal(size=shape) ** 3 * mask
    own = {"inputs": ids, "mask": None if mask.all() else mask, "reduce": "sum"}
    return made.attribution(values, "NT", **{**own, **fields})


def named_words(made, words=WORDS, **fields):
    longest = max(map(len, words))
    mask = np.array([np.arange(longest) < len(row) for row in words])
    values = np.random.default_rng(5).normal(size=(*mask.shape, 8)) * mask[..., np.newaxis]
    own = {"mask": mask, "display": {"step_names": words}}
    return made.attribution(values, "NTC", **{**own, **fields})


def written(figure, *, of=lambda axes: True):
    return [text.get_text() for axes in figure.axes if of(axes) for text in axes.texts]


@GOLDEN
def test_golden_token_ids(made):
    return token_ids(made).plot()


@GOLDEN
def test_golden_token_ids_of_a_long_text(made):
    return token_ids(made, (150,), reduce="norm", method="saliency", relative_delta=None).plot()


@GOLDEN
def test_golden_words_of_step_names(made):
    return named_words(made).plot()


class TestIds:
    def test_each_id_is_a_cell_in_the_colour_of_its_value_without_padding(self, made):
        a = token_ids(made)
        figure = a.plot()
        (first,) = [axes for axes in figure.axes if axes.texts][:1]
        assert [text.get_text() for text in first.texts] == [f"{one:.0f}" for one in a.inputs[0, :9]]
        scale = shared_scale(np.where(a.mask, a.values, np.nan))
        cells = [one for one in first.patches if isinstance(one, Rectangle)][::2]
        for cell, value in zip(cells, a.values[0, :9], strict=True):
            np.testing.assert_allclose(cell.get_facecolor(), scale.colors(value))
        assert "token ids" in [text.get_text() for text in figure.findobj(Text)]

    def test_time_first_gives_the_same_picture(self, made):
        a = token_ids(made)
        b = replace(a, values=a.values.T.copy(), inputs=a.inputs.T.copy(), layout="TN")
        assert written(b.plot()) == written(a.plot())
        assert steps(b, 1) == steps(a, 1)

    @pytest.mark.parametrize("count", [1, 40, 512])
    @pytest.mark.parametrize("reduce", ["sum", "norm"])
    def test_every_id_can_be_read(self, made, check_text, count, reduce):
        a = token_ids(made, (count,), reduce=reduce)
        figure = a.plot()
        check_text(figure)
        assert len(written(figure)) == count
        assert figure.get_figheight() < 13

    def test_a_line_of_zeros_in_a_long_text_keeps_its_ids(self, made):
        a = token_ids(made, (60,))
        a = replace(a, values=np.where(np.arange(60) < 30, a.values, 0))
        assert "all zero" not in written(a.plot())
        assert written(replace(a, values=0 * a.values).plot()).count("all zero") == 1

    @pytest.mark.parametrize("difference", [False, True])
    def test_a_pair(self, made, check_text, difference):
        a = token_ids(made)
        figure = plot_pair(
            a, replace(a, values=1.05 * a.values, framework="tensorflow"), difference=difference
        )
        check_text(figure)
        assert written(figure).count("101") == 2 * (3 if difference else 2)

    def test_html(self, made):
        a = token_ids(made)
        words = Page(f"<main>{sequence_html(a, 0)}</main>").words
        assert all(f"{one:.0f}" in words for one in a.inputs[0, :9])
        assert sequence_html(a, 0).count("<span") == 10

    def test_names_replace_ids(self, made):
        a = token_ids(made).with_display(step_names=(WORDS[0][:9], WORDS[0][:18]))
        assert "unbelievably" in written(a.plot())
        assert "101" not in written(a.plot())

    def test_series_of_whole_numbers_are_no_tokens(self, made):
        assert view(token_ids(made, reduce="")) == "rows"
        a = token_ids(made)
        assert view(replace(a, inputs=a.inputs + 0.5)) == "rows"
        assert not has_token_ids(made.texts())
        assert step_names(made.rows()) == ()


def test_a_model_that_reads_ids_is_drawn_with_them(kit):
    ids = np.array([[11, 3, 7, 2], [5, 5, 1, 9]])
    model = _embedding_model(kit)
    a = explain.attribute(model, ids, "integrated_gradients", target=0)
    assert [step.name for step in steps(a, 0)] == ["11", "3", "7", "2"]
    assert written(plot(a)) == [*["11", "3", "7", "2"], *["5", "5", "1", "9"]]


def _embedding_model(kit):
    if kit.name == "torch":
        nn = kit.torch.nn
        return nn.Sequential(nn.Embedding(12, 4), nn.Flatten(), nn.Linear(16, 2)).eval()
    import keras

    layers = keras.layers
    net = [keras.Input((4,), dtype="int32"), layers.Embedding(12, 4), layers.Flatten(), layers.Dense(2)]
    return keras.Sequential(net)


class TestWords:
    def test_each_word_has_the_colour_of_the_sum_of_its_features(self, made):
        a = named_words(made)
        axes = plot(a).axes[0]
        sums = a.values.astype(np.float64).sum(axis=2)
        scale = shared_scale(np.where(a.mask, sums, np.nan))
        boxes = [one for one in axes.patches if isinstance(one, FancyBboxPatch)]
        assert [text.get_text() for text in axes.texts] == list(WORDS[0])
        for box, value in zip(boxes, sums[0], strict=False):
            np.testing.assert_allclose(box.get_facecolor(), scale.colors(value))

    @pytest.mark.parametrize("options", [{}, {"scale": "panel"}, {"examples": 1}, {"channels": "abs_max"}])
    def test_words_can_be_read(self, made, check_text, options):
        check_text(named_words(made).plot(**options))

    def test_a_pair_with_its_difference(self, made, check_text):
        a = named_words(made)
        figure = plot_pair(a, replace(a, values=1.05 * a.values, framework="tensorflow"), difference=True)
        check_text(figure)
        assert written(figure).count("overlong") == 3

    def test_html(self, made):
        a = named_words(made)
        page = Page(f"<main>{text_html(a)}</main>").words
        assert "the film was unbelievably good , and I did n't want it to end" in page
        assert "every <line> of its $2h$ is fine" in page
        assert "sum over features" in page

    def test_into_axes_of_the_caller(self, made):
        axes = Figure(figsize=(5, 2)).add_subplot()
        named_words(made).plot(ax=axes, examples=1)
        assert [text.get_text() for text in axes.texts] == list(WORDS[1])

    def test_names_of_letters_stay_in_cells(self, made):
        assert view(made.names()) == "characters"
        assert view(made.names(("ab",)).with_display(step_names=(("<s>", "a", "b", "</s>"),))) == "characters"
