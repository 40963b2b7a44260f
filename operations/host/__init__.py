"""Operations and readings that concern one host: its processor, memory, temperature and disk."""
