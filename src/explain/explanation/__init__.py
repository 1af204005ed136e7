"""From a call to its result: check what is given, pose the problem, run it, wrap it up."""
