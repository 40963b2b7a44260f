"""Where it happens: links to hosts, the channel over them, the mirror of a job."""
