"""What the conductor says instead of doing something."""


class Refused(Exception):
    """The verb can't be done now; one line that says what, why and what to do. Nothing was written."""


class BadInput(Refused):
    """What was named or given does not exist or can't be read: wrong usage rather than a no."""


class Unusable(Exception):
    """A workspace, plan, site or argument that can't be used; each line names where and what was expected."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
