"""Reference posteriors of the task stars-survey, by the likelihood of observed stars with errors."""
