"""Loss sources: what the counters of each version rose by, look by look, or why nobody can tell."""
