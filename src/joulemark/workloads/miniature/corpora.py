"""Small corpora made in code, endless in sentences and the same on every machine.

Every corpus has a ``train`` and a ``test`` split. A sample's split follows from the hash of its content, so no sample
of the one can occur in the other, however many are drawn. The texts are written from patterns; the digits are real.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from joulemark.workloads.workload import WorkloadError

MAX_SAMPLES_N = 4_000
SPLITS = ("train", "test")

_TEST_SHARE_RATIO = 1 / 3
_STALL_N = 5_000  # draws without a new sample after which a corpus counts as exhausted


@dataclass(frozen=True, slots=True)
class Corpus:
    """``draw`` yields samples for ever (or until it has no more); ``key`` is the content that decides the split."""

    description: str
    draw: Callable[[random.Random], Iterator[Mapping[str, Any]]]
    key: Callable[[Mapping[str, Any]], bytes]


def rows(name: str, split: str, rows_n: int) -> tuple[Mapping[str, Any], ...]:
    """The first ``rows_n`` distinct samples of one split, or fewer where the corpus has no more.

    No more than ``MAX_SAMPLES_N``.

    Raises:
        WorkloadError: no such corpus or split.
    """
    check(name, split)
    corpus = CORPORA[name]
    seen: set[bytes] = set()
    found: list[Mapping[str, Any]] = []
    stalled_n = 0
    for row in corpus.draw(random.Random(f"{name}/{split}")):
        if len(found) == min(rows_n, MAX_SAMPLES_N) or stalled_n == _STALL_N:
            break
        fingerprint = hashlib.sha256(corpus.key(row)).digest()
        stalled_n += 1
        if fingerprint not in seen and _split_of(fingerprint) == split:
            seen.add(fingerprint)
            found.append(row)
            stalled_n = 0
    return tuple(found)


def check(name: str, split: str | None) -> None:
    """Raise a :class:`WorkloadError` unless there is such a corpus and it has the split, if one is named."""
    if name not in CORPORA:
        raise WorkloadError(f"no miniature dataset {name!r}; there are {', '.join(CORPORA)}")
    if split is not None and split not in SPLITS:
        raise WorkloadError(f"miniature:{name} has no split {split!r}; it has {' and '.join(SPLITS)}")


def _split_of(fingerprint: bytes) -> str:
    return "test" if fingerprint[0] < 256 * _TEST_SHARE_RATIO else "train"


_TOPICS = {
    "film": ("plot", "cast", "soundtrack", "ending", "script", "actress", "camera work", "opening scene", "sequel"),
    "restaurant": ("soup", "waiter", "menu", "dessert", "wine", "pasta", "kitchen", "steak", "bread"),
    "hotel": ("room", "bed", "lobby", "breakfast", "pool", "balcony", "shower", "reception", "view"),
    "phone": ("screen", "battery", "keyboard", "charger", "speaker", "display", "touch pad", "signal", "ringtone"),
    "book": ("novel", "chapter", "author", "prose", "cover", "narrator", "dialogue", "essay", "translation"),
}
_ADJECTIVES = {
    "positive": (
        "good", "great", "excellent", "wonderful", "superb", "lovely", "pleasant", "brilliant", "delightful",
        "impressive", "perfect", "charming", "fantastic", "splendid", "enjoyable", "remarkable",
    ),
    "negative": (
        "bad", "poor", "terrible", "awful", "dreadful", "horrible", "boring", "mediocre", "disappointing",
        "annoying", "dull", "useless", "ugly", "sloppy", "unpleasant", "miserable",
    ),
}  # fmt: skip
_VERBS = {
    "positive": ("loved", "enjoyed", "adored", "admired", "praised"),
    "negative": ("hated", "disliked", "regretted", "detested", "resented"),
}
_OPENINGS = ("", "honestly, ", "to be fair, ", "in my view, ", "this time ", "once again ", "on monday ", "last year ")
_DEGREES = ("", "very ", "really ", "rather ", "truly ", "quite ")
_OPPOSITE = {"positive": "negative", "negative": "positive"}


def _reviews(rng: random.Random) -> Iterator[Mapping[str, Any]]:
    """Sentences with a sentiment and a topic. A third of them turn a word's sentiment round: by not, nobody, or but."""
    while True:
        topic, label = rng.choice(list(_TOPICS)), rng.choice(list(_ADJECTIVES))
        noun, other_noun = rng.sample(_TOPICS[topic], 2)
        adjective, other_adjective = rng.sample(_ADJECTIVES[label], 2)
        opposite = rng.choice(_ADJECTIVES[_OPPOSITE[label]])
        verb, degree = rng.choice(_VERBS[label]), rng.choice(_DEGREES)
        body = rng.choices(
            (
                f"the {noun} was {degree}{adjective}.",
                f"i found the {noun} {degree}{adjective} and the {other_noun} {other_adjective}.",
                f"we {verb} the {noun} because it was {degree}{adjective}.",
                f"everybody {verb} the {degree}{adjective} {noun}.",
                f"the {noun} was not {degree}{opposite}.",
                f"nobody called the {noun} {degree}{opposite}.",
                f"the {noun} was {opposite}, but i {verb} the {degree}{adjective} {other_noun}.",
            ),
            weights=(4, 4, 3, 3, 3, 2, 2),
        )[0]
        yield {"text": rng.choice(_OPENINGS) + body, "label": label, "topic": topic}


_FIRST_NAMES = (
    "Anna", "Boris", "Carla", "David", "Elena", "Felix", "Greta", "Hugo", "Irene", "Jonas", "Klara", "Leon", "Maria",
    "Nils", "Olga", "Paolo", "Rosa", "Simon", "Teresa", "Viktor", "Jordan", "Sofia",
)  # fmt: skip
_LAST_NAMES = (
    "Almeida", "Berger", "Conti", "Dubois", "Eriksen", "Ferrari", "Garcia", "Hoffmann", "Ivanova", "Jensen", "Keller",
    "Lindgren", "Moreau", "Novak", "Okafor", "Petrov", "Rossi", "Schmidt", "Tanaka", "London",
)  # fmt: skip
_CITIES = (
    "Lisbon", "Berlin", "Oslo", "Madrid", "Vienna", "Prague", "Dublin", "Geneva", "Athens", "Warsaw", "London", "Rome",
    "New York", "Cape Town", "Buenos Aires", "Jordan",
)  # fmt: skip
_ORGANISATIONS = (
    "Northwind Bank", "Helix Labs", "Orion Motors", "Blue Harbour", "Vertex Energy", "Atlas Press", "Lumen Institute",
    "Delta Foods", "Polar Airlines", "Berger Brothers",
)  # fmt: skip
_JOBS = ("baker", "lawyer", "teacher", "painter", "nurse", "pilot", "farmer", "chemist", "journalist", "architect")
_INSTRUMENTS = ("piano", "violin", "guitar", "cello", "flute", "trumpet", "harp", "clarinet", "drums", "organ")


def _tagged(pattern: str, entities: Mapping[str, tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words and IOB2 tags of a pattern whose words in braces stand for (text, kind of entity)."""
    tokens: list[str] = []
    tags: list[str] = []
    for word in pattern.split():
        if word not in entities:
            tokens.append(word)
            tags.append("O")
            continue
        text, kind = entities[word]
        for place_i, part in enumerate(text.split()):
            tokens.append(part)
            tags.append(f"{'I' if place_i else 'B'}-{kind}")
    return tuple(tokens), tuple(tags)


def _entities(rng: random.Random) -> Iterator[Mapping[str, Any]]:
    """Sentences with persons, places and organisations; some words are one or the other, as the sentence has it."""
    patterns = (
        "{person} moved from {place} to {place2} in {year} .",
        "{person} works for {organisation} in {place} .",
        "In {year} , {organisation} opened an office in {place} .",
        "{organisation} named {person} as its director .",
        "{person} and {person2} met in {place} in {year} .",
        "The director of {organisation} , {person} , left {place} .",
        "Shares of {organisation} fell after {person} resigned .",
        "{place} and {place2} signed a treaty with {organisation} .",
        "According to {person} , {organisation} will sell its plant near {place} .",
        "{person} wrote a letter to {person2} of {organisation} .",
    )
    while True:
        names = [
            rng.choice((f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}", rng.choice(_LAST_NAMES)))
            for _ in range(2)
        ]
        place, place2 = rng.sample(_CITIES, 2)
        entities = {
            "{person}": (names[0], "PER"),
            "{person2}": (names[1], "PER"),
            "{place}": (place, "LOC"),
            "{place2}": (place2, "LOC"),
            "{organisation}": (rng.choice(_ORGANISATIONS), "ORG"),
        }
        pattern = rng.choice(patterns).replace("{year}", str(rng.randrange(1950, 2020)))
        tokens, tags = _tagged(pattern, entities)
        yield {"tokens": tokens, "tags": tags}


def _questions(rng: random.Random) -> Iterator[Mapping[str, Any]]:
    """A sentence of four facts about one person, and a question whose answer is a span of it."""
    patterns = (
        "{name}, a {job} from {city}, was born in {year} and plays the {instrument}.",
        "Born in {year}, {name} plays the {instrument} and works as a {job} in {city}.",
        "{name} learned the {instrument} in {year} and became a {job} in {city}.",
        "In {city} everybody knows {name}, the {job} who bought the {instrument} in {year}.",
        "The {instrument} of {name}, a {job}, was sold in {city} in {year}.",
    )
    while True:
        facts = {
            "name": f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}",
            "city": rng.choice(_CITIES),
            "job": rng.choice(_JOBS),
            "instrument": rng.choice(_INSTRUMENTS),
            "year": str(rng.randrange(1950, 2020)),
        }
        questions = {
            "name": "Who is the text about?",
            "city": rng.choice(("Which city is named?", "Where did it happen?")),
            "job": rng.choice(("What is the job?", "What work is named?")),
            "instrument": rng.choice(("Which instrument is named?", "What is played?")),
            "year": rng.choice(("In which year?", "When did it happen?")),
        }
        asked = rng.choice(list(facts))
        context = rng.choice(patterns).format(**facts)
        if context.count(facts[asked]) == 1:  # "Anna London, a baker from London" has two
            yield {"question": questions[asked], "context": context, "answers": (facts[asked],)}


def _cloze(rng: random.Random) -> Iterator[Mapping[str, Any]]:
    """Sentences with one word left out: some words follow from the sentence, some can only be guessed."""
    for review in _reviews(rng):
        words = review["text"].rstrip(".").split()
        hidden_i = rng.randrange(len(words))
        answer = words[hidden_i].strip(",")
        masked = words[hidden_i].replace(answer, "[MASK]")
        yield {
            "text": " ".join((*words[:hidden_i], masked, *words[hidden_i + 1 :])) + ".",
            "answer": answer,
            "sentence": review["text"],
        }


def _openings(rng: random.Random) -> Iterator[Mapping[str, Any]]:
    """First halves of two sentences, to be continued."""
    reviews = _reviews(rng)
    while True:
        first, second = next(reviews)["text"], next(reviews)["text"]
        yield {"text": f"{first} {second.rsplit(' ', 2)[0]}"}


def _articles(rng: random.Random) -> Iterator[Mapping[str, Any]]:
    """Short reports of four sentences; the summary is the fact that the sentences share."""
    while True:
        city, person = rng.choice(_CITIES), f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}"
        organisation, year = rng.choice(_ORGANISATIONS), rng.randrange(1950, 2020)
        job, instrument = rng.choice(_JOBS), rng.choice(_INSTRUMENTS)
        text = (
            f"{organisation} opened its new house in {city} in {year}. {person}, once a {job}, has run it since then. "
            f"Visitors remember the {instrument} in the hall and the long queue at the door. "
            f"The city council said that {organisation} would stay for at least {rng.randrange(5, 50)} years."
        )
        yield {"text": text, "summary": f"{person} runs the house of {organisation} in {city}."}


def _picture_prompts(rng: random.Random) -> Iterator[Mapping[str, Any]]:
    """Descriptions of pictures."""
    styles = ("a photograph", "an oil painting", "a pencil drawing", "a poster", "a watercolour", "a mosaic")
    lights = ("at dawn", "at night", "in the rain", "in bright sunlight", "in the fog", "under a full moon")
    while True:
        subject = f"a {rng.choice(_JOBS)} with a {rng.choice(_INSTRUMENTS)}"
        yield {"text": f"{rng.choice(styles)} of {subject} in {rng.choice(_CITIES)} {rng.choice(lights)}"}


_COLOURS = {"red": (220, 30, 30), "green": (20, 160, 60), "blue": (30, 60, 220), "yellow": (235, 210, 30)}
SHAPES = ("circle", "square", "triangle")
SCENE_PX = 64


def _scenes(rng: random.Random) -> Iterator[Mapping[str, Any]]:
    """Two coloured shapes on grey, with a caption and the boxes (x0, y0, x1, y1 in pixels) around them."""
    from PIL import Image, ImageDraw

    while True:
        image = Image.new("RGB", (SCENE_PX, SCENE_PX), (128, 128, 128))
        canvas = ImageDraw.Draw(image)
        boxes, words = [], []
        for left_px in (2, 34):
            size_px = rng.randrange(12, 28)
            x0, y0 = left_px + rng.randrange(0, 29 - size_px), rng.randrange(2, 62 - size_px)
            box = (x0, y0, x0 + size_px, y0 + size_px)
            shape, colour = rng.choice(SHAPES), rng.choice(list(_COLOURS))
            if shape == "circle":
                canvas.ellipse(box, fill=_COLOURS[colour])
            elif shape == "square":
                canvas.rectangle(box, fill=_COLOURS[colour])
            else:
                canvas.polygon(((x0, box[3]), (x0 + size_px / 2, y0), (box[2], box[3])), fill=_COLOURS[colour])
            boxes.append((shape, *box))
            words.append(f"a {colour} {shape}")
        yield {"image": image, "boxes": tuple(boxes), "text": " and ".join(words)}


def _digits(rng: random.Random) -> Iterator[Mapping[str, Any]]:
    """The 1,797 handwritten digits that come with scikit-learn (Alpaydin and Kaynak, UCI, 1998), 8 × 8 pixels."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = list(range(len(digits.target)))
    rng.shuffle(order)
    for digit_i in order:
        grey = np.asarray(digits.images[digit_i] * (255 / 16), dtype=np.uint8)
        yield {"image": Image.fromarray(grey).convert("RGB"), "label": str(digits.target[digit_i])}


def _text_key(row: Mapping[str, Any]) -> bytes:
    return str(row["text"]).encode()


def _pixels_key(row: Mapping[str, Any]) -> bytes:
    pixels: bytes = row["image"].tobytes()
    return pixels


CORPORA: dict[str, Corpus] = {
    "reviews": Corpus("sentences with a sentiment and a topic", _reviews, _text_key),
    "entities": Corpus(
        "sentences with persons, places and organisations", _entities, lambda row: " ".join(row["tokens"]).encode()
    ),
    "questions": Corpus("questions on a sentence of facts", _questions, lambda row: str(row["context"]).encode()),
    "cloze": Corpus("sentences with a word left out", _cloze, lambda row: str(row["sentence"]).encode()),
    "openings": Corpus("beginnings of a text", _openings, _text_key),
    "articles": Corpus("reports of four sentences", _articles, _text_key),
    "digits": Corpus("real handwritten digits", _digits, _pixels_key),
    "scenes": Corpus("drawn shapes with caption and boxes", _scenes, _pixels_key),
    "picture-prompts": Corpus("descriptions of pictures", _picture_prompts, _text_key),
}
