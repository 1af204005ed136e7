"""The gallery: every seed model, every method, both frameworks, on one page.

`generate` makes it. Nothing here imports a framework; the models of `explain.zoo` bring their own.

Examples
--------
>>> from explain import gallery
>>> gallery.BATCH_SIZE
64
"""

from explain.gallery.generator import generate
from explain.gallery.readme import write_readme_picture
from explain.gallery.results import BATCH_SIZE

__all__ = ["BATCH_SIZE", "generate", "write_readme_picture"]
