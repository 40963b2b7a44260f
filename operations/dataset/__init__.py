"""Operations that make, sample, split and check data sets."""
