"""Operations, the same in every framework: which depend on an input, which have backward rules, which read it first."""
