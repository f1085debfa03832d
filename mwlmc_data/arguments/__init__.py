"""Everything that a user passes in goes through here: numbers with units, tables, angles."""
