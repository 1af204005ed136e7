"""The gallery: every seed model, every method, both frameworks, side by side; a network of real size too.

`generate` makes the pages. This folder imports no framework: the models of `explain.zoo` do.

Examples
--------
>>> from explain import gallery
>>> gallery.BATCH_SIZE
64
"""

from explain.gallery.exhibits import BATCH_SIZE
from explain.gallery.generator import generate
from explain.gallery.readme import write_readme_picture

__all__ = ["BATCH_SIZE", "generate", "write_readme_picture"]
