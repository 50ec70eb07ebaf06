"""The decision: what is seen of a rollout goes in, what to say and to change comes out. No clock, no I/O."""
