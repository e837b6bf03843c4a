"""Rules for twins that change a number, a date, a unit or a version."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from semcache.core import twin_words as tables
from semcache.core.lexicon import EXCLUSIVE, NUMBER_WORDS
from semcache.core.rewording import Source

_NUMERAL = re.compile(
    r"(?<![\w.,:/\\$@#%+=<>\-\[({'\"`*^])(\d{1,9})(st|nd|rd|th)?(?=[\s,;?!)]|\.?$|\.\s|[kKMGT]?i?[bB]?\b(?![\w.,:/\-=*\[]))"
)
_SMALL_WORDS = {
    word: number
    for word, number in NUMBER_WORDS.items()
    if number in range(2, 13) and word not in {"second", "twice", "dozen"}
}
_SPELT = {
    int(number): word
    for word, number in NUMBER_WORDS.items()
    if number in range(2, 13)
    and word in ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
}
_ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]


def number(source: Source) -> Iterator[str]:
    """Change a number."""
    for found in _NUMERAL.finditer(source.text):
        if source.in_code(found.start()) or _is_year(found[1]) or _follows_name(source, found.start()):
            continue
        other = _other_number(found[1], source)
        if other is not None:
            ending = _ordinal_ending(int(other)) if found[2] else ""
            yield source.text[: found.start()] + other + ending + source.text[found.end() :]
    for word in source.words:
        low = word[0].lower()
        if low in _SPELT.values():
            number = next(n for n, spelt in _SPELT.items() if spelt == low)
            yield source.with_word(word, _SPELT[number + 1] if number < 12 else "ten")
        elif low in _ORDINALS[2:]:
            yield source.with_word(word, _ORDINALS[(_ORDINALS.index(low) + 1) % 10])
        elif low in {"once", "twice"}:
            yield source.with_word(word, "three times")


def _other_number(digits: str, source: Source) -> str | None:
    if digits in tables.OTHER_MODES:
        return tables.OTHER_MODES[digits]
    value = int(digits)
    if value < 2 or (len(digits) > 1 and digits[0] == "0"):
        return None
    others = [value + 1, value + 2, value + 5] if value < 20 else [value * 2, value + 10, value // 2, value * 10]
    return source.pick([str(other) for other in others], digits)


def _ordinal_ending(number: int) -> str:
    return "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _is_year(digits: str) -> bool:
    return len(digits) == 4 and digits[:2] in {"19", "20"}


def _follows_name(source: Source, place: int) -> bool:
    """Say whether a number is rather a version: behind a name that has versions."""
    before = source.low[:place].rstrip(" v").rpartition(" ")[2].strip("(`'\"")
    return before in tables.LEGACY or before in {"version", "utf", "es", "http"}


_MONTHS = tuple(month.capitalize() for month in EXCLUSIVE["month"])
_SHORT_MONTHS = tuple(month[:3] for month in _MONTHS)
_WEEKDAYS = tuple(day.capitalize() for day in EXCLUSIVE["weekday"])


def _other_period(found: re.Match[str]) -> str:
    which = {"last": "this", "this": "last", "next": "this", "previous": "next", "current": "previous"}
    return f"{which[found[1].lower()]} {found[2]}"


_TIMED = re.compile(
    r"\b(?:modif\w+|chang\w+|access\w*|creat\w+|dates?|calendar|time\w*|commits?|logs?|since|cron|old\w*|new\w*|days?|print\w*)\b"
)
"""What a text speaks of where a word for a day belongs to the question, not to the story around it."""
_DATES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"(?<=\d{4}-)(0[1-9]|1[0-2])(?=-\d\d)", lambda found: f"{int(found[0]) % 12 + 1:02}"),
    (r"(?<![\w:])([01]?\d|2[0-3]):([0-5]\d)(?![\w.])", lambda found: f"{(int(found[1]) + 3) % 24}:{found[2]}"),
    (r"\b(1[0-2]|[1-9]) ?(am|pm)\b", lambda found: found[1] + ("pm" if found[2] == "am" else "am")),
    (r"(?<!the )\b(last|next|this|previous|current) (day|week|month|year|quarter)\b(?! of| day)", _other_period),
    (r"\b(?:the )?current (date|time|timestamp)\b(?! zone)", lambda found: f"yesterday's {found[1]}"),
    (r"\bevery (day|night|morning|week|month|hour)\b", "every Sunday"),
)
_YEAR = re.compile(
    r"(?<![\w.$=])((?:19|20)\d\d)(?![\d.]*\d|\s*(?:[kKMGT]i?[bB]?|bytes|px|ms|lines|items|rows|users|files|characters)\b)"
)
_YEAR_HEADS = frozenset(
    [
        "in",
        "of",
        "since",
        "from",
        "until",
        "till",
        "before",
        "after",
        "year",
        "by",
        "during",
        "jan",
        "feb",
        "mar",
        "apr",
        "may",
        "jun",
        "jul",
        "aug",
        "sep",
        "oct",
        "nov",
        "dec",
    ]
)


def _is_dated(text: str, found: re.Match[str]) -> bool:
    """Say whether four digits are a year: part of a date, or behind a month or a word of time."""
    before = text[: found.start()]
    if re.match(r"[-/]\d\d?\b", text[found.end() :]) or re.search(r"\d[-/.]$|\d,? $", before):
        return True
    head = before.rstrip(" ,").rpartition(" ")[2].lower()
    return before.endswith(" ") and (head in _YEAR_HEADS or head.capitalize() in _MONTHS)


def date(source: Source) -> Iterator[str]:
    """Change a year, month, day, hour or period."""
    for found in _YEAR.finditer(source.text):
        if not _is_dated(source.text, found):
            continue
        yield source.text[: found.start()] + str(int(found[1]) - 3) + source.text[found.end() :]
    for pattern, put in _DATES:
        yield from source.sub(pattern, put)
    for word in source.words:
        yield from _other_day(source, word)


def _other_day(source: Source, word: re.Match[str]) -> Iterator[str]:
    low, name = word[0].lower(), word[0].capitalize()
    if low in tables.OTHER_DAYS and _TIMED.search(source.low):
        yield source.with_word(word, tables.OTHER_DAYS[low])
    for names in (_MONTHS, _SHORT_MONTHS, _WEEKDAYS):
        if name in names and not (low in {"may", "march", "mar", "sun", "sat", "dec"} and not word[0][0].isupper()):
            yield source.with_word(word, names[(names.index(name) + 1) % len(names)])
    if low.endswith("s") and name[:-1] in _WEEKDAYS:
        yield source.with_word(word, _WEEKDAYS[(_WEEKDAYS.index(name[:-1]) + 1) % 7] + "s")


def unit(source: Source) -> Iterator[str]:
    """Put another unit behind a number."""
    pattern = (
        r"(?<![\w.])([1-9]\d*(?:\.\d+)?|one|two|three|five|ten|few|several|many|last|past|first|per|each|every)([ -]?)"
        r"([a-zA-Z]+)\b(?![-/(])"
    )
    for found in re.finditer(pattern, source.text):
        unit, low = found[3], found[3].lower()
        other = tables.OTHER_UNITS.get(low)
        glued = not found[2]
        if other is None or source.in_code(found.start()) or (len(low) == 1 and (not glued or not found[1].isdigit())):
            continue
        other = other.upper() if unit.isupper() else other
        yield source.text[: found.start(3)] + other + source.text[found.end(3) :]
    for word in source.words:
        if word[0].lower() in {"hourly", "daily", "weekly", "monthly", "yearly"}:
            yield source.with_word(word, tables.OTHER_UNITS[word[0].lower()])
    yield from source.sub(
        r"\bin (seconds|minutes|hours|days|bytes|kilobytes|megabytes|kb|mb|gb|milliseconds)\b", _measured_in
    )


def _measured_in(found: re.Match[str]) -> str:
    other = tables.OTHER_UNITS[found[1].lower()]
    return "in " + (other.upper() if found[1].isupper() else other)


_CHANGED_IN_PYTHON_3 = re.compile(
    r"\b(?:print\w*|input|unicode|urllib\w*|url|encod\w*|decod\w*|bytes?|async\w*|items|zip|divi\w*|round\w*|exception|http)\b"
)


def version(source: Source) -> Iterator[str]:
    """Change a version, or ask of an old one by name."""
    names = "|".join(map(re.escape, sorted(tables.LEGACY, key=len, reverse=True)))
    versioned = [
        *source.sub(rf"\b({names}|version|v)([ -]?v?)(\d+)((?:\.\d+)*)\b(?!\.?\w)", _other_version),
        *source.sub(r"(?<![\w.-])(\d+)((?:\.\d+){2})(?![\w.])", lambda found: f"{int(found[1]) + 1}{found[2]}"),
    ]
    yield from versioned
    if versioned or re.search(r"\bversion|\d\.\d", source.low):
        return
    for word in source.words:
        legacy = tables.LEGACY.get(word[0].lower())
        if word[0].lower() == "python" and not _CHANGED_IN_PYTHON_3.search(source.low):
            continue
        if legacy is not None and not re.match(
            r"\s*\d|[-.]\w|'s| (?:native|router|query|compose|db)\b", source.text[word.end() :].lower()
        ):
            yield f"{source.text[: word.end()]} {legacy}{source.text[word.end() :]}"


def _other_version(found: re.Match[str]) -> str:
    major, rest = int(found[3]), found[4]
    if rest and rest != ".0":
        last = rest.rpartition(".")
        changed = f"{last[0]}.{int(last[2]) + (1 if int(last[2]) < 3 else -2)}"
        return f"{found[1]}{found[2]}{major}{changed}"
    return f"{found[1]}{found[2]}{major - 1 if major > 2 else major + 1}{rest}"
