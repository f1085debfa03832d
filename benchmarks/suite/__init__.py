"""All baselines in all tasks: train, draw, score, and what is made of the scores."""
