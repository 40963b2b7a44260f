"""``python -P -m console``: the same as ``gladiator-console``."""

from console.cli.main import main

main()
