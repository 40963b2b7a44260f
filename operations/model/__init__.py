"""Operations that make, train, measure and report on language models with MLX."""
