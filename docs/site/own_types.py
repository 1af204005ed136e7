"""An extension of Griffe, which reads the docstrings of the API: each parameter has its own type and default.

Where one paragraph describes several parameters without a type (``examples, display, scale``), Griffe gives all of them
the type and the default of the first.
"""

from __future__ import annotations

from typing import Any

import griffe


class OwnTypes(griffe.Extension):
    """Has the docstring of each function read as `OwnTypesDocstring` reads it, when a page asks for it."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Change how the docstring of a function is read."""
        if func.docstring is not None:
            func.docstring.__class__ = OwnTypesDocstring


class OwnTypesDocstring(griffe.Docstring):
    """A docstring whose parameters have the defaults of the signature, and its types where the text has none."""

    def parse(self, *args: Any, **options: Any) -> list[griffe.DocstringSection]:
        """Read the sections."""
        sections = super().parse(*args, **options)
        signature = {one.name: one for one in self.parent.parameters}
        types = [one.annotation for one in signature.values() if one.annotation is not None]
        for section in sections:
            if section.kind is not griffe.DocstringSectionKind.parameters:
                continue
            for described in section.value:
                own = signature.get(described.name)
                if own is None:
                    continue
                described.value = own.default
                if any(described.annotation is one for one in types):
                    described.annotation = own.annotation
        return sections
