"""A training's configuration: written, its arithmetic checked, a step tried."""
