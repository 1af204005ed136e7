"""The pages of docs/coming-from, beside the libraries that they are about."""

from __future__ import annotations

import importlib
import os

# Before SHAP is imported: compiling its loops takes ten seconds, running them as they are a hundredth of one.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

import pytest
from architectures.torchvision_stub import imported
from coming_from.page import FOLDER, Page

PAGES = {name: Page(name) for name in ("captum", "pytorch-grad-cam", "shap", "tf-explain", "xplique")}
ROWS = [pytest.param(name, row, id=f"{name}:{row.line}") for name, page in PAGES.items() for row in page.rows]


@pytest.fixture(scope="module")
def names_of(tmp_path_factory):
    """The names that the blocks of a page make: the page is run once."""
    made = {}

    def names(name):
        if name not in made:
            if name == "pytorch-grad-cam":
                imported("pytorch_grad_cam")  # It imports torchvision, for functions that no page calls.
            made[name] = PAGES[name].run(tmp_path_factory.mktemp(name))
        return made[name]

    return names


@pytest.mark.parametrize("name", PAGES)
def test_blocks_run_in_order(name, names_of):
    assert names_of(name)["a"].values.any()


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_the_numbers_of_a_row_are_as_it_says(name, row, names_of):
    row.check(names_of(name))


def public(module_name, is_attribution):
    module = importlib.import_module(module_name)
    return {
        name for name in dir(module) if not name.startswith("_") and is_attribution(getattr(module, name))
    }


def captums():
    kinds = {f"{kind}Attribution" for kind in ("", "Gradient", "Perturbation", "Layer", "Neuron")}
    return public("captum.attr", lambda one: hasattr(one, "attribute")) - kinds


def grad_cams():
    base = imported("pytorch_grad_cam").base_cam.BaseCAM
    others = {"DeepFeatureFactorization", "FinerCAM", "GuidedBackpropReLUModel", "RefineCAM", "SESS"}
    return others | public("pytorch_grad_cam", lambda one: isinstance(one, type) and issubclass(one, base))


PUBLIC = {
    "captum": (captums, 44),
    "pytorch-grad-cam": (grad_cams, 21),
    "shap": (lambda: public("shap", lambda one: getattr(one, "__name__", "").endswith("Explainer")), 13),
    "tf-explain": (lambda: public("tf_explain.core", lambda one: hasattr(one, "explain")), 7),
    "xplique": (lambda: public("xplique.attributions", lambda one: hasattr(one, "explain")), 17),
}


@pytest.mark.parametrize("name", PAGES)
def test_every_public_attribution_of_the_library_is_on_its_page(name):
    found, count = PUBLIC[name]
    attributions = found()
    assert len(attributions) == count  # A new version of the library may have more.
    assert PAGES[name].lacks(attributions) == []


def test_every_page_is_tested_and_linked():
    assert sorted(PAGES) == sorted(page.stem for page in FOLDER.glob("*.md"))
    readme = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    for name, page in PAGES.items():
        assert f"docs/coming-from/{name}.md" in readme
        assert {"equal", "other"} <= {row.kind for row in page.rows}


def test_a_row_that_says_too_much_is_found_out():
    # The check itself: numbers that differ by a thousandth are neither equal nor, by that little, other numbers.
    names = {"a": [1.0, 2.0], "b": [1.0, 2.003], "c": [1.0, 9.0]}
    row = PAGES["captum"].rows[0]
    made = {"theirs": "`a`", "line": 0}
    for here, kind, bound in (("`b`", "equal", 1e-5), ("`c`", "within", 0.05), ("`a`", "other", 0.0)):
        with pytest.raises(AssertionError):
            type(row)(here=here, kind=kind, bound=bound, **made).check(names)
    type(row)(here="`b`", kind="equal", bound=1e-2, **made).check(names)
    type(row)(here="`b`", kind="within", bound=0.05, **made).check(names)
    type(row)(here="`c`", kind="other", bound=0.0, **made).check(names)
