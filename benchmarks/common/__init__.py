"""What several rooms share: names and units, sets to learn from, pages and processes."""
