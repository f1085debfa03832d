"""The proofs: how exact and how fast the simulator is, and whether what is published holds."""
