"""All baselines in all tasks: train, draw, score, report."""
