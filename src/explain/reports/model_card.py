"""The section of a report that its author fills: a model card, from a Markdown file."""

from __future__ import annotations

import os
from pathlib import Path

from markdown_it import MarkdownIt

from explain.errors import ReportError

SUFFIXES = (".md", ".markdown", ".txt")

# The page's own headings end here: those of the card come below.
_LEVEL = 2

_FENCE = "---"


def read_card(path: str | os.PathLike[str]) -> str:
    """Read the text of a model card.

    Raises
    ------
    ReportError
        If the file is missing, not text in UTF-8, or of another format.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise ReportError(
            f"card={str(file)!r} does not end in {', '.join(SUFFIXES)}: give a model card in Markdown, such as the "
            "README.md of the model."
        )
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise ReportError(
            f"card={str(file)!r} cannot be read ({cause}): give a Markdown file in UTF-8."
        ) from cause


def card_html(text: str) -> str:
    """Write a model card as HTML for a page that needs no network.

    Tags in the text are shown and not obeyed, pictures are replaced by their descriptions, and its headings are moved
    below those of the page. Settings in YAML at the top, as model hubs have them, are shown as they are.

    Examples
    --------
    >>> print(card_html("# Use\\n\\n<script>alert(1)</script> ![a cat](http://elsewhere/cat.png)"))
    <h3>Use</h3>
    <p>&lt;script&gt;alert(1)&lt;/script&gt; a cat</p>
    <BLANKLINE>
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    front, body = _divided(text)
    tokens = parser.parse(body)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + _LEVEL)}"
        for inner in token.children or ():
            if inner.type == "image":
                inner.type, inner.tag = "text", ""
    page: str = parser.renderer.render(tokens, parser.options, {})
    settings = parser.render(f"````yaml\n{front}\n````") if front else ""
    return f"{settings}{page}"


def _divided(text: str) -> tuple[str, str]:
    """Divide a card into the settings at its top and the text."""
    lines = text.splitlines()
    if lines and lines[0].strip() == _FENCE and _FENCE in [line.strip() for line in lines[1:]]:
        end = 1 + [line.strip() for line in lines[1:]].index(_FENCE)
        return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :])
    return "", text
