"""Operations between hosts: transfers and probes."""
