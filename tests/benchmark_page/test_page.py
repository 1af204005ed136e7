"""The page of all methods on networks whose reasons are known: its numbers, its words, its bytes."""

import re

import numpy as np
import pytest
from html_pages import Page

import explain
from explain.benchmark_page.computation import NO_DRAWS, RANDOM_MAP, compute
from explain.benchmark_page.page import page
from explain.benchmark_page.questions import DATA, EXAMPLES, EXPLAINED_AGAIN, PICTURES, TOKENS
from explain.benchmark_page.words import agreements, disagreement_words, findings
from explain.benchmark_page.writing import write_page
from explain.errors import EvaluationError
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Measurement

METHODS = ("saliency", "grad_cam", "attention_rollout", "conductance")


@pytest.fixture(scope="module")
def found():
    return compute((*PICTURES, *TOKENS), framework="torch", methods=METHODS)


@pytest.fixture(scope="module")
def text(found):
    return page(found, framework="torch", seed=0, full=False)


def test_each_number_is_that_of_a_call_of_ones_own(found):
    model = explain.zoo.load("shapes_honest", "torch")
    data = explain.zoo.ground_truth("shapes", EXAMPLES, 0, "torch", DATA["shapes_honest"].shortcut)
    a = explain.attribute(model, data.x, "saliency", target=data.y.tolist(), display=data.display)
    e = explain.evaluate(
        model, a, ["relevance_rank_accuracy", ("deletion", {"reference": "blur"})], masks=data.object_mask
    )
    benchmark = found["shapes_honest"].benchmark
    for title, metric in (("Finds the object", "relevance_rank_accuracy"), ("Deletion", "deletion")):
        own = benchmark.measurement(title, "saliency")
        np.testing.assert_allclose(own.values, e[metric].values, atol=1e-6)
        assert own.count == EXAMPLES
    again = benchmark.measurement("Same map for another class", "saliency")
    assert again.count == EXPLAINED_AGAIN


def test_the_shortcut_is_revealed_where_it_was_learnt_and_nowhere_else(found):
    revealed = found["shapes_shortcut"].benchmark.measurement("Reveals the shortcut", "saliency").mean
    model = explain.zoo.load("shapes_honest", "torch")
    data = explain.zoo.ground_truth("shapes", EXAMPLES, 0, "torch", "agreeing")
    a = explain.attribute(model, data.x, "saliency", target=data.y.tolist())
    honest = explain.evaluate(model, a, "relevance_rank_accuracy", masks=data.shortcut_mask)
    by_chance = found["shapes_shortcut"].benchmark.measurement("Reveals the shortcut", RANDOM_MAP).mean
    assert revealed > 0.3 > 0.15 > honest.relevance_rank_accuracy
    assert by_chance < 0.06


def test_what_has_no_value_says_why(found, text):
    reasons = found["shapes_honest"].benchmark.reasons
    assert reasons["saliency"]["Same map for another seed"] == NO_DRAWS
    assert reasons["conductance"][""] == "It explains a layer, not the input."
    assert "It reads attentions, which these networks do not have." in text
    assert text.count(f">{NO_DRAWS}<") == 2


def test_the_page_shows_the_numbers_and_asks_no_network(found, text):
    mean = found["shapes_honest"].benchmark.measurement("Finds the object", "saliency").mean
    assert f'<span class="value">{mean:.2f}</span>' in text
    assert "<script" not in text
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    read = Page(text)
    assert all(one["alt"] and one["src"].startswith("data:image/png") for one in read.all("img"))
    for question in (*PICTURES, *TOKENS):
        assert question.title in read.words
        assert question.asks in read.words


def test_the_same_seed_gives_the_same_bytes(found, text):
    again = compute((*PICTURES, *TOKENS), framework="torch", methods=METHODS)
    assert page(again, framework="torch", seed=0, full=False) == text


def test_twins_have_the_same_page(found):
    again = compute(PICTURES, framework="tensorflow", methods=["saliency", "grad_cam"])
    for model in ("shapes_honest", "shapes_shortcut"):
        one, other = found[model].benchmark, again[model].benchmark
        for title in one.metrics:
            for method in ("saliency", "grad_cam"):
                first, second = (each.measurement(title, method) for each in (one, other))
                if first is not None:
                    np.testing.assert_allclose(first.values, second.values, rtol=0.01, atol=0.01)


def test_only_pages_are_written(tmp_path):
    with pytest.raises(EvaluationError, match=r"\.html"):
        write_page(tmp_path / "page.txt")
    assert not list(tmp_path.iterdir())


def _made(**means):
    """A benchmark of one question with the given means; every example has nearly its method's mean."""
    spread = np.linspace(-0.01, 0.01, 8)
    return Benchmark(
        {
            method: Evaluation({PICTURES[0].title: Measurement("m", mean + spread, "higher")})
            for method, mean in means.items()
        }
    )


def test_the_words_claim_a_rank_only_where_intervals_part():
    questions = PICTURES[:1]
    made = _made(saliency=0.5, lime=0.5001, occlusion=0.2, rise=0.1, **{RANDOM_MAP: 0.1})
    ((title, said),) = findings(questions, {questions[0].model: made})
    assert title == "Finds the object"
    assert said == (
        "Best, and not told apart on these examples: LIME. Not better than a random map: RISE."
        if made.differ(title, "lime", "saliency")
        else "Best, and not told apart on these examples: LIME and Saliency. Not better than a random map: RISE."
    )


def test_questions_that_order_the_methods_the_other_way_round_are_named():
    names = ["saliency", "lime", "rise", "occlusion", "deep_lift", "lrp"]
    questions = (PICTURES[0], PICTURES[2])
    assert {one.model for one in questions} == {"shapes_honest"}

    def of(place):
        values = np.full(3, float(place))
        return Evaluation(
            {
                questions[0].title: Measurement("m", values, "higher"),
                # Lower is better: the same numbers order the methods the other way round.
                questions[1].title: Measurement("m", values, "lower"),
            }
        )

    made = {"shapes_honest": Benchmark({name: of(place) for place, name in enumerate(names)})}
    (pair,) = agreements(questions, made)
    assert pair.correlation == pytest.approx(-1.0)
    assert "Finds the object and Deletion (−1.00 over 6 methods)" in disagreement_words([pair])
