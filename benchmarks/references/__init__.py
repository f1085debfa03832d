"""Reference posteriors of fixed rows and of the validation cases: ``python -m benchmarks references``."""
