"""What is made here and shipped with the package: networks, references, the yardstick."""
