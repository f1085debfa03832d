"""The commands of `mwlmc`, a module each with `add(commands)`, which adds its parser, and what it runs.

A module imports at its top only what is light; each command imports what it needs when it runs.
"""
