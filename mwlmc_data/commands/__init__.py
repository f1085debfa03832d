"""The commands of `mwlmc`: a module each, whose `add(commands)` adds the parser and what it runs.

Modules import only light dependencies at the top; each command imports the rest when it runs.
"""
