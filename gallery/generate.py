"""Make the gallery; the same as `explain gallery`.

python gallery/generate.py --out gallery/output
"""

from __future__ import annotations

import sys

from explain.command_line.main import app

if __name__ == "__main__":
    app(["gallery", *sys.argv[1:]])
