"""Draws docs/images/text.png: the figure that the guide docs/guides/text.md draws.

python docs/images/text.py
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from explain.files.atomic_write import replace_file

PICTURE = Path(__file__).with_suffix(".png")
GUIDE = Path(__file__).parents[1] / "guides" / "text.md"


def main() -> None:
    """Run the guide up to the block that draws, and keep what it draws."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        names: dict[str, object] = {}
        for block in blocks:
            exec(block, names)
            if PICTURE.name in block:
                break
        replace_file(PICTURE, Path(folder, PICTURE.name).read_bytes())


if __name__ == "__main__":
    main()
