"""JSON of others is read to a depth at which nothing else fails."""

from __future__ import annotations

import json

import pytest

from explain.files.json_text import DEEPEST, read_json


@pytest.mark.parametrize("text", ['{"a": [1, 2.5, null, "b"]}', "3", '"["', '{"a\\"[": "]"}'])
def test_it_reads_what_the_standard_library_reads(text):
    assert read_json(text) == read_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_what_is_nested_too_deep_is_refused_before_it_is_read(opening):
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        read_json(opening * 100_000)


def test_the_deepest_is_read_and_brackets_within_strings_do_not_count():
    deepest = "[" * DEEPEST + "]" * DEEPEST
    assert read_json(deepest) == json.loads(deepest)
    with pytest.raises(ValueError, match="nested"):
        read_json(f"[{deepest}]")
    beside = ["[" * 1_000, '"' + "{" * 1_000, "\\" + "[" * 1_000]
    assert read_json(json.dumps(beside)) == beside
    many = [[i] for i in range(10 * DEEPEST)]
    assert read_json(json.dumps(many)) == many


@pytest.mark.parametrize("text", ["", "[", "{'a': 1}", b"\xff\xfe"])
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"Expect|codec"):
        read_json(text)
