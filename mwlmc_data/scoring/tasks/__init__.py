"""The tasks, a module each or a family of them a module; found by name (`mwlmc_data.get_task`)."""
