"""The table of a migration report in a terminal."""

from __future__ import annotations

import math

import pytest

from explain.migration.presentation.table import MOST_LAYERS
from explain.migration.report import Divergence, MigrationReport, Row, Tolerances


def layers(count, failing=(), **changes):
    return tuple(
        Row(
            "layers",
            f"block{index}.conv",
            f"block{index}_conv",
            0.3 if index in failing else 1e-7,
            1e-4,
            index not in failing,
            **changes,
        )
        for index in range(count)
    )


def report(rows=(), first=None, **changes):
    parted = None if first is None else Divergence(first.a, first.b, first.error, 2e-7)
    values = {
        "model_a": "Net (PyTorch)",
        "model_b": "Net (TensorFlow)",
        "passed": first is None,
        "first_divergence": parted,
        "cause": None if first is None else "padding",
        "evidence": "" if first is None else "The rim differs by 0.4.",
        "remedy": "" if first is None else "Pad alike.",
        "rows": tuple(rows),
        "count": 20,
    }
    return MigrationReport(**{**values, **changes})


def line_with(text, words):
    (found,) = (line for line in text.splitlines() if words in line)
    return found


def test_the_verdict_is_the_first_line():
    assert str(report()).splitlines()[0] == "Passed: Net (PyTorch) and Net (TensorFlow) agree on 20 examples."
    rows = layers(3, {1})
    differs = str(report(rows, rows[1])).splitlines()
    assert differs[0] == "Differs: Net (PyTorch) and Net (TensorFlow) do not agree on 20 examples."


def test_then_where_they_part_and_why():
    rows = layers(3, {1})
    text = " ".join(str(report(rows, rows[1])).split())
    sentences = (
        "First divergence: block1.conv | block1_conv. Their outputs are 0.300 apart (relative L2), their inputs "
        "2.0e-07. Likely cause: padding. The rim differs by 0.4. What to do: Pad alike."
    )
    assert sentences in text
    assert text.index(sentences) < text.index("Layers, relative L2")


def test_shapes_that_differ_are_said_in_words():
    row = Row("layers", "flatten", "flatten", math.inf, 1e-4, False)
    text = str(report([row], row))
    assert "First divergence: flatten. Their outputs differ in shape, their inputs" in text
    assert line_with(text, "first divergence").split()[:2] == ["flatten", "∞"]


def test_rows_are_grouped_by_stage_in_the_order_of_the_check():
    rows = [
        Row("outputs", "", "", 3e-7, 1e-4, True, figures={"greatest difference": 2e-6}),
        Row("classes", "", "", 0.0, 0.0, True),
        *layers(2),
        Row("attributions", "grad_cam", "grad_cam", 0.5, 0.02, False, figures={"rank correlation": None}),
    ]
    text = str(report(reversed(rows)))
    headings = ["Outputs, ", "Predicted classes, ", "Layers, ", "Attributions, "]
    places = [text.index(heading) for heading in headings]
    assert places == sorted(places)
    assert line_with(text, "greatest difference").split() == [
        "all", "examples", "3.0e-07", "1.0e-04", "passed", "greatest", "difference", "2.0e-06",
    ]  # fmt: skip
    assert line_with(text, "Grad-CAM").split() == [
        "Grad-CAM", "0.500", "0.020", "differs", "rank", "correlation", "–",
    ]  # fmt: skip


def test_columns_are_aligned():
    rows = [Row("outputs", "", "", 3e-7, 1e-4, True), *layers(11, {10}, note="a note")]
    lines = str(report(rows, rows[-1])).splitlines()
    header = next(line for line in lines if "tolerance" in line)
    table = [line for line in lines if "1.0e-04" in line]
    assert len(table) == 12
    for heading in ("error", "tolerance"):
        end = header.index(heading) + len(heading)
        assert all(line[end - 1] != " " and line[end : end + 2] == "  " for line in table)
    start = header.index("verdict")
    assert {line[start:].split()[0] for line in table} == {"passed", "differs"}
    assert len({line.index("a note") for line in table if line.endswith("  a note")}) == 1
    assert not any(line != line.rstrip() for line in lines)


def test_one_name_is_one_column():
    rows = [Row("layers", "conv1", "conv1", 0.0, 1e-4, True)]
    text = str(report(rows))
    assert line_with(text, "conv1").split() == ["conv1", "0", "1.0e-04", "passed"]


def test_what_could_not_be_compared_says_why_in_lines_of_its_own():
    note = "no layer of the other model gives an array of this shape, in whatever order of its axes it may be"
    row = Row("layers", "reshape", "", None, 1e-4, None, note=note)
    lines = str(report([row])).splitlines()
    at = next(index for index, line in enumerate(lines) if "reshape" in line)
    assert "not compared" in lines[at]
    start = lines[at].index("no layer")
    assert " ".join(line[start:] for line in lines[at:]) == note
    assert not any(line[:start].strip() for line in lines[at + 1 :])


@pytest.mark.parametrize("count", [1, MOST_LAYERS])
def test_few_layers_are_all_written(count):
    text = str(report(layers(count)))
    assert all(f"block{index}.conv " in text for index in range(count))
    assert "more layers" not in text


def test_of_many_layers_all_that_differ_and_the_neighbours_of_the_first():
    failing = {70, 71, 100, 117}
    rows = layers(150, failing)
    text = str(report(rows, rows[70]))
    shown = {index for index in range(150) if f"block{index}.conv " in text.partition("Layers")[2]}
    assert shown == failing | {*range(3), *range(67, 74), 147, 148, 149}
    said = [int(line.split()[1]) for line in text.splitlines() if "more layers" in line]
    assert said == [64, 26, 16, 29]
    assert sum(said) + len(shown) == 150


def test_a_lone_layer_is_not_left_out():
    rows = layers(150, {5, 7})
    text = str(report(rows, rows[5]))
    assert all(f"block{index}.conv " in text for index in range(9))
    rows = layers(150, {60, 65, 67})
    assert "block66.conv " in str(report(rows, rows[60]))


def test_notes_versions_and_other_tolerances():
    text = str(
        report(
            [Row("outputs", "", "", 0.0, 1e-3, True)],
            notes=("Only Net (TensorFlow) ends in a softmax.", "Another note."),
            versions={"torch": "2.13.0", "explain": "0.1.0"},
            tolerances=Tolerances(outputs=1e-3),
        )
    )
    assert "\nWorth knowing:\n  Only Net (TensorFlow) ends in a softmax.\n  Another note.\n" in text
    assert text.endswith("Made with torch 2.13.0, explain 0.1.0.")
    assert "1.0e-03" in text


def test_names_cannot_command_the_terminal():
    strange = "\x1b[31mred\x1b[0m\nsecond\ttab\x07"
    row = Row("layers", strange, strange, 0.3, 1e-4, False, note=strange)
    text = str(
        report([row], row, model_a=strange, evidence=strange, notes=(strange,), versions={strange: strange})
    )
    assert all(sign.isprintable() for line in text.splitlines() for sign in line)
    assert "?[31mred?[0m second tab?" in text


def test_long_names_keep_their_end():
    rows = [Row("layers", "module." * 20 + end, end, 0.0, 1e-4, True) for end in ("first", "second")]
    text = str(report(rows))
    for end in ("first", "second"):
        assert line_with(text, f"module.{end}").lstrip().startswith("…")
    assert max(map(len, text.splitlines())) < 130


def test_what_reaches_a_layer_is_said_where_it_differs():
    figures = {"before": 2e-7}
    rows = [
        Row("layers", "conv1", "conv1", 1e-7, 1e-4, True, figures=figures),
        Row("layers", "conv2", "conv2", 0.3, 1e-4, False, figures=figures),
        Row("layers", "conv3", "conv3", 0.3, 1e-4, False, figures={"before": None}),
    ]
    text = str(report(rows))
    assert line_with(text, "conv1").endswith("passed")
    assert line_with(text, "conv2").endswith("differs  inputs 2.0e-07")
    assert line_with(text, "conv3").endswith("differs")
