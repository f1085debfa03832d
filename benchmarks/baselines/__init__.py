"""The baselines, a small file each; found by name (`benchmarks.baselines.base.create`)."""
