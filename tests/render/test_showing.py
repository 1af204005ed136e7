"""What a notebook shows, asked as a notebook asks: through IPython's own display formatter."""

from __future__ import annotations

import base64
import copy
import io
import json
import pickle
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from PIL import Image

import explain
from explain.errors import RenderError
from explain.render import show
from explain.render.notebook import MOST_IN_GRID, MOST_ROWS, bundle, drawing, first_examples
from explain.render.showing import MOST_RESULTS
from explain.results.comparison import Comparison
from explain.results.shown import shown_together

PNG, HTML, PLAIN = "image/png", "text/html", "text/plain"


def shown(one, **wanted):
    return DisplayFormatter().format(one, **wanted)


def image_of(data):
    return Image.open(io.BytesIO(base64.b64decode(data)))


def texts_of(figure):
    return [text.get_text() for text in figure.texts]


class Elements(HTMLParser):
    """Every element of a page, and its text."""

    def __init__(self, page):
        super().__init__()
        self.names, self.images, self.words = [], [], []
        self.feed(page)

    def handle_starttag(self, name, attributes):
        self.names.append(name)
        if name == "img":
            self.images.append(dict(attributes))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


class TestOneAttribution:
    def test_every_kind_is_a_picture_or_a_page(self, any_attribution):
        data, metadata = shown(any_attribution)
        assert data[PLAIN] == repr(any_attribution)
        if any_attribution.texts:
            assert set(data) == {PLAIN, HTML}
            assert any_attribution.texts[0].tokens[1].name in data[HTML]
            return
        assert set(data) == {PLAIN, PNG}
        picture = image_of(data[PNG])
        size = metadata[PNG]
        # Three dots of the picture on two of the screen, or more where it would be wider than a page.
        fine = picture.width / size["width"]
        assert fine == pytest.approx(max(1.5, picture.width / 1000), rel=0.01)
        assert picture.height / size["height"] == pytest.approx(fine, rel=0.01)
        assert size["width"] <= 1000
        json.dumps([data, metadata])

    def test_what_is_asked_for_is_given(self, made):
        a = made.images(1)
        assert set(shown(a, include=[PLAIN])[0]) == {PLAIN}
        assert set(shown(a, include=[PNG])[0]) == {PNG}
        assert set(shown(a, exclude=[PNG])[0]) == {PLAIN}
        assert set(shown(made.texts(), include={HTML})[0]) == {HTML}
        assert PNG not in shown(a, include=[HTML])[0]

    def test_a_few_images_are_the_plot(self, made):
        a = made.images(3)
        figure = drawing(a).figure
        assert len(figure.axes) == len(a.plot().axes)

    def test_many_images_are_a_grid_that_says_what_is_left_out(self, made, check_text):
        a = made.images(40)
        found = drawing(a)
        # An input and a map for each, and the colour bar.
        assert len(found.figure.axes) == 2 * MOST_IN_GRID + 1
        assert found.left_out == f"the first {MOST_IN_GRID} of 40 examples"
        words = " ".join(texts_of(found.figure))
        assert found.left_out in words
        assert "example 11" in words
        assert "example 12" not in words
        check_text(found.figure)

    def test_a_grid_has_one_scale_and_the_right_maps(self, made):
        a = made.images(5)
        figure = drawing(a).figure
        maps = a.values.sum(axis=-1, dtype=np.float64)
        panels = [
            axes.images[0] for axes in figure.axes if axes.images and axes.images[0].get_array().ndim == 2
        ]
        assert len(panels) == 5
        for panel, expected in zip(panels, maps, strict=True):
            np.testing.assert_allclose(panel.get_array(), expected, rtol=1e-6)
        assert len({(panel.norm.vmin, panel.norm.vmax) for panel in panels}) == 1

    @pytest.mark.mpl_image_compare(filename="notebook_grid.png", savefig_kwargs={"dpi": 150})
    def test_the_look_of_a_grid(self, made):
        images = made.images(14, shape=(9, 12, 3), notes=("A warning of the call.",))
        return drawing(
            images.with_display(example_names=tuple(f"pets/{number:02}.jpg" for number in range(14)))
        ).figure

    def test_a_grid_of_odd_pictures(self, made, check_text):
        names = tuple(f"folder/of/pictures/number_{one}.png" for one in range(5))
        wide = made.images(5, shape=(4, 60, 3)).with_display(example_names=names)
        check_text(drawing(wide).figure)
        assert any("…" in text for text in texts_of(drawing(wide).figure))
        check_text(drawing(made.images(7, shape=(60, 4))).figure)
        zeros = replace(
            made.images(4), values=np.zeros((4, 8, 8, 3), np.float32), notes=("A long warning. " * 30,)
        )
        check_text(drawing(zeros).figure)
        assert "predicted cat" in " ".join(texts_of(drawing(made.images(4)).figure))

    def test_anything_else_shows_the_first_rows(self, made, check_text):
        for a in (made.rows(30), made.names(("Jo",) * 9), made.maximization(6)):
            figure = drawing(a).figure
            assert f"the first {MOST_ROWS} of {len(a):,} examples" in texts_of(figure)
            check_text(figure)

    def test_a_table_of_many_rows_is_a_swarm_of_all(self, made, check_text):
        figure = drawing(made.table(300)).figure
        check_text(figure)
        dots = [len(points.get_offsets()) for axes in figure.axes for points in axes.collections]
        assert sum(count for count in dots if count >= 300) >= 300
        assert "300 examples" in texts_of(figure)
        assert len(drawing(made.table(9)).figure.axes) == len(made.table(4).plot().axes)
        assert drawing(made.table(6000, 1)).left_out == "the first 5,000 of 6,000 examples"

    def test_texts_say_what_is_left_out(self, made):
        a = made.texts(("A film.",) * 100)
        assert "the first 8 of 100 examples" in shown(a)[0][HTML]
        assert shown(a)[0][HTML].count("example 7") == 1
        assert "example 8<" not in shown(a)[0][HTML]

    def test_values_beyond_measure_are_cut_before_they_are_drawn(self):
        values = np.broadcast_to(np.ones((), np.float32), (50, 3, 1200, 1200))
        a = explain.Attribution(values, values, "NCHW", "saliency", np.ones(50))
        few, words = first_examples(a, 12)
        assert len(few) == 1
        assert words == "the first of 50 examples"

    def test_an_image_of_more_dots_than_a_screen_is_averaged(self):
        values = np.arange(2100 * 8, dtype=np.float32).reshape(1, 2100, 8)
        a = explain.Attribution(values, values, "NHW", "saliency", np.ones(1))
        found = drawing(a)
        assert found.left_out == "each dot the mean of 3 × 3 values"
        maps = [axes.images[0].get_array() for axes in found.figure.axes if axes.images]
        expected = values[0, :, :6].reshape(700, 3, 2, 3).mean(axis=(1, 3))
        assert any(one.shape == (700, 2) and np.allclose(one, expected, rtol=1e-6) for one in maps)

    def test_what_cannot_be_drawn_is_text_with_the_reason(self, made):
        nan = replace(made.images(1), values=np.full((1, 8, 8, 3), np.nan, np.float32))
        odd = made.attribution(np.ones((1, 2, 3, 4, 5)), "NTDHW")
        none = made.images(2)[:0]
        for a, why in ((nan, "NaN"), (odd, "4 axes"), (none, "no examples")):
            data, _ = shown(a)
            assert set(data) == {PLAIN}
            assert data[PLAIN].startswith(repr(a))
            assert why in data[PLAIN].partition("(not drawn: RenderError: ")[2]

    def test_a_failure_of_any_kind_breaks_nothing(self, made, monkeypatch):
        monkeypatch.setattr("explain.render.png.figure_png", lambda figure: 1 / 0)
        data, _ = shown(made.images(1))
        assert "(not drawn: ZeroDivisionError: division by zero)" in data[PLAIN]
        page = Elements(shown(show([made.images(1), made.texts()]))[0][HTML])
        assert "not drawn: ZeroDivisionError" in page.text
        assert "film" in page.text

    def test_a_long_reason_is_shortened(self):
        def fail():
            raise ValueError("long " * 1000)

        data, _ = bundle(lambda: "text", {PNG: fail})
        assert len(data[PLAIN]) < 500

    def test_a_terminal_draws_nothing(self, made, monkeypatch):
        shell = SimpleNamespace(display_formatter=SimpleNamespace(active_types=[PLAIN]))
        monkeypatch.setattr("IPython.get_ipython", lambda: shell)
        monkeypatch.setattr("explain.render.png.figure_png", lambda figure: pytest.fail("drawn"))
        assert set(shown(made.images(1))[0]) == {PLAIN}

    def test_nothing_is_imported_or_drawn_before(self, tmp_path, made):
        path = made.images(2).save(tmp_path / "a")
        code = f"""
import sys, explain
a = explain.load({str(path)!r})
a[0], list(a), repr(a), a == a, hash(a), a._repr_mimebundle_(include=["text/plain"])
s = explain.render.show([a]); repr(s)
c = explain.compare(a, a); repr(c)
assert "matplotlib" not in sys.modules
a._repr_mimebundle_()
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
        subprocess.run([sys.executable, "-c", code], check=True)


class TestSeveral:
    def test_each_below_its_index(self, made):
        results = [made.images(2), made.table(), made.texts(), None]
        data, _ = shown(show(results))
        page = Elements(data[HTML])
        assert [word for word in page.words if word.startswith("[")][:2] == ["[0]", "[1]"]
        assert len(page.images) == 2
        assert all(one["alt"] and one["src"].startswith("data:image/png;base64,") for one in page.images)
        assert "no result" in page.text
        assert data[PLAIN] == repr(show(results))

    def test_names_are_escaped(self, made):
        evil = "<script>alert(1)</script>"
        a = made.images(1, model=evil)
        for results in ({evil: a}, {"a": replace(a, values=a.values * np.nan)}):
            page = Elements(shown(show(results))[0][HTML])
            assert "script" not in page.names

    def test_more_than_a_page(self, made):
        page = Elements(shown(show([made.table(1)] * 20))[0][HTML])
        assert len(page.images) == MOST_RESULTS
        assert "8 more are left out" in page.text
        assert "… 8 more" in repr(show([made.table(1)] * 20))

    def test_anything_of_explain(self, made):
        a = made.images(1)
        page = Elements(shown(show({"both": explain.compare(a, a), "again": shown_together([a])}))[0][HTML])
        assert len(page.images) == 2
        assert "['both']" in page.text
        for one in (a, explain.compare(a, a), (a,), {"x": a}, iter([a])):
            assert shown(show(one))[0]

    @pytest.mark.parametrize("wrong", [3, "a.npz", [np.ones(3)], {"a": "b"}, None])
    def test_anything_else_is_refused(self, wrong):
        with pytest.raises(RenderError, match=r"(results(\[.*\])? is a \w+: give what explain.attribute)"):
            show(wrong)


class TestContainers:
    @pytest.mark.parametrize("kind", [tuple, list, dict])
    def test_like_the_plain_type(self, made, kind):
        plain = {"a": made.images(1), "b": None} if kind is dict else kind([made.images(1), None])
        several = shown_together(plain)
        assert isinstance(several, kind)
        assert several == plain
        assert plain == several
        assert len(several) == 2
        for copied in (copy.copy(several), copy.deepcopy(several), pickle.loads(pickle.dumps(several))):
            assert type(copied) is type(several)
            assert copied == plain
        assert kind(several) == plain
        assert type(kind(several)) is kind
        if kind is tuple:
            assert hash(several) == hash(plain)
            assert several[1] is None
        assert repr(several).count("Attribution(") == 1
        data, _ = shown(several)
        assert len(Elements(data[HTML]).images) == 1
        assert data[PLAIN] == repr(several)

    def test_many_inputs_fit_on_a_screen(self, made):
        text = repr(shown_together({f"input {number}": made.table() for number in range(100)}))
        assert len(text.splitlines()) == 13
        assert text.endswith("… 88 more}")


class TestComparison:
    def test_how_alike_as_a_table_with_both_maps(self, made):
        a = made.images(3)
        b = replace(
            a, values=a.values * np.array([1, -1, 0.5], np.float32)[:, None, None, None], framework="jax"
        )
        comparison = explain.compare(a, b)
        data, _ = shown(comparison)
        page = Elements(data[HTML])
        cells = [word for word in page.words if word.strip()]
        assert {"relative L2", "Pearson", "PyTorch and JAX"} <= set(cells)
        # The opposite map first, the same one last.
        start = cells.index("SSIM") + 1
        assert [cells[start + 6 * row] for row in range(4)] == ["1", "2", "0", "mean"]
        assert [cells[start + 6 * row + 1] for row in range(3)] == ["2.000", "0.500", "0"]
        assert len(page.images) == 1
        assert "examples 1, 2" in page.images[0]["alt"]
        assert data[PLAIN] == repr(comparison)
        assert "worst: example 1" in repr(comparison)

    def test_many_examples(self, made):
        a = made.table(1000)
        comparison = explain.compare(a, a)
        page = Elements(shown(comparison)[0][HTML])
        assert "990 more are left out" in page.text
        assert len(repr(comparison)) < 400

    def test_one_made_by_hand_has_no_picture(self):
        one = np.ones(2)
        comparison = Comparison(one, one, one, one, np.nan * one)
        page = Elements(shown(comparison)[0][HTML])
        assert page.images == []
        assert "–" in page.words

    def test_maps_that_cannot_be_drawn_leave_the_table(self, made, monkeypatch):
        monkeypatch.setattr("explain.render.pair.figure_of", lambda drawn: 1 / 0)
        a = made.images(1)
        page = Elements(shown(explain.compare(a, a))[0][HTML])
        assert "The maps are not drawn: ZeroDivisionError" in page.text
        assert "table" in page.names

    def test_the_maps_are_not_in_its_json(self, made):
        a = made.images(1)
        assert "attributions" not in explain.compare(a, a).to_json()


@pytest.mark.parametrize(
    "several", [(3, "ab"), [3, "ab"], {"x": 3, "y": "ab"}], ids=lambda one: type(one).__name__
)
def test_what_belongs_to_one_result(several):
    together = shown_together(several)
    with pytest.raises(AttributeError, match=r"take it by its input, a\[('x'|0)\]\.real; ") as caught:
        together.real  # noqa: B018
    assert eval(str(caught.value).partition("input, ")[2].partition(";")[0], {"a": together}) == 3
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        together.nothing  # noqa: B018
    assert not hasattr(together, "plot")
    assert copy.deepcopy(together) == pickle.loads(pickle.dumps(together)) == together
