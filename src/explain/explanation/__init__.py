"""From a call to its result: check the arguments, pose the problem, run it, build the result."""
