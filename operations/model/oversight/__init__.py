"""Looking after a training from outside: its jobs' files, its health, its checkpoints."""
