"""The one door for what a user hands in: numbers with units, tables, angles."""
