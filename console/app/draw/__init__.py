"""A view as lines: pure functions from what the conductor says to what a pane shows."""
