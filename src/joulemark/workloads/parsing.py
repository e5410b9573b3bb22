"""What the text of a prompted model says: a label, an answer, a summary; ``None`` where it says nothing of the kind.

Nothing is guessed: a label that is negated, or listed beside another one as a choice, has not been given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

_NO_ANSWER = (
    "unanswerable",
    "the question is unanswerable",
    "no answer",
    "there is no answer",
    "not answerable",
    "n/a",
    "cannot be answered",
    "the question cannot be answered",
)

_QUOTES = "\"'`*“”‘’«»„"
_AROUND = _QUOTES + " \t\r\n"
# "not", "isn't", "non-" and up to two words more, up to the label; a "but" or a punctuation mark ends its reach.
_NEGATED = re.compile(
    rf"(?:\b(?:no|not|non|never|neither|nor|cannot|without)|n['’]t)(?:(?:\s+|-)(?!but\b)\w+){{0,2}}(?:\s+|-)[{_QUOTES}]*$",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    rf"\b(?:label|sentiment|answer|class|category|topic)\s*(?:is|:|=)\s*[{_QUOTES}]*$", re.IGNORECASE
)
_CHOOSES = re.compile(r"/|\||\b(?:or|and)\b", re.IGNORECASE)
_CHOICE = re.compile(rf"[\s{_QUOTES}]*(?:,|(?:,\s*)?\b(?:or|and)\b|/|\|)[\s{_QUOTES}]*", re.IGNORECASE)
_ANSWER_LEAD = re.compile(r"(?:(?:answer|a)\s*:|(?:the\s+)?answer\s+is\b\s*:?)\s*", re.IGNORECASE)
_SUMMARY_LEAD = re.compile(r"(?:summary|tl;?dr)\s*:\s*", re.IGNORECASE)


def parse_label(text: str, labels: Sequence[str], prompt: str = "") -> str | None:
    """The label that a text gives, in any case, as a whole word (with blanks, hyphens or underscores inside it).

    The first line with a label counts. In it, one that is announced ("sentiment: x", "the answer is x") comes before
    all others, then the first. A repetition of ``prompt`` at the beginning is passed over.
    """
    names = sorted((label for label in labels if label.strip()), key=len, reverse=True)
    if not names:
        return None
    any_name = re.compile("|".join(f"({_pattern(name)})" for name in names), re.IGNORECASE)
    for line in without_echo(text, prompt).splitlines():
        named = _without_choices(line, list(any_name.finditer(line)))
        given = [found for found in named if not _NEGATED.search(line[: found.start()])]
        announced = [found for found in given if _ANNOUNCED.search(line[: found.start()])]
        for found in announced or given:
            return names[(found.lastindex or 1) - 1]
    return None


def parse_span(text: str, prompt: str = "") -> str | None:
    """The answer to a question: the first line without "Answer:", quotation marks and full stop; "" for no answer."""
    line = _without_lead(without_echo(text, prompt), _ANSWER_LEAD).partition("\n")[0]
    bare = line.strip(_AROUND).rstrip("." + _AROUND)
    return "" if bare.casefold() in _NO_ANSWER else bare or None


def parse_summary(text: str, prompt: str = "") -> str | None:
    """The first paragraph, without "Summary:"."""
    said = _without_lead(without_echo(text, prompt), _SUMMARY_LEAD)
    return re.split(r"\n\s*\n", said)[0].strip() or None


def without_echo(text: str, prompt: str) -> str:
    """A text that begins by repeating its prompt, without that; white space and case do not matter."""
    asked = prompt.casefold().split()
    if not asked:
        return text
    said = text.split(maxsplit=len(asked))
    if [word.casefold() for word in said[: len(asked)]] != asked:
        return text
    return said[len(asked)] if len(said) > len(asked) else ""


def _without_lead(text: str, lead: re.Pattern[str]) -> str:
    """A text without white space around it and without a lead at its beginning."""
    found = lead.match(text.strip())
    return text.strip()[found.end() if found else 0 :].strip()


def _pattern(name: str) -> str:
    """A name as a whole word; what stands between its own words may be a blank, a hyphen or an underscore."""
    words = re.split(r"(?<=\w)[\s_-]+(?=\w)", name.strip())
    return r"(?<!\w)" + r"[\s_-]+".join(re.escape(word) for word in words) + r"(?!\w)"


def _without_choices(line: str, named: Sequence[re.Match[str]]) -> list[re.Match[str]]:
    """The labels of a line, less those that are listed as a choice: "positive or negative", "positive/negative"."""
    kept: list[re.Match[str]] = []
    chain: list[re.Match[str]] = []
    for found, after in zip_longest(named, named[1:]):
        chain.append(found)
        if after is not None and _CHOICE.fullmatch(line, found.end(), after.start()):
            continue
        between = line[chain[0].end() : chain[-1].start()]
        is_choice = len({one.lastindex for one in chain}) > 1 and _CHOOSES.search(between)
        kept += [] if is_choice else chain
        chain = []
    return kept
