"""Students of a teacher: soft labels, training on them, quantising, timing, holding them against one another."""
