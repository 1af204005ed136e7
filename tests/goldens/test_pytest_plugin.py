"""The pytest plugin, in test suites of its own: what it writes, what it catches, what it says."""

from __future__ import annotations

import json
import pickle
import re

import numpy as np
import pytest

import explain
from explain.errors import ExplanationChangedError, GoldenError, OptionError
from explain.goldens import file as golden_file
from explain.goldens.figures import Tolerances, figures
from explain.goldens.file import Golden, read_golden

pytest_plugins = ["pytester"]

SUITE = """
import numpy as np
import torch
from torch import nn

X = np.random.default_rng(0).normal(size=(3, 2, 6, 6)).astype(np.float32)


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)).eval()


def test_reasons_are_stable(explain_golden):
    explain_golden.check(net(), X, {arguments})
"""


@pytest.fixture(autouse=True, scope="module")
def _loaded():
    """All that a run inside this process imports: pytester forgets it after a run, and PyTorch loads only once."""
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples("cifar_net", framework=framework)
        a = explain.attribute(explain.zoo.load("cifar_net", framework), samples.x[:1], "ig")
        explain.render.figure_png(a.plot())
    figures(np.zeros((1, 2)), np.ones((1, 2)), Tolerances())
    explain.fingerprint(explain.zoo.load("cifar_net", "torch"))


def suite(pytester, arguments='method="ig", target=3', text=SUITE):
    pytester.makepyfile(test_net=text.replace("{arguments}", arguments))


def goldens(pytester):
    return {path.name: path.read_bytes() for path in sorted((pytester.path / "explanations").glob("*"))}


def run(pytester, *options, pictures="false"):
    plain = "-p", "no:cacheprovider", "-p", "no:cov", "-o", f"explain_pictures={pictures}"
    return pytester.runpytest_inprocess(*plain, *options)


def test_a_golden_is_written_when_asked_for_and_then_holds(pytester):
    suite(pytester)
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*GoldenError: There is no golden explanation*pytest --explain-update*"])
    assert goldens(pytester) == {}
    result = run(pytester, "--explain-update", pictures="true")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*golden explanations written*", "*test_reasons_are_stable.npz"])
    before = goldens(pytester)
    assert list(before) == ["test_reasons_are_stable.npz", "test_reasons_are_stable.png"]
    # 216 values of four bytes; a picture of three examples.
    assert len(before["test_reasons_are_stable.npz"]) < 4000
    assert len(before["test_reasons_are_stable.png"]) < 100_000
    run(pytester).assert_outcomes(passed=1)
    result = run(pytester, "--explain-update", pictures="true")
    result.stdout.no_fnmatch_line("*golden explanations written*")
    assert goldens(pytester) == before
    for path in (pytester.path / "explanations").glob("*"):
        path.unlink()
    run(pytester, "--explain-update", pictures="true")
    assert goldens(pytester) == before


def test_a_changed_weight_is_caught_and_explained(pytester):
    suite(pytester)
    run(pytester, "--explain-update")
    before = goldens(pytester)
    suite(
        pytester,
        text=SUITE.replace("eval()", "eval().requires_grad_(False)").replace(
            "explain_golden.check(net()",
            "model = net()\n    model[0].weight[0] *= 1.2\n    explain_golden.check(model",
        ),
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Integrated gradients of Sequential has changed in 3 of 3 examples; the golden is *.npz.",
            "*example*largest error*rank correlation*top 10 %*",
            "*tolerance*0.02*0.99*0.95*",
            "*weights have changed: * in the golden, * now.*",
            "*Pictures, in *: expected.png, found.png, difference.png.*",
            '*accept it with: pytest --explain-update "test_net.py::test_reasons_are_stable"*',
        ]
    )
    # The user's own line, and none of ours.
    result.stdout.no_fnmatch_line("*check_against*")
    pictures = pytester.path / ".explain-results" / "test_reasons_are_stable"
    assert sorted(one.name for one in pictures.iterdir()) == ["difference.png", "expected.png", "found.png"]
    assert (pytester.path / ".explain-results" / ".gitignore").read_text() == "*\n"
    assert goldens(pytester) == before
    run(pytester, "--explain-update").assert_outcomes(passed=1)
    assert goldens(pytester) != before
    run(pytester).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('method="ig", target=2', "target: [[]3, 3, 3[]] in the golden, [[]2, 2, 2[]] now"),
        ('method="ig", target=3, n_steps=7', "n_steps: 'auto' in the golden, 7 now"),
        ('method="saliency", target=3', 'method: "integrated_gradients" in the golden, "saliency" now'),
        ('method="ig", target=3, score="probability"', 'score: "logit" in the golden, "probability" now'),
        ('method="ig", target=3, baseline=0.5', "baseline: *"),
        ('method="ig"', 'target: [[]3, 3, 3[]] in the golden, "the predicted class" now'),
    ],
)
def test_another_question_is_refused_and_named(pytester, arguments, words):
    suite(pytester)
    run(pytester, "--explain-update")
    before = goldens(pytester)
    suite(pytester, arguments)
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*is the golden of another question*What differs: *{words}*"])
    assert goldens(pytester) == before


def test_other_inputs_are_refused_and_named(pytester):
    suite(pytester)
    run(pytester, "--explain-update")
    suite(pytester, text=SUITE.replace("\n\n\ndef net", "\nX[1] += 0.5\n\n\ndef net"))
    run(pytester).stdout.fnmatch_lines(["*What differs: the inputs of example 1.*"])
    suite(pytester, text=SUITE.replace("size=(3", "size=(2"))
    run(pytester).stdout.fnmatch_lines(["*What differs: examples: 3 in the golden, 2 now*"])


def test_a_model_that_predicts_another_class_is_asked_about_the_goldens(pytester):
    suite(pytester, 'method="saliency"')
    run(pytester, "--explain-update")
    read = read_golden(pytester.path / "explanations" / "test_reasons_are_stable.npz")
    suite(
        pytester,
        text=SUITE.replace("return ", "model = ").replace(
            "nn.Linear(108, 4)).eval()",
            "nn.Linear(108, 4)).eval()\n    with torch.no_grad():\n        model[3].bias[2] += 100\n    return model",
        ),
        arguments='method="saliency"',
    )
    # A bias moves no gradient: the explanations of the classes that were predicted hold.
    run(pytester).assert_outcomes(passed=1)
    assert read.made_by["predicted"] != [2, 2, 2]


def test_an_interrupted_update_leaves_the_old_golden_whole(pytester, monkeypatch):
    suite(pytester)
    run(pytester, "--explain-update")
    path = pytester.path / "explanations" / "test_reasons_are_stable.npz"
    before, golden = path.read_bytes(), read_golden(path)

    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Golden(golden.values * 2, golden.question, golden.made_by).write(path)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_two_checks_in_a_test_and_names(pytester):
    twice = "    explain_golden.check(net(), X, {arguments})\n"
    suite(pytester, text=SUITE + twice)
    run(pytester, "--explain-update").stdout.fnmatch_lines(["*was already checked in this test*name=*"])
    suite(pytester, text=SUITE + twice.replace("X, ", 'X, name="other one", '))
    run(pytester, "--explain-update").assert_outcomes(passed=1)
    assert "other-one.npz" in goldens(pytester)


def test_an_attribution_that_is_there_already(pytester):
    suite(
        pytester,
        text=SUITE.replace(
            "explain_golden.check(net(), X, {arguments})",
            "import explain\n"
            "    a = explain.attribute(net(), X, 'saliency', target=TARGET)\n"
            "    explain_golden.check_attribution(a, name='held')",
        ).replace("X = np", "TARGET = 3\nX = np"),
    )
    run(pytester, "--explain-update").assert_outcomes(passed=1)
    run(pytester).assert_outcomes(passed=1)
    page = (pytester.path / "test_net.py").read_text()
    (pytester.path / "test_net.py").write_text(page.replace("TARGET = 3", "TARGET = 1"))
    run(pytester).stdout.fnmatch_lines(["*held.npz is the golden of another question*target*"])
    wrong = page.replace("check_attribution(a, ", "check_attribution(a.values, ")
    (pytester.path / "test_net.py").write_text(wrong)
    run(pytester).stdout.fnmatch_lines(["*attribution is a ndarray*"])


def test_workers_in_parallel_with_one_framework_and_no_display(pytester, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("MPLBACKEND", raising=False)
    pytester.makeconftest("import sys\nsys.modules['tensorflow'] = sys.modules['keras'] = None\n")
    many = SUITE.replace(
        "def test_", "import pytest\n\n\n@pytest.mark.parametrize('number', range(6))\ndef test_"
    )
    suite(pytester, text=many.replace("(explain_golden)", "(explain_golden, number)"))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n", "2", "--explain-update")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*golden explanations written*", "*test_reasons_are_stable-0.npz"])
    assert len(goldens(pytester)) == 12
    run(pytester, "-n", "0").assert_outcomes(passed=6)


def test_the_golden_of_one_framework_holds_the_other(explain_golden_of, tmp_path):
    """The same weights: one file, made by PyTorch, read by TensorFlow; and the other way round."""
    for made, held in (("torch", "tensorflow"), ("tensorflow", "torch")):
        check = explain_golden_of(tmp_path / made, update=True)
        for framework, update in ((made, True), (held, False)):
            samples = explain.zoo.samples("cifar_net", framework=framework)
            model = explain.zoo.load("cifar_net", framework)
            check = explain_golden_of(tmp_path / made, update=update)
            found = check.check(model, samples.x[:4], "ig", name="port")
        assert found.passed.all()
        assert read_golden(tmp_path / made / "explanations" / "port.npz").made_by["framework"] == made
        # A port that went wrong: red and blue exchanged.
        exchanged = np.flip(samples.x[:4], 1 if held == "torch" else 3).copy()
        again = explain_golden_of(tmp_path / made, update=False)
        with pytest.raises(GoldenError, match="inputs of examples 0, 1, 2, 3"):
            again.check(model, exchanged, "ig", name="port")


@pytest.fixture
def explain_golden_of(request):
    """The fixture's object, in a folder of choice."""
    from types import SimpleNamespace

    from explain.goldens.pytest_plugin import ExplainGolden, pytest_configure

    def make(folder, *, update):
        folder.mkdir(exist_ok=True)
        config = SimpleNamespace(
            getoption={"explain_update": update, "explain_results": None}.get,
            getini=lambda name: False,
            rootpath=folder,
            stash={},
        )
        pytest_configure(config)
        node = SimpleNamespace(
            name="test", nodeid="test.py::test", path=folder / "test.py", user_properties=[]
        )
        return ExplainGolden(SimpleNamespace(node=node, config=config))

    return make


def test_a_broken_port_is_caught_across_frameworks(explain_golden_of, tmp_path):
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples("cifar_net", framework=framework)
        model = explain.zoo.load("cifar_net", framework)
        if framework == "tensorflow":
            kernel = model.layers[1].kernel if hasattr(model.layers[1], "kernel") else model.layers[0].kernel
            # Height and width exchanged.
            kernel.assign(np.swapaxes(kernel.numpy(), 0, 1))
        check = explain_golden_of(tmp_path, update=framework == "torch")
        if framework == "torch":
            check.check(model, samples.x[:4], "saliency", target=[0, 1, 2, 3])
            continue
        with pytest.raises(ExplanationChangedError, match="made in torch, this explanation in tensorflow"):
            check.check(model, samples.x[:4], "saliency", target=[0, 1, 2, 3])


@pytest.mark.parametrize("kind", ["pickle", "cut", "text", "newer", "objects", "bomb"])
def test_files_that_are_no_goldens(tmp_path, kind, monkeypatch):
    path = tmp_path / "one.npz"
    golden = Golden(np.ones((1, 2), np.float32), {"method": "saliency"}, {})
    golden.write(path)
    if kind == "pickle":
        path.write_bytes(pickle.dumps(golden.values))
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-30])
    elif kind == "text":
        path.write_text("no archive")
    elif kind == "newer":
        header = {"format": golden_file.FORMAT, "format_version": 99, "question": {}, "made_by": {}}
        np.savez(path, header=np.array(json.dumps(header)), values=golden.values)
    elif kind == "objects":
        np.savez(path, header=np.array("{}"), values=np.array([Tolerances()], dtype=object))
    else:
        monkeypatch.setattr(golden_file, "_LARGEST", 10)
    with pytest.raises(GoldenError, match=r"one\.npz"):
        read_golden(path)


def test_figures_in_closed_form():
    golden = np.array([[1.0, -2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    found = np.array([[1.0, -2.0, 3.0, 3.8], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    measured = figures(found, golden, Tolerances(max_error=0.06))
    np.testing.assert_allclose(measured.max_error, [0.05, 0.0, np.inf])
    assert measured.rank_correlation[0] == 1
    assert measured.passed.tolist() == [True, True, False]
    assert measured.moved_most == [2]
    # Exchange the two largest of four: Spearman's is 1 − 6 Σd² / n(n² − 1) = 1 − 12/60.
    measured = figures([[1.0, -2.0, 4.0, 3.0]], golden[:1], Tolerances())
    np.testing.assert_allclose(measured.rank_correlation, 0.8)
    assert measured.top_overlap[0] == 0
    # What is all but zero has one rank, however rounding orders it.
    noise = 1e-9 * np.random.default_rng(0).normal(size=(2, 50))
    noise[:, 0] = 1
    assert figures(noise[:1], noise[1:], Tolerances()).passed.all()


@pytest.mark.parametrize(
    "wrong", [{"max_error": -1}, {"max_error": "much"}, {"rank_correlation": 2}, {"top_overlap": True}]
)
def test_tolerances_that_are_none(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Tolerances(**wrong)


def test_two_tests_that_share_a_name_are_told_so_when_they_are_written(pytester):
    """Methods of two classes have the same name, and so have the tests of two files."""
    body = "    def test_reasons(self, explain_golden):\n        explain_golden.check(net(), X, 'saliency', {rest})\n"
    net = SUITE[: SUITE.index("def test_reasons")]
    two = (
        "class TestA:\n"
        + body.format(rest="target=1{a}")
        + "\nclass TestB:\n"
        + body.format(rest="target={b}")
    )

    def text(a, b):
        return net + two.replace("{a}", a).replace("{b}", b)

    suite(pytester, text=text("", "2"))
    said = run(pytester, "--explain-update").stdout.str()
    assert "was already written in this run, by test_net.py::TestA::test_reasons" in said
    assert "name='test_reasons-2'" in said
    # The advice: a name of its own.
    suite(pytester, text=text("", "2, name='other'"))
    run(pytester, "--explain-update").assert_outcomes(passed=2)
    run(pytester).assert_outcomes(passed=2)
    # One golden for both, with one name, if they have the same explanation.
    suite(pytester, text=text(", name='both'", "1, name='both'"))
    run(pytester, "--explain-update").assert_outcomes(passed=2)
    suite(pytester, text=text(", name='two'", "2, name='two'"))
    run(pytester, "--explain-update").stdout.fnmatch_lines(["*'two' was already written in this run, by *"])


def test_a_smooth_model_is_repeated_at_the_nodes_of_its_golden(pytester):
    # Steep enough that the nodes depend on the gradients, and so on the weights.
    steep = (
        SUITE.replace("nn.ReLU()", "nn.Tanh()")
        .replace("eval()", "eval().double()")
        .replace(
            "explain_golden.check(net()",
            "model = net()\n    with torch.no_grad():\n        model[0].weight *= 40\n    explain_golden.check(model",
        )
    )
    steep = steep.replace(".astype(np.float32)", "")
    suite(pytester, text=steep)
    run(pytester, "--explain-update")
    (path,) = (pytester.path / "explanations").glob("*.npz")
    before = read_golden(path)
    nodes = np.array(before.made_by["nodes"])
    assert before.made_by["rule"] == "adaptive"
    assert nodes.shape == (3, 2, max(before.made_by["steps"]))
    assert before.question["options"]["nodes"] is None
    # Other weights alone would choose other nodes; repeated, the values differ by the weights alone.
    suite(pytester, text=steep.replace("*= 40", "*= 40.0001"))
    run(pytester).assert_outcomes(passed=1)
    run(pytester, "--explain-update")
    after = read_golden(path)
    assert after.made_by.get("nodes", before.made_by["nodes"]) == before.made_by["nodes"]


BOUNDED = """
import torch
import explain

def test_bounds(explain_golden):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3)).eval()
    x = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(1)).numpy()
    evaluation = explain_golden.evaluate(net, x, metrics=["deletion", "sparseness"], target=1)
    assert evaluation.sparseness > 0
    assert evaluation.deletion BOUND
"""


def test_a_metric_is_held_to_a_bound(pytester):
    suite(pytester, text=BOUNDED.replace("BOUND", "< 1"))
    run(pytester).assert_outcomes(passed=1)
    assert not (pytester.path / ".explain-results").exists()


def test_a_metric_that_misses_its_bound_shows_the_worst_example(pytester):
    suite(pytester, text=BOUNDED.replace("BOUND", "< 0.001"))
    result = run(pytester)
    result.assert_outcomes(failed=1)
    said = "\n".join(result.stdout.lines)
    found = re.search(
        r"deletion is (0\.\d+), not below 0\.001 \(3 examples, 95 % interval 0\.\d+ to 0\.\d+\)", said
    )
    assert found is not None, said
    worst = re.search(r"worst is example ([012]), (0\.\d+)", said)
    assert worst is not None
    # The worst of several is worse than their mean.
    assert float(worst[2]) >= float(found[1])
    picture = pytester.path / ".explain-results" / "test_bounds" / "deletion-worst.png"
    assert f"its picture: {picture}" in said
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
