"""The guide that helps to choose a method says what the page measured.

``PYTHONPATH=src:tests python tests/benchmark_page/test_choose_a_method.py`` computes the numbers, some minutes, and
writes the guide's section.
"""

import re
from pathlib import Path

import explain
from explain.benchmark_page.computation import RANDOM_MAP, compute
from explain.benchmark_page.questions import PICTURES
from explain.benchmark_page.words import findings
from explain.results.names import method_name

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "choose-a-method.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
SHOWN = ("Finds the object", "Reveals the shortcut", "Deletion", "Same map for a randomized network",
         "Same map for another class", "Changes under tiny noise")  # fmt: skip
HEADS = ("finds the object", "reveals the shortcut", "deletion", "same map when shuffled",
         "same map for another class", "changes under tiny noise")  # fmt: skip


def questions():
    return [next(one for one in PICTURES if one.title == title) for title in SHOWN]


def line(method, found):
    """The row of a method: its means; a star for the best and those that do not differ from it."""
    cells = []
    for one in questions():
        benchmark = found[one.model].benchmark
        measurement = benchmark.measurement(one.title, method)
        if measurement is None or not measurement.count:
            cells.append("–")
            continue
        star = "\\*" if method in benchmark.best(one.title) else ""
        cells.append(f"{measurement.mean:.2f}{star}".replace("-0.00", "0.00").replace("-", "−"))
    name = "a random map" if method == RANDOM_MAP else f"`{method}`"
    return f"| {name} | {' | '.join(cells)} |"


def section(found):
    benchmarks = {name: one.benchmark for name, one in found.items()}
    rows = [line(method, found) for method in found["shapes_honest"].benchmark]
    said = "\n".join(f"- **{title}.** {text}" for title, text in findings(questions(), benchmarks))
    return (
        f"| method | {' | '.join(HEADS)} |\n|---|{'---|' * len(HEADS)}\n" + "\n".join(rows) + f"\n\n{said}\n"
    )


def written():
    return GUIDE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


def test_the_guide_says_what_is_measured():
    methods = ("saliency", "integrated_gradients", "grad_cam")
    found = compute(questions(), framework="torch", methods=methods)
    stored = written()
    for method in (*methods, RANDOM_MAP):
        own = line(method, found)
        # Which are the best depends on the other methods.
        (kept,) = [one for one in stored.splitlines() if one.startswith(own.split(" |")[0] + " |")]
        assert kept.replace("\\*", "") == own.replace("\\*", "")


def test_every_method_of_pictures_has_its_line_and_the_sentences_name_known_ones():
    stored = written()
    for row in explain.methods():
        has_map = row.drawn != "input" and row.layer != "must" and row.family != "attention"
        assert (f"\n| `{row.name}` |" in f"\n{stored}") == has_map
    titles = re.findall(r"^- \*\*(.+?)\.\*\*", stored, re.MULTILINE)
    assert tuple(titles) == SHOWN
    assert method_name("lrp") == "LRP"


if __name__ == "__main__":
    text = GUIDE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    found = compute(questions(), framework="torch")
    GUIDE.write_text(f"{before}{BEGIN}{section(found)}{END}{after}", encoding="utf-8")
