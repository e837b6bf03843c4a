"""What in a text looks personal or secret. A sieve before people read a text, not a proof that there is nothing.

It errs towards finding something: a question that is dropped is asked again, a key that is passed on is out. But it
reads technical questions, so a version, a port, a commit, an address of documentation or a published test number is
nothing. Pure; every repetition that something must follow is bounded, so that no text takes long.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from ipaddress import ip_address
from itertools import pairwise


class Personal(StrEnum):
    """What was found. The value stands in reports."""

    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    """A payment card: digits of an issuer's length and beginning, with a right check digit."""
    IBAN = "iban"
    NATIONAL_ID = "national_id"
    """Written like a social security number of the United States."""
    KEY = "key"
    """A password, an access key or token: by its issuer's form, by what stands before it, or by its randomness."""
    IP_ADDRESS = "ip_address"
    """One that the public internet routes."""
    URL_PASSWORD = "url_password"  # noqa: S105 - a name, no password


_EMAIL = re.compile(
    r"(?<![\w.+-])([\w.+-]{1,64})@([\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[a-z]{2,24})\b(?!:\S)", re.IGNORECASE
)
_NOBODYS_DOMAIN = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|org|net))?|test|invalid|localhost|local)$", re.IGNORECASE)

_PHONE = re.compile(
    r"(?<![\w.+@-])(?:"
    r"\+\d{1,3}[ ./-]?\(?\d(?:[ ()./-]{0,2}\d){6,12}"  # +49 30 1234567
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}([-.])\d{3}\1\d{4}"  # (555) 123-4567, 555-123-4567
    r"|0\d{1,4}(?:[ /-]\d{2,8}){1,4}"  # 030 1234567, 06 12 34 56 78
    r")(?![\w-]|\.\d)"
)
_SPOKEN_PHONE = re.compile(
    r"\b(?:phone|mobile|cell|tel|telephone|whatsapp|sms|fax|call|text) ?(?:me|us|no|nr|number)?(?: (?:is|at|on|to))?"
    r"[.:]? ?\+?\d[\d ()./-]{5,18}\d(?![\w.])",
    re.IGNORECASE,
)
_LEAST_PHONE_DIGITS, _MOST_PHONE_DIGITS = 8, 15

_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)")
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|6(?:011|22|4|5)\d{12,16}"
)
_TEST_CARDS = frozenset({"4242424242424242", "4111111111111111", "5555555555554444", "378282246310005"})

_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)", re.IGNORECASE)
_NATIONAL_ID = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")

_ISSUED_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_\w{30,255}|github_pat_\w{22,255}|glpat-[\w-]{20,}"
    r"|xox[abeoprs]-[\w-]{10,}|sk-(?=[\w-]{0,99}\d)[\w-]{20,}|[rs]k_(?:live|test)_\w{16,}|AIza[\w-]{35}|npm_\w{36}"
    r"|pypi-\w[\w-]{30,}|hf_[A-Za-z0-9]{30,}|SG\.[\w-]{16,99}\.[\w-]{16,}|eyJ[\w-]{6,999}\.eyJ[\w-]{6,}\."
    r")|-----BEGIN [A-Z ]{0,30}PRIVATE KEY"
)
_NAMED_SECRET = re.compile(
    r"(?:password|passwd|passphrase|pwd|secret|token|api[_ -]?key|access[_ -]?key|bearer)[\"']?"
    r"(?:\s{0,3}[:=]\s{0,3}|\s+(?:is\s+)?)[\"']?(?P<value>[^\s\"'`,;]{6,200})",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"[(){}\[\]<>$]|\*{3}|\w\.\w|^%|[._-](?:id|env|key|token|secret|password)\d?$|v\d+$|^https?:", re.IGNORECASE
)

_HEX = re.compile(r"(?<![\w-])[0-9a-f]{32,}(?![\w-])", re.IGNORECASE)
_COMMIT_CHARS = 40
_DIGESTED = re.compile(r"(?:sha|md5|commit|hash|digest|checksum|revision|etag|blob)", re.IGNORECASE)
_KEYED = re.compile(r"(?:key|token|secret|password|passwd|bearer|credential|auth)", re.IGNORECASE)
_RUN = re.compile(r"(?<![\w/+-])[\w+-]{24,}(?![\w/-])", re.ASCII)
_LEAST_ENTROPY, _LEAST_TURNS = 3.8, 0.35

_IPV4 = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\w)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,7}(?![\w:])", re.IGNORECASE)
_VERSION_BEFORE = re.compile(r"(?:version|release|build|chrome|firmware|driver|==|>=|<=|~=)\s{0,2}$", re.IGNORECASE)
_WELL_KNOWN = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "1.2.3.4"})

_URL_PASSWORD = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,64}:(?P<password>[^\s/@]{1,128})@", re.IGNORECASE)
_NOBODYS_PASSWORDS = frozenset(
    {
        *("password", "passwd", "pass", "pwd", "secret", "token", "key", "changeme", "xxx", "xxxx"),
        *("postgres", "root", "admin", "user", "guest", "test", "example"),
    }
)


def personal_kinds(text: str) -> tuple[Personal, ...]:
    """Return what looks personal or secret in a text, each kind once, in a fixed order; empty for nothing."""
    plain = unicodedata.normalize("NFKC", text)
    return tuple(kind for kind, finds in _FINDERS.items() if finds(plain))


def _email(text: str) -> bool:
    return any(name != "git" and not _NOBODYS_DOMAIN.search(domain) for name, domain in _EMAIL.findall(text))


def _phone(text: str) -> bool:
    found = [*_PHONE.finditer(text), *_SPOKEN_PHONE.finditer(text)]
    return any(_LEAST_PHONE_DIGITS <= len(_digits(match[0])) <= _MOST_PHONE_DIGITS for match in found)


def _card(text: str) -> bool:
    numbers = {_digits(match[0]) for match in _CARD.finditer(text)}
    return any(_ISSUERS.fullmatch(number) and _has_check_digit(number) for number in numbers - _TEST_CARDS)


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdecimal())


def _has_check_digit(number: str) -> bool:
    """Source: ISO/IEC 7812-1, annex B (Luhn)."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _iban(text: str) -> bool:
    """Source: ISO 13616-1 (remainder 1 modulo 97, letters as numbers from 10)."""
    for match in _IBAN.finditer(text):
        code = match[0].replace(" ", "").upper()
        if int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97 == 1:
            return True
    return False


def _key(text: str) -> bool:
    if _ISSUED_KEY.search(text):
        return True
    if any(_is_secret(match["value"]) for match in _NAMED_SECRET.finditer(text)):
        return True
    return _has_secret_hex(text) or any(_is_random(match[0]) for match in _RUN.finditer(text))


def _is_secret(value: str) -> bool:
    """Whether what is given as a password is one, and no word, code or placeholder: it has letters and digits."""
    value = value.rstrip(".?!:)")
    has_both = any(c.isalpha() for c in value) and any(c.isdecimal() for c in value)
    return len(value) >= 6 and has_both and not _CODE.search(value)


def _has_secret_hex(text: str) -> bool:
    """Whether a long hexadecimal number is rather a key than a digest: words around it tell, else the length."""
    is_digest, is_keyed = bool(_DIGESTED.search(text)), bool(_KEYED.search(text))
    return any(
        is_keyed or not (is_digest or len(match[0]) == _COMMIT_CHARS)
        for match in _HEX.finditer(text)
        if not match[0].isalpha() and len(set(match[0])) > 2
    )


def _is_random(run: str) -> bool:
    """Whether a long word is drawn at random: its characters differ, and it keeps changing their kind."""
    kinds = ["A" if c.isupper() else "a" if c.islower() else "0" for c in run if c.isalnum()]
    if set(kinds) != {"A", "a", "0"}:
        return False
    turns = sum(one != other for one, other in pairwise(kinds))
    shares = [n / len(run) for n in Counter(run).values()]
    entropy = -sum(share * math.log2(share) for share in shares)
    return entropy >= _LEAST_ENTROPY and turns >= _LEAST_TURNS * len(kinds)


def _address(text: str) -> bool:
    v4 = (match[0] for match in _IPV4.finditer(text) if not _VERSION_BEFORE.search(text[: match.start()][-16:]))
    v6 = (match[0] for match in _IPV6.finditer(text) if any(c.isdecimal() for c in match[0]))
    return any(_is_public(address) for address in (*v4, *v6) if address not in _WELL_KNOWN)


def _is_public(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast


def _url_password(text: str) -> bool:
    return any(
        match["password"].lower() not in _NOBODYS_PASSWORDS and not _CODE.search(match["password"])
        for match in _URL_PASSWORD.finditer(text)
    )


_FINDERS: dict[Personal, Callable[[str], bool]] = {
    Personal.EMAIL: _email,
    Personal.PHONE: _phone,
    Personal.CARD: _card,
    Personal.IBAN: _iban,
    Personal.NATIONAL_ID: lambda text: bool(_NATIONAL_ID.search(text)),
    Personal.KEY: _key,
    Personal.IP_ADDRESS: _address,
    Personal.URL_PASSWORD: _url_password,
}
