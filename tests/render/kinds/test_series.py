"""Series as lanes: every line is that of its values, every colour that of an attribution, and no peak is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from explain.errors import RenderError
from explain.inputs.display import Display
from explain.render import Scale, draw_series, plot, plot_pair
from explain.render.png import figure_png
from explain.render.series.figure import MOST_ASKED, MOST_LINES
from explain.results.attribution import Attribution

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
GOLDEN = pytest.mark.mpl_image_compare(
    tolerance=0.2, savefig_kwargs={"dpi": 100, "metadata": {"Software": None}}
)


def series(count=1, steps=50, channels=3, noise=0.1, seed=0, **fields):
    """Waves of different units, each explained by one bump of its own."""
    random = np.random.default_rng(seed)
    time = np.linspace(0, 1, steps)[np.newaxis, :, np.newaxis]
    example, channel = np.arange(count)[:, np.newaxis, np.newaxis], np.arange(channels)
    inputs = np.sin(2 * np.pi * (2 + channel % 5) * time + example) * (channel + 1) + 10 * (channel % 3)
    inputs = inputs + noise * (channel + 1) * random.normal(size=inputs.shape)
    bump = np.exp(-(((time - 0.3 - 0.05 * channel % 0.6) / 0.05) ** 2)) * (1 - 2 * (channel % 2))
    values = bump * random.uniform(0.3, 1, (count, 1, channels)) + 0.02 * random.normal(size=inputs.shape)
    display = Display(**{"classes": ("normal", "$faulty$"), **fields.pop("display", {})})
    return Attribution(
        values=values.astype(np.float32),
        inputs=inputs.astype(np.float32),
        layout="NTC",
        method="integrated_gradients",
        framework="torch",
        model="Net",
        scores=np.linspace(1.5, 3, count),
        target=tuple(index % 2 for index in range(count)),
        relative_delta=np.full(count, 0.01),
        display=display,
        **fields,
    )


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@GOLDEN
def test_golden_series_of_one_channel():
    return series(steps=40, channels=1, display={"sampling_rate": 10.0}).plot()


@GOLDEN
def test_golden_series_of_twelve_leads():
    return series(steps=5000, channels=12, display={"sampling_rate": 500.0, "feature_names": LEADS}).plot()


@GOLDEN
def test_golden_series_of_a_long_wave():
    return series(steps=100_000, channels=1, noise=1.0, display={"sampling_rate": 16_000}).plot()


@GOLDEN
def test_golden_series_padded_with_gaps_and_constants():
    a = series(
        2, 60, display={"example_names": ("pump_7.csv", "a/very/long/path/to/one/of/the/files/of/pump_8.csv")}
    )
    mask = np.arange(60) < np.array([[60], [35]])
    values, inputs = -np.abs(a.values) * mask[..., np.newaxis], a.inputs.copy()
    values[..., 1] = 0
    inputs[..., 2], inputs[0, 10:14, 0], inputs[~mask] = 5, np.nan, np.nan
    return replace(a, values=values, inputs=inputs, mask=mask).plot(scale="panel")


@GOLDEN
def test_golden_series_pair():
    a = series(1, 300, 4)
    return plot_pair(a, replace(a, values=1.05 * a.values, framework="tensorflow"), difference=True)


@pytest.mark.parametrize(
    ("count", "steps", "channels"),
    [
        (1, 1, 1),
        (8, 5, 1),
        (1, 1000, 3),
        (3, 5, 3),
        (1, 5, 12),
        (3, 1000, 12),
        (1, 1000, 24),
        (3, 5, 24),
        (2, 5, 40),
    ],
)
def test_text_is_neither_clipped_nor_overlapping(count, steps, channels, check_text):
    names = tuple(f"a long name of channel {index} ($x^2$)" for index in range(channels))
    check_text(series(count, steps, channels, display={"feature_names": names}).plot())


@pytest.mark.parametrize("change", ["negative", "zero", "constant", "missing"])
def test_odd_values(change, check_text):
    a = series(2, 60)
    inputs = a.inputs.copy()
    if change == "constant":
        inputs[:] = 3
    if change == "missing":
        inputs[:] = np.nan
    values = {"negative": -np.abs(a.values), "zero": 0 * a.values}.get(change, a.values)
    figure = replace(a, values=values, inputs=inputs).plot()
    check_text(figure)
    assert ("all zero" in words(figure)) is (change == "zero")


def test_each_lane_has_its_own_line_and_colours():
    a = series(1, 50, 3)
    panel = plot(a).axes[0]
    np.testing.assert_array_equal(panel.images[0].get_array(), a.values[0].T)
    lanes = [line for line in panel.lines if len(line.get_xdata()) == 50]
    assert len(lanes) == 3
    for channel, line in enumerate(lanes):
        places, values = line.get_ydata(), a.inputs[0, :, channel]
        assert channel < places.min() < places.max() < channel + 1
        # Upwards is more: a straight line through all points.
        slope, start = np.polyfit(values, places, 1)
        assert slope < 0
        np.testing.assert_allclose(places, start + slope * values, atol=1e-6)


def test_the_numbers_beside_a_lane_are_those_of_its_values():
    a = series(1, 50, 2)
    panel = plot(a).axes[0]
    line = panel.lines[0]
    (top, low), texts = panel.get_yticks()[[1, 0]], [label.get_text() for label in panel.get_yticklabels()]
    assert texts[:2] == [f"{a.inputs[0, :, 0].min():.3g}".replace("-", "−"), f"{a.inputs[0, :, 0].max():.3g}"]
    assert (top, low) == (line.get_ydata().min(), line.get_ydata().max())


def test_a_channel_has_one_axis_in_all_examples_and_channels_have_their_own():
    a = series(2, 50, 2)
    inputs = a.inputs.copy()
    inputs[1, :, 0] *= 100
    figure = replace(a, inputs=inputs).plot()
    first, second = figure.axes[0], figure.axes[2]
    assert [t.get_text() for t in first.get_yticklabels()] == [t.get_text() for t in second.get_yticklabels()]
    reach = [np.ptp(line.get_ydata()) for line in (first.lines[0], second.lines[0], first.lines[1])]
    assert reach[0] < reach[1] / 50
    assert reach[2] > 0.5


@pytest.mark.parametrize("layout", ["NCT", "TNC", "CNT"])
def test_the_layout_does_not_matter(layout):
    a = series(2, 30, 3)
    moved = {
        name: np.ascontiguousarray(np.transpose(getattr(a, name), ["NTC".index(axis) for axis in layout]))
        for name in ("values", "inputs")
    }
    assert figure_png(plot(replace(a, layout=layout, **moved))) == figure_png(plot(a))


def test_one_channel_needs_no_axis_for_it():
    a = series(2, 30, 1)
    same = replace(a, layout="NT", values=a.values[..., 0], inputs=a.inputs[..., 0])
    assert figure_png(plot(same)) == figure_png(plot(a))
    assert "position" in words(replace(a, layout="NWC").plot())


@pytest.mark.parametrize("steps", [10_000, 100_000])
def test_a_single_step_of_a_long_series_is_seen(steps):
    values, inputs = np.zeros((1, steps, 1), np.float32), np.zeros((1, steps, 1), np.float32)
    inputs[0] = np.random.default_rng(0).normal(size=(steps, 1))
    values[0, steps // 2, 0], inputs[0, steps // 4, 0] = -1, 50
    figure = Attribution(values, inputs, "NTC", "saliency", np.ones(1)).plot()
    panel, scale = figure.axes[0], Scale(-1, 1, True, 99)
    FigureCanvasAgg(figure).draw()
    drawn = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(float)

    def pixel(step, place):
        x, y = panel.transData.transform((step, place))
        return drawn[len(drawn) - int(y) - 1, int(x)]

    # Below the line, where the colours are alone.
    np.testing.assert_allclose(pixel(steps // 2, 0.97), 255 * scale.colors(-1.0)[:3], atol=1)
    np.testing.assert_allclose(pixel(steps // 2 + steps // 50, 0.97), 255 * scale.colors(0.0)[:3], atol=1)
    # Along the spike of the line, far above all other values.
    assert any(pixel(steps // 4 + shift, 0.4).max() < 160 for shift in np.arange(-4, 5) * steps // 4000)
    assert pixel(steps // 4 + steps // 50, 0.4).min() > 200
    assert "in each column the largest of" in " ".join(words(figure))


def test_the_scale_of_a_long_series_is_that_of_what_is_drawn():
    random = np.random.default_rng(0)
    values = random.normal(size=(1, 100_000, 1)).astype(np.float32)
    figure = Attribution(values, values, "NTC", "saliency", np.ones(1)).plot()
    panel = figure.axes[0].images[0]
    clipped = np.abs(panel.get_array()) >= panel.get_clim()[1]
    # Of single steps, 99 % are below 2.6; nearly every column has a step beyond it.
    assert clipped.mean() < 0.05
    few = values[:, :200]
    assert Attribution(few, few, "NTC", "saliency", np.ones(1)).plot().axes[0].images[0].get_clim()[1] == (
        np.percentile(np.abs(few.astype(np.float64)), 99, method="higher")
    )


def test_a_line_covers_the_values_of_each_column():
    steps = 30_000
    inputs = np.random.default_rng(0).normal(size=(1, steps, 1)).astype(np.float32)
    panel = Attribution(inputs, inputs, "NTC", "saliency", np.ones(1)).plot().axes[0]
    line = panel.lines[0]
    # Upwards is more, and the axis of a panel runs down.
    high, low = line.get_ydata()[::2], line.get_ydata()[1::2]
    edges = np.arange(len(low) + 1) * steps // len(low)
    assert 800 <= len(low) <= 880
    ends = (float(inputs.min()), float(inputs.max()))
    expected = [(part.min(), part.max()) for part in np.split(inputs[0, :, 0], edges[1:-1])]
    share = (np.array(expected) - ends[0]) / (ends[1] - ends[0])
    drawn = np.stack([low, high], axis=1)
    np.testing.assert_allclose(drawn, drawn.max() + (drawn.min() - drawn.max()) * share, atol=1e-6)


def test_padding_and_missing_values_are_blank():
    a = series(1, 60, 2)
    mask = np.arange(60)[np.newaxis] < 40
    inputs = a.inputs.copy()
    inputs[0, 40:], inputs[0, 5:8, 1] = np.nan, np.nan
    panel = replace(a, inputs=inputs, mask=mask).plot().axes[0]
    bands = panel.images[0].get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(bands), [~mask[0]] * 2)
    assert panel.images[0].get_cmap().get_bad()[3] == 0
    gaps = [np.isnan(line.get_ydata()).sum() for line in panel.lines if len(line.get_xdata()) == 60]
    assert gaps == [20, 23]


@pytest.mark.parametrize(
    ("rate", "steps", "name", "last"),
    [
        (None, 50, "time step", 49.0),
        (500.0, 5000, "time (s)", 9.998),
        (16_000, 1600, "time (ms)", 1599 / 16),
        (1 / 60, 300, "time (h)", 299 / 60),
        (1 / 3600, 24 * 7, "time (d)", 167 / 24),
        (1, 1200, "time (min)", 1199 / 60),
    ],
)
def test_the_axis_is_in_seconds_where_the_rate_is_known(rate, steps, name, last):
    panel = series(1, steps, 1, display={"sampling_rate": rate}).plot().axes[0]
    assert panel.get_xlabel() == name
    half = last / (steps - 1) / 2
    assert panel.get_xlim() == pytest.approx((-half, last + half))
    if steps <= 300:
        assert panel.lines[0].get_xdata()[-1] == pytest.approx(last)


def test_values_are_drawn_without_normalisation():
    a = series(1, 20, 2, display={"mean": (100.0, 0.0), "scale": (10.0, 1.0)})
    texts = [label.get_text() for label in plot(a).axes[0].get_yticklabels()]
    assert texts[0] == f"{10 * a.inputs[0, :, 0].min() + 100:.3g}"


def test_many_channels_are_a_map_unless_lines_are_asked_for():
    few, many = series(channels=MOST_LINES), series(channels=MOST_LINES + 1)
    assert len(plot(few).axes) == 2  # lanes, colour bar
    assert len(plot(many).axes) == 4  # input, map, margin, colour bar
    assert len(plot(few, series="map").axes) == 4
    assert len(plot(many, series="lines").axes) == 2
    assert len(plot_pair(few, few).axes) == 3
    assert len(plot_pair(few, few, series="map").axes) == 4


def test_a_maximization_of_series_shows_the_lines_that_it_found(check_text):
    a = series(2, 60, 3)
    found = replace(a, method="activation_maximization", history=np.cumsum(np.ones((9, 2)), axis=0))
    figure = found.plot()
    check_text(figure)
    assert len(figure.axes) == 2 * 3  # start, found, curve
    start, end = figure.axes[:2]
    for panel, values in ((start, a.inputs), (end, a.values)):
        # Upwards is more, and the axis of a panel runs down.
        assert np.corrcoef(panel.lines[0].get_ydata(), values[0, :, 0])[0, 1] == pytest.approx(-1)
    check_text(plot_pair(found, replace(found, framework="tensorflow")))
    axes = Figure().add_subplot()
    found.plot(ax=axes, examples=1)
    assert np.corrcoef(axes.lines[0].get_ydata(), a.values[1, :, 0])[0, 1] == pytest.approx(-1)
    assert len(found.plot(series="map").axes[0].images) == 1


def test_ids_of_tokens_are_never_lines():
    ids = np.arange(6, dtype=np.float32)[np.newaxis]
    figure = Attribution(ids, ids, "NT", "saliency", np.ones(1), reduce="norm").plot()
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "1", "2", "3", "4", "5"]


def test_a_pair_shares_lines_axes_and_scale(check_text):
    a = series(2, 50, 3)
    b = replace(a, values=0.5 * a.values, framework="tensorflow")
    figure = plot_pair(a, b, difference=True)
    check_text(figure)
    one, other, gap = figure.axes[:3]
    assert {panel.images[0].get_clim() for panel in (one, other, gap)} == {one.images[0].get_clim()}
    np.testing.assert_allclose(gap.images[0].get_array(), -one.images[0].get_array() / 2, atol=1e-6)
    for left, right in zip(one.lines, gap.lines, strict=True):
        np.testing.assert_array_equal(left.get_ydata(), right.get_ydata())


@pytest.mark.parametrize(
    ("fields", "arguments", "expected"),
    [
        ({"feature_names": ("a", "b")}, {}, r"feature_names has 2 names but the series has 3 channels"),
        ({"mean": (1.0, 2.0)}, {}, r"display.mean=\(1.0, 2.0\) has 2 numbers but the input has 3 channels"),
        ({"example_names": ("a", "b")}, {}, r"example_names has 2 names but there are 1 examples"),
        ({}, {"series": "bars"}, r"series='bars' is not known: give 'lines'.*'map'"),
    ],
)
def test_refusals(fields, arguments, expected):
    with pytest.raises(RenderError, match=expected):
        series(display=fields).plot(**arguments)


def test_lines_that_nobody_could_read_are_refused():
    with pytest.raises(RenderError, match=rf"series='lines' with 129 channels: at most {MOST_ASKED}"):
        series(channels=MOST_ASKED + 1).plot(series="lines")


def test_series_are_asked_for_series_alone(made):
    with pytest.raises(
        RenderError, match=r"series='map' is for sequences.*drawn as image: leave series= out"
    ):
        made.images().plot(series="map")


def test_a_function_for_ones_own_axes():
    axes = Figure(figsize=(4, 3)).add_subplot()
    draw_series(axes, np.ones((5, 2)), np.zeros((5, 2)), Scale(0, 0, True, 99), names=("a", "b"))
    assert {text.get_text() for text in axes.texts} == {"a", "b", "all zero"}
