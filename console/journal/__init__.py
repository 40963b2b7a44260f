"""What did happen: the append-only, hash-chained history of a workspace."""
