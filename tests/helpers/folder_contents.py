"""What a folder holds, to compare two of them."""


def files_in(out):
    """Paths of the files in a folder, by their names relative to it."""
    return {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*")) if path.is_file()}


def contents(out):
    """Bytes of the files in a folder, by their names relative to it."""
    return {name: path.read_bytes() for name, path in files_in(out).items()}
