"""The reproduction: the paper's estimator, its scores, figures and page."""
