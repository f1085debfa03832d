"""Programs that train the baselines, score them and draw the report; none of it is in the wheel."""
