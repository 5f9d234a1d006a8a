"""What goes wrong between here and the Hugging Face Hub, as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from savg.errors import SavgError, first_line

REASONS = {
    401: "it does not know the token: log in by `hf auth login`, or set HF_TOKEN",
    402: "its owner needs a paid plan for that",
    403: "the token may not write there",
    404: "there is no such repository, or the token may not see it",
    413: "a file is too large",
    429: "there were too many requests: try again in an hour",
}
"""Why the Hub refuses, by the status of its reply."""


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Errors of the Hub's client within the block are SavgErrors: `what`, and why.

    what: the beginning of a sentence, such as "Space lab/studio could not be written".
    """
    import httpx
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        reason = REASONS.get(status) or f"the Hub answered {status or 'nothing'}"
        raise SavgError(f"{what}: {reason}.") from error
    except LocalTokenNotFoundError as error:
        raise SavgError(f"{what}: {REASONS[401]}.") from error
    except (httpx.HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise SavgError(f"{what}: the Hub could not be reached.") from error
    except HFValidationError as error:
        raise SavgError(f"{what}: {first_line(error).removesuffix('.')}.") from error
