"""Reference posteriors of fixed test rows and of the validation cases: ``python -m benchmarks references``."""
