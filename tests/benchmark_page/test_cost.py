"""What a map costs, on the page: the same numbers in every run; and what would take too long is left out."""

import pytest

from explain.benchmark_page import computation
from explain.benchmark_page.computation import TOO_SLOW, compute
from explain.benchmark_page.page import page
from explain.benchmark_page.questions import EXAMPLES, EXPLAINED_AGAIN, PICTURES, TOKENS

METHODS = ("saliency", "rise", "expected_gradients")
SAME_CLASS = "Same map for another class"
SAME_NETWORK = "Same map for a randomized network"
QUESTIONS = [one for one in PICTURES if one.title in ("Sparseness", SAME_CLASS, SAME_NETWORK)]


@pytest.fixture(scope="module")
def found():
    return compute(QUESTIONS, framework="torch", methods=METHODS)


def test_each_method_has_its_passes_and_every_run_the_same(found):
    passes = found["shapes_honest"].benchmark.passes
    assert passes["saliency"] == {"forward": 1.0, "backward": 1.0}
    assert passes["rise"] == {"forward": 2001.0, "backward": 0.0}
    # 200 samples each, and the scores of the 16 references are asked for once for all.
    assert passes["expected_gradients"] == {"forward": 200 + 1 + 16 / EXAMPLES, "backward": 200.0}
    assert set(passes) == set(METHODS)
    again = compute(QUESTIONS[:1], framework="torch", methods=METHODS)
    assert again["shapes_honest"].benchmark.passes == passes


def test_the_page_shows_them():
    shown = compute((*PICTURES, *TOKENS), framework="torch", methods=["saliency", "smoothgrad"])
    text = page(shown, framework="torch", seed=0, full=False)
    assert "<td>1\N{NO-BREAK SPACE}+\N{NO-BREAK SPACE}1</td>" in text
    assert "<td>51\N{NO-BREAK SPACE}+\N{NO-BREAK SPACE}50</td>" in text


def test_twins_cost_the_same(found):
    twin = compute(QUESTIONS[:1], framework="tensorflow", methods=METHODS)
    assert twin["shapes_honest"].benchmark.passes == found["shapes_honest"].benchmark.passes


def test_what_would_take_too_many_passes_is_left_to_the_full_run(found, monkeypatch):
    (five,) = (one for one in QUESTIONS if one.title == SAME_NETWORK)
    (one,) = (one for one in QUESTIONS if one.title == SAME_CLASS)
    needed = five.explanations * EXPLAINED_AGAIN * 2001
    assert (one.explanations, five.explanations) == (1, 5)
    monkeypatch.setattr(computation, "MOST_PASSES", needed - 1)
    bounded = compute(QUESTIONS, framework="torch", methods=METHODS)["shapes_honest"].benchmark
    assert bounded.reasons["rise"] == {SAME_NETWORK: TOO_SLOW}
    assert bounded.measurement(SAME_CLASS, "rise").count == EXPLAINED_AGAIN
    assert bounded.measurement("Sparseness", "rise").count == EXAMPLES
    assert SAME_NETWORK not in bounded.reasons.get("expected_gradients", {})
    monkeypatch.setattr(computation, "MOST_PASSES", needed)
    exact = compute([five], framework="torch", methods=["rise"])["shapes_honest"].benchmark
    assert exact.measurement(SAME_NETWORK, "rise").count == EXPLAINED_AGAIN
    # The full run has no bound.
    monkeypatch.setattr(computation, "MOST_PASSES", 0)
    full = compute([one], framework="torch", methods=["saliency"], full=True)["shapes_honest"].benchmark
    assert full.measurement(SAME_CLASS, "saliency").count == EXAMPLES


def test_a_cell_says_it_in_words(monkeypatch):
    # 2 passes are few enough for every question, 101 for none that explains again.
    monkeypatch.setattr(computation, "MOST_PASSES", 200)
    shown = compute((*PICTURES, *TOKENS), framework="torch", methods=["saliency", "smoothgrad"])
    again = [one for one in (*PICTURES, *TOKENS) if one.explanations]
    text = page(shown, framework="torch", seed=0, full=False)
    assert text.count(f">{TOO_SLOW}<") == len(again) == 5


def test_no_default_method_is_too_slow(monkeypatch):
    monkeypatch.setattr(computation, "EXAMPLES", EXAMPLES // 8)
    for question in (PICTURES[0], TOKENS[0]):
        asked = [one for one in (*PICTURES, *TOKENS) if one.model == question.model]
        most = max(one.explanations for one in asked)
        passes = compute([question], framework="torch")[question.model].benchmark.passes
        costs = {name: sum(one.values()) for name, one in passes.items()}
        assert len(costs) > 20
        assert max(costs, key=costs.get) == "rise"
        assert most * EXPLAINED_AGAIN * costs["rise"] < computation.MOST_PASSES / 10
