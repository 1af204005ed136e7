"""A hook of the site: pages of the repository that lie outside docs/, and links that lead out of it.

The benchmark pages and the changelog become pages of the site. A link to any other file, such as one of the source,
leads to a page that shows it. So every link works in the repository and on the site, and neither needs the other's
address.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = "docs"
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
FENCE = re.compile(r"^\s*(```|~~~)")
PICTURES = (".png", ".svg")
# The front page of the repository says what the front page of the site says.
SAME_AS = {"README.md": "index.md"}
LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".json": "json"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the outside pages, the pictures that they show, and the files that any page links to."""
    outside = [*REPOSITORY.glob("benchmarks/*.md"), REPOSITORY / "CHANGELOG.md"]
    for path in outside:
        files.append(File.generated(config, site_path(place_of(path)), abs_src_path=str(path)))
    pages = [(place_of_page(one), one.content_string) for one in files.documentation_pages()]
    for place, text in pages:
        for _, target in outward_links(place, text):
            uri = site_path(target)
            if files.get_file_from_path(uri) is None:
                files.append(_shown(config, target, uri))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links that lead out of docs/, or from outside into it, to the pages of the site."""
    place = place_of_page(page.file)
    start = posixpath.dirname(page.file.src_uri) or "."
    targets = dict(outward_links(place, markdown))

    def turned(found: re.Match[str]) -> str:
        before, link, after = found.groups()
        if link not in targets:
            return found.group()
        return f"{before}{posixpath.relpath(site_path(targets[link]), start)}{after}"

    return "\n".join(
        line if fenced else LINK.sub(turned, line) for line, fenced in lines_and_fences(markdown)
    )


def outward_links(place: str, text: str) -> Iterator[tuple[str, str]]:
    """Give the links of a page that mean another file in the repository than on the site, and the file of each.

    Parameters
    ----------
    place : str
        The page's path in the repository, such as ``"docs/guides/text.md"``.
    text : str
        Its Markdown.
    """
    for line, fenced in lines_and_fences(text):
        for _, link, _ in () if fenced else LINK.findall(line):
            if "://" in link or link.startswith("mailto:"):
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(place), link))
            inside = place.startswith(f"{DOCS}/") and target.startswith(f"{DOCS}/")
            if not inside and (REPOSITORY / target).is_file():
                yield link, target


def lines_and_fences(text: str) -> Iterator[tuple[str, bool]]:
    """Give each line, and whether it is code, in which nothing is a link."""
    fenced = False
    for line in text.split("\n"):
        is_fence = FENCE.match(line) is not None
        yield line, fenced or is_fence
        fenced = fenced != is_fence


def site_path(place: str) -> str:
    """Give the path on the site of a file of the repository.

    Examples
    --------
    >>> site_path("docs/support.md"), site_path("CHANGELOG.md"), site_path("src/explain/api.py")
    ('support.md', 'CHANGELOG.md', 'source/src/explain/api.py.md')
    """
    if place in SAME_AS:
        return SAME_AS[place]
    if place.startswith(f"{DOCS}/"):
        return place.removeprefix(f"{DOCS}/")
    return place if place.endswith((".md", *PICTURES)) else f"source/{place}.md"


def place_of(path: Path) -> str:
    """Give the path of a file in the repository."""
    return path.relative_to(REPOSITORY).as_posix()


def place_of_page(file: File) -> str:
    """Give the path in the repository of a file of the site."""
    source = file.abs_src_path
    if source is None or os.path.relpath(source, REPOSITORY).startswith(".."):
        return f"{DOCS}/{file.src_uri}"
    return place_of(Path(source))


def _shown(config: MkDocsConfig, place: str, uri: str) -> File:
    """Give a picture or a page as it is, and any other file as a page that shows its text."""
    path = REPOSITORY / place
    if not uri.startswith("source/"):
        return File.generated(config, uri, abs_src_path=str(path), inclusion=InclusionLevel.NOT_IN_NAV)
    text = path.read_text(encoding="utf-8")
    language = LANGUAGES.get(path.suffix, "text")
    content = f"# {place}\n\n````{language}\n{text}````\n"
    return File.generated(config, uri, content=content, inclusion=InclusionLevel.NOT_IN_NAV)
