"""A hook of the site: each notebook as a page, with its stored outputs.

`make notebooks` runs the notebooks and stores what they show; a test runs them again and compares the texts.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert.exporters import MarkdownExporter

LINK = re.compile(r"(\]\([^)\s]+)\.ipynb((?:#[^)\s]*)?\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put a Markdown page in the place of each notebook, and its pictures beside it."""
    for notebook in [one for one in files if one.src_uri.endswith(".ipynb")]:
        stem = notebook.src_uri.removesuffix(".ipynb")
        name = stem.rsplit("/", 1)[-1]
        exporter = MarkdownExporter()
        content, found = exporter.from_notebook_node(
            nbformat.read(Path(notebook.abs_src_path), as_version=4),
            resources={"output_files_dir": f"{name}_files", "unique_key": name},
        )
        files.append(File.generated(config, f"{stem}.md", content=content))
        for picture, data in found["outputs"].items():
            uri = f"{stem.rsplit('/', 1)[0]}/{picture}"
            files.append(File.generated(config, uri, content=data))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to notebooks to their pages."""
    return LINK.sub(r"\1.md\2", markdown)
