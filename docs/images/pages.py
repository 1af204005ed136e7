"""Draws the pictures that pages of the site draw themselves, and those of its front page.

python docs/images/pages.py          # all of them
python docs/images/pages.py series   # those of one page

A page is run, with the tab of PyTorch; what it saves under the name of a picture that it also shows is kept.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

import explain
from explain.files.atomic_write import replace_file
from explain.render import draw_heatmap, draw_picture, figure_png, heatmaps, picture, shared_scale
from explain.results.names import framework_name, method_name

DOCS = Path(__file__).parents[1]
IMAGES = Path(__file__).parent
PAGES = [*sorted((DOCS / "tutorials").glob("*.md")), DOCS / "guides" / "series.md"]
BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
OTHER_TAB = re.compile(r'^=== "TensorFlow"\n(?:(?: .*)?\n)*', re.MULTILINE)
SHOWN = re.compile(r"\]\(\.\./images/(\S+\.png)\)")

# The methods of the front page, one of each family, and the picture of `cifar_keras` that they explain.
METHODS = ("saliency", "integrated_gradients", "guided_backprop", "grad_cam", "occlusion", "kernel_shap")
HORSE = 13


def draw_page(page: Path) -> list[Path]:
    """Run the blocks of a page, and keep the pictures that it shows."""
    text = page.read_text(encoding="utf-8")
    shown = {Path(name).name: IMAGES / name for name in SHOWN.findall(text)}
    started = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        names: dict[str, object] = {"__name__": page.stem}
        for _, block in BLOCK.findall(OTHER_TAB.sub("", text)):
            exec(compile(textwrap.dedent(block), str(page), "exec"), names)
        for name, kept in shown.items():
            replace_file(kept, Path(name).read_bytes())
        os.chdir(started)
    return list(shown.values())


def draw_methods() -> Path:
    """Put one picture's maps of several methods beside each other, a row for each framework."""
    frameworks = ("torch", "tensorflow")
    figure = Figure(figsize=(2 * (len(METHODS) + 1) + 0.4, 4.5), layout="constrained")
    panels = figure.subplots(len(frameworks), len(METHODS) + 1)
    for axes, title in zip(panels[0], ("input", *map(method_name, METHODS)), strict=True):
        axes.set_title(title, fontsize=13)
    for row, framework in zip(panels, frameworks, strict=True):
        net = explain.zoo.load("cifar_keras", framework)
        samples = explain.zoo.samples("cifar_keras", framework)
        x = samples.x[[HORSE]]
        first = x[0].transpose(1, 2, 0) if samples.layout == "NCHW" else x[0]
        draw_picture(row[0], picture(first, samples.display))
        beside = {
            "transform": row[0].transAxes,
            "rotation": 90,
            "ha": "right",
            "va": "center",
            "fontsize": 13,
        }
        row[0].text(-0.06, 0.5, framework_name(framework), **beside)
        for axes, method in zip(row[1:], METHODS, strict=True):
            a = explain.attribute(net, x, method=method, target=int(samples.y[HORSE]))
            unsigned = method == "grad_cam"
            rule = "mean" if method in ("occlusion", "kernel_shap") else "sum"
            (heatmap,) = heatmaps(a.values, a.layout, channels=rule)
            draw_heatmap(axes, heatmap, shared_scale(heatmap, signed=not unsigned))
    path = IMAGES / "methods.png"
    replace_file(path, figure_png(figure))
    return path


def draw_table() -> Path:
    """Draw the waterfall of one row of a table; the model is a function whose reasons are known."""
    names = ("income", "debt", "years at address", "cards", "children")
    people = np.array([[38.0, 12, 6, 2, 1], [52, 21, 9, 3, 0], [27, 4, 1, 1, 2], [61, 35, 14, 4, 2]])

    def credit_line(x: np.ndarray) -> np.ndarray:
        income, debt, years, cards, children = x.T
        return 0.1 * income - 0.14 * debt + 0.2 * years * (income > 30) - 0.3 * cards - 0.1 * children

    a = explain.attribute(
        credit_line,
        people,
        method="shapley_values",
        framework="numpy",
        score="output",
        n_samples=200,
        baseline=people.mean(axis=0),
        display=explain.Display(feature_names=names),
    )
    path = IMAGES / "table.png"
    replace_file(path, figure_png(a.plot(kind="waterfall", examples=1)))
    return path


if __name__ == "__main__":
    matplotlib.use("agg")
    asked = sys.argv[1:]
    for page in PAGES:
        if not asked or page.stem in asked:
            print(*draw_page(page), sep="\n")
    if not asked or "index" in asked:
        print(draw_methods(), draw_table(), sep="\n")
