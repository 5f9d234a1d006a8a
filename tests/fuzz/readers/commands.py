"""Commands as readers: what they print is judged too."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

from savg.cli import main
from tests.fuzz.judge import Fault, message_fault

_LONGEST = 1000


def command(arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Run a command; its exit code and the sentences of its errors. Fault for anything else on its
    standard error that people should not see."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = main(arguments)
    text = errors.getvalue().replace("\r", "\n")
    if "Traceback" in text:
        raise Fault(f"the command printed a traceback: {text[-600:]}")
    sentences = [line.partition("error: ")[2] for line in text.split("\n") if "error: " in line]
    for sentence in sentences:
        if fault := message_fault(sentence, _LONGEST):
            raise Fault(f"{fault}: {sentence[:600]!r}")
    if code not in (0, 1) or bool(code) != bool(sentences):
        raise Fault(f"the command ended with {code} after {len(sentences)} errors: {text[-600:]}")
    return code, sentences
