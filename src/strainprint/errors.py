"""The one error that bad input raises: what is wrong, where, what is allowed, the way out."""

from __future__ import annotations


class BadInputError(ValueError):
    """A file, value or array that cannot be used.

    Parameters
    ----------
    what
        What is wrong, with the offending value.
    where
        The file, key or array it was found in.
    allowed
        What would have been accepted.
    way_out
        What the user can do now.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        allowed: str | None = None,
        way_out: str | None = None,
    ) -> None:
        """Compose the message from its four parts."""
        lines = [what if where is None else f"{where}: {what}"]
        if allowed:
            lines.append(f"  allowed: {allowed}")
        if way_out:
            lines.append(f"  way out: {way_out}")
        super().__init__("\n".join(lines))
