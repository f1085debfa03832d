"""Examples of how to run the programs where they need some setting up."""
