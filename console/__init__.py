"""What runs where the operator sits: plan, journal, conductor, hosts, and the two faces app and cli."""
