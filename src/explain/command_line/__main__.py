"""The command `explain` as ``python -m explain.command_line``."""

from explain.command_line.main import app

app(prog_name="explain")
