"""Examples of running the programs where that needs some setup."""
