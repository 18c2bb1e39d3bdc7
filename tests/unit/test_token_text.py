"""A token as it is typed: it reads back, and a slip is seen."""

from __future__ import annotations

import pytest

from gateway.pki.token import Token, read_token


def test_a_token_reads_back_however_it_is_typed() -> None:
    token = Token("infeed", bytes(range(16)), bytes(range(10)))
    text = str(token)
    assert len(text) == len("infeed.") + 45 + 8
    for typed in (text, f" {text.lower()} ", text.replace("-", ""), text.replace("O", "0")):
        assert read_token(typed) == token


def test_no_slip_in_a_token_goes_unnoticed() -> None:
    text = str(Token("infeed", bytes(range(16)), bytes(range(10))))
    assert "is no token" in _refusal(text[:-1])
    assert "is no token" in _refusal("infeed")
    assert "is no token" in _refusal(text.replace(".", ""))
    assert "is no token" in _refusal(text[:-1] + "!")
    assert "slip" in _refusal(text.replace("infeed", "infed"))
    start = text.index(".") + 1
    for at in range(start, len(text) - 1):  # the last letter has bits that stand for nothing
        if text[at] != "-":
            other = "A" if text[at] != "A" else "B"
            assert "slip" in _refusal(text[:at] + other + text[at + 1 :])


def _refusal(text: str) -> str:
    with pytest.raises(ValueError) as raised:
        read_token(text)
    return str(raised.value)
