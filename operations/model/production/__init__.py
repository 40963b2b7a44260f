"""The four specialists as they are deployed, and the checks that they must pass."""
