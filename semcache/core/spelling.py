"""Whether one word is another one misspelt."""

from __future__ import annotations

_LEAST = 4
_LONG = 8
_LONGEST = 40


def misspelt(left: str, right: str) -> bool:
    """Say whether two stems are so close that one is a typing error of the other.

    One edit (a letter more, fewer, changed, or two swapped) from four letters on, two from eight on. The first
    letter may only be swapped. In words of four letters none may be changed: "test" and "text" are two words.
    """
    shorter, longer = (left, right) if len(left) <= len(right) else (right, left)
    gap = len(longer) - len(shorter)
    if gap > 2 or len(shorter) < _LEAST or len(longer) > _LONGEST or not (left.isalpha() and right.isalpha()):
        return False
    a, b = _differing(shorter, longer)
    if shorter[0] != longer[0] and a != b[::-1]:
        return False
    if len(b) <= 1 or (len(b) == 2 and a == b[::-1]):
        return not (len(a) == 1 and len(shorter) == _LEAST)
    return len(shorter) >= _LONG and len(set(a) ^ set(b)) <= 4 and _distance(a, b) <= 2


def _differing(left: str, right: str) -> tuple[str, str]:
    """Return what is left of two words without their common beginning and end."""
    start, least = 0, len(left)
    while start < least and left[start] == right[start]:
        start += 1
    end = 0
    while end < least - start and left[-1 - end] == right[-1 - end]:
        end += 1
    return left[start : len(left) - end], right[start : len(right) - end]


def _distance(left: str, right: str) -> int:
    """Optimal string alignment distance: edits and swaps of neighbours."""
    last: list[int] = []
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        last, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
