"""The Python blocks of a page of the documentation, as a reader of one of its tabs runs them."""

from __future__ import annotations

import re
import textwrap

_TAB = re.compile(r'^=== "(.+)"$')
_FENCE = re.compile(r"^( *)```(\w*)")


def blocks_of(text, tab=None):
    """The Python blocks of a page, each after as many line ends as put its lines where the page has them.

    A block within a tab counts only if it is the tab that is asked for; without one, every block counts.
    """
    return [
        "\n" * line + textwrap.dedent(code)
        for line, code, of_tab in _found(text)
        if tab is None or of_tab in (None, tab)
    ]


def tabs_of(text):
    """The tabs that have Python blocks, in order; `[None]` for a page without any."""
    return list(dict.fromkeys(of_tab for _, _, of_tab in _found(text) if of_tab)) or [None]


def block_after(text, words, language):
    """The first block of a language after some words, which stand in the text once."""
    assert text.count(words) == 1
    return re.search(rf"^```{language}\n(.*?)^```$", text.split(words)[1], re.DOTALL | re.MULTILINE).group(1)


def apply(diff, path):
    """Replace what a diff takes out of a file by what it puts in; every hunk must fit in one place."""
    text = path.read_text(encoding="utf-8")
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(before) == 1, f"{path.name} has no single place for:\n{before}"
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")


def _found(text):
    """Each Python block: the number of its first line, its code, and the tab that it is in, if any."""
    tab, fence, begins, code = None, None, 0, []
    for number, line in enumerate(text.splitlines()):
        if fence is not None:
            indent, language = fence
            if line == f"{indent}```":
                if language == "python":
                    yield begins, "".join(code), tab if indent else None
                fence = None
            else:
                code.append(f"{line}\n")
        elif found := _FENCE.match(line):
            fence, begins, code = found.groups(), number + 1, []
            tab = tab if found.group(1) else None
        elif found := _TAB.match(line):
            tab = found.group(1)
        elif line and not line.startswith(" "):
            tab = None
