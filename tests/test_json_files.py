"""The reader of JSON: what is no plain JSON gets one sentence that names the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from savg.errors import CheckpointError, SavgError
from savg.json_files import MAX_DEPTH, parse_json, read_json, read_object

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not valid JSON"),
    "half": (b'{"a": [1, 2', "is not valid JSON"),
    "text after it": (b"{} {}", "is not valid JSON"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "must be text in UTF-8"),
    "Latin-1": (b'{"a": "\xe9"}', "must be text in UTF-8"),
    "NaN": (b'{"a": NaN}', "numbers must be finite, got NaN"),
    "infinity": (b'{"a": -Infinity}', "numbers must be finite"),
    "huge exponent": (b'{"a": 1e999}', "numbers must be finite, got 1e999"),
    "65 bits": (b'{"a": 18446744073709551616}', "at most 64 bits"),
    "a million digits": (b'{"a": ' + b"9" * 10**6 + b"}", "at most 64 bits"),
    "a key twice": (b'{"a": 1, "b": {"c": 1, "c": 2}}', "has the key 'c' twice"),
    "half of a character": (b'{"a": "\\ud800"}', "half of a character"),
    "half of a character in a key": (b'{"\\udfff": 1}', "half of a character"),
    "deep lists": (b"[" * 100_000 + b"]" * 100_000, "must nest at most"),
    "deep objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "must nest at most"),
    "unclosed deep lists": (b"[" * 100_000, "must nest at most"),
    "a little too deep": (b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2), "must nest at most"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_json_gets_one_sentence(kind: str, tmp_path: Path) -> None:
    content, expected = BAD[kind]
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=expected) as caught:
        read_json(path, error=CheckpointError)
    text = str(caught.value)
    assert text.startswith(str(path)) and text.endswith(".") and len(text) < len(str(path)) + 200


def test_plain_json_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, -2.5, true, null, "\xc3\xa9"]}')
    assert read_object(path) == {"a": [1, -2.5, True, None, "é"]}
    path.write_text("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert isinstance(read_json(path), list)
    path.write_text('{"a": NaN, "b": 1e999, "c": 3}')
    assert read_json(path, lenient=True) == {"a": None, "b": None, "c": 3}
    assert parse_json("18446744073709551615") == 2**64 - 1


def test_only_an_object_is_an_object(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("[1]")
    with pytest.raises(SavgError, match=r"must hold a JSON object, got \[1\]"):
        read_object(path)


def test_what_is_no_small_file_is_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(SavgError, match=r"large\.json .* at most 1 MiB"):
        read_json(large, most=2**20)
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(SavgError, match=r"pipe\.json is a pipe or device"):
        read_json(tmp_path / "pipe.json")
    with pytest.raises(SavgError, match="is a folder"):
        read_json(tmp_path)
    with pytest.raises(SavgError, match=r"none\.json could not be read: no such file"):
        read_json(tmp_path / "none.json")
