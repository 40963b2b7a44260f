"""What runs on a host: operations, and the job that carries one of them from its directory to its last event."""
