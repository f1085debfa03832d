"""The dataset: its columns, versions and files, and how they are loaded and verified."""
