"""What several packages share: names and units, sets to learn from, pages and processes."""
