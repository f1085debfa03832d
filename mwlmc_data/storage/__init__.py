"""Safe reading and writing of files: Parquet and npz, atomic writes, and the folders they are kept in."""
