"""The dataset: its columns, versions and files; loading and verification."""
