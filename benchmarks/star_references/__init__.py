"""Reference posteriors given stars, by their exact likelihood: ``python -m benchmarks star-references``."""
