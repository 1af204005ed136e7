"""How evaluations and benchmarks are shown: as text, as figures, as pages."""
