"""What a notebook shows of a migration report."""

import math
from html.parser import HTMLParser

from IPython.core.formatters import DisplayFormatter

from explain.migration.report import Divergence, MigrationReport, Row
from explain.render import show


def report(layers=4, passed=False, evil=""):
    def row(stage, name, error):
        return Row(
            stage, name, name, error, 1e-4, error is not None and error <= 1e-4, figures={"before": 1e-7}
        )

    errors = [1e-7] * layers if passed else [1e-7, None, 0.25, math.inf, *[0.5] * (layers - 4)]
    rows = [
        row("outputs", "", errors[-1]),
        *(row("layers", f"{evil}conv{at}", one) for at, one in enumerate(errors)),
    ]
    rows[2] = Row("layers", f"{evil}conv1", "other", None, 1e-4, None)
    first = None if passed else Divergence(f"{evil}conv2", f"{evil}conv2", 0.25, 1e-7)
    cause = None if passed else "padding"
    return MigrationReport(
        f"{evil}A (PyTorch)",
        "B (TensorFlow)",
        passed,
        first,
        cause,
        evil,
        evil,
        tuple(rows),
        8,
        notes=(evil,),
    )


class Page(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.names, self.words = [], []
        self.feed(page)

    def handle_starttag(self, name, attributes):
        self.names.append(name)

    def handle_data(self, data):
        if data.strip():
            self.words.append(data)


def shown(one):
    data, _ = DisplayFormatter().format(one)
    return data["text/plain"], Page(data["text/html"])


def test_one_that_passed_is_a_line_for_each_stage():
    text, page = shown(report(passed=True))
    assert page.words[:2] == ["✓ Passed", "A (PyTorch) and B (TensorFlow) agree on 8 examples."]
    at = page.words.index("Layers")
    assert page.words[at : at + 5] == ["Layers", "4", "–", "1.0e-07", "1.0e-04"]
    assert "What differs" not in page.words
    assert "img" not in page.names
    assert text == "MigrationReport('A (PyTorch)', 'B (TensorFlow)', passed=True, rows=5, count=8)"


def test_one_that_differs_says_where_and_why():
    text, page = shown(report())
    assert page.words[0] == "✗ Differs"
    assert any(
        word.startswith("First divergence: conv2. Their outputs are 0.250 apart") for word in page.words
    )
    assert page.words[page.words.index("Likely cause") + 1] == "padding"
    at = page.words.index("Layers")
    assert page.words[at : at + 4] == ["Layers", "4", "2", "∞"]
    start = page.words.index("What differs")
    rows = page.words[start:]
    assert rows[1:4] == ["A (PyTorch)", "B (TensorFlow)", "error"]
    at = rows.index("conv2")
    assert rows[at : at + 5] == ["conv2", "conv2", "0.250", "differs", "first divergence; inputs 1.0e-07"]
    assert page.names.count("img") == 1
    assert "first_divergence=('conv2', 'conv2'), cause='padding'" in text


def test_a_report_of_many_rows_is_short():
    text, page = shown(report(layers=500))
    assert "491 more rows differ" in page.words
    assert page.names.count("tr") < 30
    assert len(text) < 300


def test_names_are_escaped():
    _, page = shown(report(evil="<script>alert(1)</script>"))
    assert "script" not in page.names


def test_a_chart_that_cannot_be_drawn_leaves_the_rest(monkeypatch):
    monkeypatch.setattr("explain.migration.presentation.layer_chart.plot_layers", lambda report: 1 / 0)
    _, page = shown(report())
    assert any("The chart is not drawn: ZeroDivisionError" in word for word in page.words)
    assert "img" not in page.names


def test_among_other_results():
    _, page = shown(show([report(), report(passed=True)]))
    assert {"✗ Differs", "✓ Passed", "[0]", "[1]"} <= set(page.words)
