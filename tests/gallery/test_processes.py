"""Each framework in a process of its own: the same bytes twice, errors that cross, and an end in every case."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from explain.errors import ExplainError, UnsupportedModelError, ZooError
from explain.gallery import generate
from explain.gallery.asking import AskedHere
from explain.gallery.computation import Explainer, Question
from explain.gallery.framework_process import framework_processes, serve
from explain.results.attribution import load
from explain.results.comparison import compare


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def test_two_runs_in_processes_give_the_same_bytes_and_files(tmp_path):
    few = {"models": ["cifar_net", "names_rnn"], "methods": ["saliency", "ig", "lrp", "gradcam"], "count": 2}
    one, other, here = (tmp_path / name for name in ("one", "other", "here"))
    seen = []
    generate(one, **few, processes=True, first_page=lambda page: seen.append(page.read_text("utf-8")))
    generate(other, **few, processes=True)
    generate(here, **few)
    assert "names_rnn.html" not in seen[0]
    written = files_of(one)
    assert written.keys() == files_of(other).keys() == files_of(here).keys()
    for name, path in written.items():
        assert (other / name).read_bytes() == path.read_bytes(), name


def test_a_process_answers_as_the_framework_does_here():
    question = Question("cifar_net", "integrated_gradients", (3, 13), seed=5)
    here = AskedHere(Explainer("torch")).ask(question, None)()
    with framework_processes(["torch"]) as processes:
        process = processes["torch"]
        there = process.ask(question, None)
        again = process.ask(question, there)
        refused = process.ask(Question("names_rnn", "grad_cam", (0,)), None)
        np.testing.assert_allclose(there().values, here.values, rtol=1e-4, atol=1e-6)
        assert (there().target, there().display, there().options) == (here.target, here.display, here.options)
        # The second is told steps and rule; it adds the same gradients in another order.
        np.testing.assert_array_equal(again().steps, there().steps)
        assert again().rule == there().rule
        assert compare(again(), there()).relative_l2.max() < 1e-5
        with pytest.raises(UnsupportedModelError):
            refused()
        # A refusal does not end it.
        assert process.outputs("cifar_net")().shape == (20, 10)
        with pytest.raises(ZooError, match="cifar_nte"):
            process.open("cifar_nte")()


def test_the_end_of_a_process_is_an_error_that_says_what_to_do():
    with framework_processes(["torch"]) as processes:
        processes["torch"]._process.kill()
        # It takes nothing any more: the request breaks its pipe, also when that is closed.
        processes["torch"]._process.wait()
        with pytest.raises(
            ExplainError, match=r"The process of torch ended with exit status .*generate\(folder\)"
        ):
            processes["torch"].open("cifar_net")()


def test_lines_are_answered_one_by_one(tmp_path):
    file = tmp_path / "a.npz"
    requests = [
        {
            "explain": {"model": "cifar_net", "method": "saliency", "chosen": [3], "integral": {}},
            "file": str(file),
        },
        {"open": "nothing", "file": ""},
    ]
    answers = io.StringIO()
    serve("torch", io.StringIO("".join(json.dumps(one) + "\n" for one in requests)), answers)
    first, second = map(json.loads, answers.getvalue().splitlines())
    assert first == {}
    assert load(file).values.shape == (1, 3, 32, 32)
    assert second["error"] == "ZooError"
    assert "nothing" in second["message"]
