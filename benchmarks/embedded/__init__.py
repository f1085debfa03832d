"""What is trained here and shipped inside the package: networks, references, the yardstick."""
