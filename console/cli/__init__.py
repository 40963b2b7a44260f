"""The conductor's verbs as commands."""
