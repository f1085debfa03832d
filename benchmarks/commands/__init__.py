"""The commands of ``python -m benchmarks``, a module for each package with `add(commands)`, which adds their parsers.

A module imports at its top only what is light; each command imports what it needs when it runs.
"""
