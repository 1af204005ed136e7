"""Made data whose evidence is known: pictures of shapes and sequences with motifs, with a shortcut to the class.

Each example is drawn from a random generator of its own, so it does not depend on how many are drawn. NumPy only.
"""
