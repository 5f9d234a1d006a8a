"""Errors that a user can cause: one sentence that names the file or value and what was expected."""


class SavgError(Exception):
    """A mistake in the input; the command line prints its sentence without a traceback."""


class MediaError(SavgError):
    """A video or sound file that cannot be read, or cannot become a clip."""


class CheckpointError(SavgError):
    """Weights that do not fit the network they were given for."""


class Cancelled(Exception):
    """Raised by a progress callback (or for it, when it returns False) to stop at the next step."""
