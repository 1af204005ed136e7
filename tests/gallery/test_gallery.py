"""The gallery on a small selection: what it writes, that two runs write the same, that the pages are sound."""

from __future__ import annotations

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
from explain.gallery import BATCH_SIZE, asking, computation, generate, generator, write_readme_picture
from explain.gallery.asking import explain_model
from explain.gallery.exhibits import exhibit
from explain.gallery.pages.filtering import filter_script
from explain.gallery.pages.model_page import write_model_page
from explain.gallery.pages.parity import parity_rows
from explain.gallery.pages.pictures import Pictures
from explain.inputs.layout import Layout

MODELS = ("cifar_net", "names_rnn")
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


def page_of(results):
    return write_model_page(results, Pictures(results.name))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("gallery")
    steps = []
    generate(
        out,
        models=MODELS,
        count=1,
        options=FEW,
        progress=lambda done, total, what: steps.append((done, total, what)),
    )
    assert [done for done, _, _ in steps] == sorted(done for done, _, _ in steps)
    assert steps[-1][0] == steps[-1][1]
    return out


@pytest.fixture(scope="module", params=["index", "parity", *MODELS])
def html(folder, request):
    return (folder / f"{request.param}.html").read_text(encoding="utf-8")


@pytest.fixture
def page(html):
    return Page(html)


def read(path):
    return Page(path.read_text(encoding="utf-8"))


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def test_every_method_of_the_catalogue_is_drawn_for_every_model(folder):
    expected = {f"{name}/{row.name}.png" for name in MODELS for row in shown(name)}
    written = files_of(folder)
    assert expected <= set(written)
    assert {name for name in written if "/" not in name} == {
        "index.html",
        "parity.html",
        *(f"{name}.html" for name in MODELS),
    }
    for name, path in written.items():
        if name.endswith(".png"):
            with Image.open(path) as picture:
                picture.verify()
    # On the first page each has a small picture, which is a file of its own unless it equals another.
    cells = re.findall(
        r'data-method="(\w+)" data-family="[\w ]+" data-model="(\w+)"><a href="(\w+)\.html#\3-\1"><img',
        (folder / "index.html").read_text(encoding="utf-8"),
    )
    assert {f"{model}/{method}.png" for method, model, _ in cells} == expected


def test_two_runs_give_the_same_bytes(folder, tmp_path):
    generate(tmp_path, models=MODELS, count=1, options=FEW)
    written = files_of(folder)
    assert files_of(tmp_path).keys() == written.keys()
    for name, path in written.items():
        assert (tmp_path / name).read_bytes() == path.read_bytes(), name


def test_a_page_needs_no_network_and_has_one_script(html, page):
    # Base64 has slashes of its own.
    assert "//" not in re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", html).replace(filter_script(), "")
    assert "url(" not in html
    assert html.count("<script") == html.count(f"<script>{filter_script()}</script>") == 1
    for name, attributes in page.elements:
        assert name not in {"link", "iframe", "object"}
        assert not any(key.startswith("on") for key in attributes)
        assert not re.match(r"\w+:(?!image/png;base64,)", attributes.get("src", ""))
        assert not re.match(r"\w+:", attributes.get("href", ""))


def test_every_link_and_picture_has_its_target_and_every_id_is_there_once(folder):
    written = files_of(folder)
    pages = {name: read(path) for name, path in written.items() if name.endswith(".html")}
    ids = {
        name: [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        for name, page in pages.items()
    }
    used = set()
    for name, page in pages.items():
        assert len(ids[name]) == len(set(ids[name]))
        labels = {one["aria-labelledby"] for _, one in page.elements if "aria-labelledby" in one}
        labels |= {one["for"] for one in page.all("label")}
        assert labels <= set(ids[name])
        for link in page.all("a"):
            file, _, place = link["href"].partition("#")
            assert (file or name) in written, link
            assert not place or place in ids[file or name], link
            used.add(file)
        for image in page.all("img"):
            if not image["src"].startswith("data:"):
                assert image["src"] in written, image
                used.add(image["src"])
    # Nothing is written that no page shows or names, but for the page that is opened.
    assert set(written) - used == set()


def test_every_picture_says_what_is_seen_and_keeps_its_room(folder):
    alts = []
    for name, path in files_of(folder).items():
        if not name.endswith(".html"):
            continue
        for image in read(path).all("img"):
            assert len(image["alt"]) > 10
            alts.append(image["alt"])
            if image["src"].startswith("data:image/png;base64,"):
                continue
            assert image["loading"] == "lazy"
            with Image.open(folder / image["src"]) as picture:
                assert picture.size == (int(image["width"]), int(image["height"]))
    assert any(
        re.match(r"Saliency in PyTorch for \w+: relevance around the .*% of it positive\.", a) for a in alts
    )
    assert any(alt.startswith("Input, true class") for alt in alts)
    assert "Saliency on cifar_net" in alts


def test_the_first_page_opens_with_every_family_in_both_frameworks(folder):
    index = read(folder / "index.html")
    families = dict.fromkeys(row.family for row in methods() if row.family != "attention")
    first, _, _ = index.words.partition("The networks")
    for family in families:
        assert family in first, family
    cards = [one for one in index.all("li") if one.get("class") == "card"]
    # Two cards are those of the networks.
    assert len(cards) == len(families) + 2
    inline = [one for one in index.all("img") if one["src"].startswith("data:")]
    # The picture, two maps a family, and the two colour bars.
    assert len(inline) == 1 + 2 * len(families) + 2
    assert re.search(r"more than one part in [\d,]+ of the largest value", first)
    # All that it has before it is scrolled, and its markup.
    small = sum((folder / one["src"]).stat().st_size for one in index.all("img") if one not in inline)
    assert (folder / "index.html").stat().st_size + small < 1e6


def test_headings_follow_one_another_without_a_gap(page):
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_pages_state_what_they_were_computed_with(folder):
    page = read(folder / "cifar_net.html")
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


def test_figures_of_similarity_stand_under_every_pair_and_on_a_page_of_their_own(folder):
    for model, classes in (("cifar_net", 10), ("names_rnn", 18)):
        text = "".join(read(folder / f"{model}.html").text)
        for name in ("relative L2", "Pearson", "Spearman", "top 10 %", "SSIM"):
            # One sample by every other method, and all the classes.
            assert text.count(name) >= len(shown(model)) - 1 + classes
    parity = read(folder / "parity.html")
    rows = [one for one in parity.all("tr") if "data-pair" in one]
    assert [(one["data-model"], one["data-method"]) for one in rows] == [
        (model, row.name) for model in MODELS for row in shown(model)
    ]
    pairs = sum(len(shown(model)) - 1 for model in MODELS) + 10 + 18
    assert f"Of {pairs} pairs of maps" in parity.words
    assert f"Of {pairs} pairs of maps" in read(folder / "index.html").words
    assert "Lowest Pearson" in parity.words


def test_names_are_coloured_text_with_tooltips(folder):
    html = (folder / "names_rnn.html").read_text(encoding="utf-8")
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
    index, page = read(written), read(tmp_path / "fashion_rnn.html")
    assert "TensorFlow is not installed here" in index.words
    for words in (index.words, page.words.split("How it was made")[0]):
        assert "alike" not in words
        assert "relative L2" not in words
    assert not (tmp_path / "parity.html").exists()
    assert (tmp_path / "fashion_rnn" / "integrated_gradients.png").exists()
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

    monkeypatch.setattr(computation, "attribute", chosen_by_the_first)
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
    page = Page(page_of(integral))
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
    html = page_of(replace(saliency, methods=(renamed,), classes=(evil,)))
    page = Page(html)
    assert len(page.all("script")) == 1
    assert evil not in html
    assert evil in "".join(page.text)
    assert any(evil in image["alt"] for image in page.all("img"))


@pytest.mark.parametrize("error", [UnsupportedInputError, UnsupportedModelError])
def test_a_method_that_does_not_apply_says_why(monkeypatch, error):
    def refuse(*arguments, **keywords):
        raise error("it needs <layers>, and the model has none")

    monkeypatch.setattr(computation, "attribute", refuse)
    models = {"torch": zoo.load("cifar_net", "torch")}
    results = explain_model("cifar_net", models, [find_method("saliency")], count=1)
    assert results.methods[0].reason.startswith("it needs")
    assert parity_rows(results) == ()
    assert "it needs &lt;layers&gt;, and the model has none" in page_of(results)


def test_the_high_delta_of_an_integral_is_marked(saliency):
    (result,) = saliency.methods
    unconverged = replace(
        result,
        attributions={
            framework: replace(one, delta=np.array([1.0]), relative_delta=np.array([0.2]))
            for framework, one in result.attributions.items()
        },
    )
    marked = Page(page_of(replace(saliency, methods=(unconverged,))))
    assert any(attributes.get("class") == "line alert" for attributes in marked.all("span"))
    plain = Page(page_of(saliency))
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


def test_a_pretrained_network_is_shown_with_its_photographs(whole):
    assert whole.name == "index.html"
    index = read(whole)
    assert {"href": "efficientnet_lite0.html"} in index.all("a")
    page = read(whole.parent / "efficientnet_lite0.html")
    assert {"href": "index.html"} in page.all("a")
    for words in (
        "EfficientNet-Lite0",
        "18 of 20 in PyTorch; 18 of 20 in TensorFlow",
        "do not pass it on",
        "4 points at once",
        "relative L2",
    ):
        assert words in page.words, words
    # A picture of 224 pixels is no mosaic, and has room.
    photographs = [image for image in page.all("img") if image.get("class") == "fine"]
    assert len(photographs) == 3
    assert {(one["width"], one["height"]) for one in photographs} == {("224", "224")}
    assert any("fine" in one.get("class", "") for one in page.all("ul"))
    assert (whole.parent / "efficientnet_lite0" / "saliency.png").exists()
    with Image.open(whole.parent / "efficientnet_lite0" / "saliency-small.png") as small:
        assert small.size == (56, 56)


def test_without_its_packages_the_index_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(generator, "missing_packages", lambda model: ("foolbox",))
    monkeypatch.setattr(zoo, "names", lambda: ("cifar_net",))
    written = generate(tmp_path, methods=["saliency"], frameworks=["torch"], count=1)
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.html",
        *("cifar_net", "cifar_net.html"),
        *("names_transformer", "names_transformer.html"),
    }
    assert (
        'foolbox is missing. Install what it needs with: pip install "explain-toolkit[torch,efficientnet]"'
        in read(written).words
    )


def test_an_interrupted_run_leaves_pages_whose_links_lead_somewhere(tmp_path, monkeypatch):
    few = {
        "models": MODELS,
        "methods": ["saliency", "ig"],
        "frameworks": ["torch"],
        "count": 1,
        "options": FEW,
    }
    generate(tmp_path, **few)

    def interrupt(done, total, what):
        if what.startswith("names_rnn: drawing"):
            raise KeyboardInterrupt

    seen = []
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, **few, progress=interrupt, first_page=lambda page: seen.append(read(page).words))
    assert "Not there yet: cifar_net, names_rnn." in seen[0]
    index = read(tmp_path / "index.html")
    assert "Not there yet: names_rnn." in index.words
    assert not (tmp_path / "names_rnn.html").exists()
    linked = {one["href"].partition("#")[0] for one in index.all("a")} - {""}
    assert linked == {"cifar_net.html"}
    assert all((tmp_path / one).exists() for one in linked)
    assert not list(tmp_path.rglob("*.tmp"))
    generate(tmp_path, **few)
    assert "Not there yet" not in read(tmp_path / "index.html").words


def test_a_method_may_have_fewer_samples_and_a_remark_of_its_own(monkeypatch):
    shown = replace(
        exhibit("cifar_net"), counts={"saliency": 1}, method_remarks={"saliency": "Look at the ship."}
    )
    monkeypatch.setattr(asking, "exhibit", lambda name: shown)
    rows = [find_method("saliency"), find_method("input_x_gradient")]
    found = explain_model("cifar_net", {"torch": zoo.load("cifar_net", "torch")}, rows, count=2)
    assert [len(one.first) for one in found.methods] == [1, 2]
    assert "Look at the ship." in Page(page_of(found)).words


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
    folder = transformer.parent
    assert {path.name for path in folder.iterdir()} == {
        *("index.html", "parity.html", "names_transformer.html", "names_transformer")
    }
    assert {path.name for path in (folder / "names_transformer").iterdir()} == {
        f"{method}{size}.png" for method in methods for size in ("", "-small")
    }
    html = (folder / "names_transformer.html").read_text(encoding="utf-8")
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
    page = read(tmp_path / "names_transformer.html")
    assert (tmp_path / "names_transformer" / "grad_cam.png").exists()
    assert not list(tmp_path.rglob("*maximization*"))
    assert "token ids" in page.words
