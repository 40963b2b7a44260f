"""What should happen: plan and site, their files, schema and faults."""
