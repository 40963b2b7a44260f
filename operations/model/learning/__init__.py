"""Trainings: the one loop, what it is driven by, and where its batches come from."""
