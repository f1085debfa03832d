"""The reproduction: the paper's estimator, its scores, its figures and its page."""
