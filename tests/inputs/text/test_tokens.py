"""Tokens with the characters that they stand for become words again."""

from __future__ import annotations

import re

import pytest

from explain.inputs.text.tokens import Text, Token, spans_by_search, tokens_of
from explain.inputs.text.words import joined


def words_of(text, spans):
    """The words of a text whose tokens stand for these characters."""
    found = tokens_of(text, ["?"] * len(spans), spans, ["word"] * len(spans))
    return [token.name for token in joined(Text(text, found))[0].tokens]


def in_pieces(text, size=2):
    """Every word and every mark in pieces of a few characters, as a tokenizer gives them."""
    return [
        (start, min(start + size, match.end()))
        for match in re.finditer(r"\w+|[^\w\s]", text)
        for start in range(match.start(), match.end(), size)
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The film was unbelievable.", ["The", "film", "was", "unbelievable", "."]),
        ("I didn't; it's 'fine'", ["I", "didn't", ";", "it's", "'", "fine", "'"]),
        ("costs 3.50, or 1,200", ["costs", "3.50", ",", "or", "1,200"]),
        ("snake_case naïve café", ["snake_case", "naïve", "café"]),
        ("well-made", ["well", "-", "made"]),
        ("한국어 영화", ["한국어", "영화"]),
    ],
)
def test_pieces_are_joined_to_words(text, words):
    for size in (1, 2, 3, 100):
        assert words_of(text, in_pieces(text, size)) == words


def test_each_ideograph_is_a_word():
    assert words_of("电影好", [(0, 1), (1, 2), (2, 3)]) == ["电", "影", "好"]


def test_the_bytes_of_one_character_are_one_word_that_is_shown_once():
    assert words_of("so 😀 good", [(0, 2), (3, 4), (3, 4), (3, 4), (5, 9)]) == ["so", "😀", "good"]


def test_a_span_may_begin_with_its_space():
    found = tokens_of("a film", ["a", "Ġfilm"], [(0, 1), (1, 6)], ["word", "word"])
    assert found == (Token("a", 0), Token("film", 1, space=True))


def test_special_tokens_are_words_of_their_own():
    kinds = ["special", "word", "special", "word", "padding"]
    found = tokens_of(
        "un able", ["[CLS]", "un", "[SEP]", "able", ""], [(0, 0), (0, 2), (0, 0), (3, 7), None], kinds
    )
    assert [token.name for token in found] == ["[CLS]", "un", "[SEP]", "able", ""]
    assert [token.word for token in found] == [0, 1, 2, 3, 4]
    assert [token.kind for token in found] == kinds
    assert found[1].space


def test_a_token_without_characters_has_its_name_in_the_vocabulary():
    found = tokens_of("a film", ["▁", "a", "film"], [(0, 0), (0, 1), (2, 6)], ["word"] * 3)
    assert [token.name for token in found] == ["▁", "a", "film"]


class TestSpansBySearch:
    def test_the_case_does_not_matter(self):
        assert spans_by_search("The FILM", ["the", "film"]) == [(0, 3), (4, 8)]

    def test_marks_that_a_tokenizer_leaves_out_are_passed_over(self):
        assert spans_by_search("Well, good!", ["well", "good"]) == [(0, 4), (6, 10)]

    def test_a_later_word_is_not_taken_for_a_token_that_is_not_there(self):
        # "film" stands for nothing before "a": the one at the end is another word.
        assert spans_by_search("a good film", ["film", "a", "good", "film"])[1:] == [(0, 1), (2, 6), (7, 11)]

    def test_two_unknown_words_beside_each_other_have_no_place(self):
        assert spans_by_search("Zürich Bern film", ["[UNK]", "[UNK]", "film"]) == [None, None, (12, 16)]

    def test_the_last_word_may_be_unknown(self):
        assert spans_by_search("a Zürich", ["a", "[UNK]"]) == [(0, 1), (2, 8)]

    def test_letters_that_grow_in_lower_case_are_searched_as_they_are(self):
        assert spans_by_search("İ film", ["İ", "film"]) == [(0, 1), (2, 6)]
