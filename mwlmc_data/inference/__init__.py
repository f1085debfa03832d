"""Posteriors of the parameters at once, by the estimator that the package embeds."""
