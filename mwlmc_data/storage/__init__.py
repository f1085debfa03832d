"""Files that are written whole and read with care: Parquet, npz, and where they are kept."""
