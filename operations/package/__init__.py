"""The signed package of models: made on a host, verified anywhere."""
