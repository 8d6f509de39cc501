"""The prose of the product avoids turns of phrase that make readers stop; BANNED lists them with better words.

Names and quoted words are not prose, so a pattern describes a turn as it stands in a sentence. If one of them is right
after all, make its pattern narrower.
"""

import re
from pathlib import Path

import pytest

from checks.files import FILES
from stackcli.common.paths import ROOT

# A turn, as a regular expression on one line → what to write instead.
BANNED = {
    r"\b(for|to|of|from|by|with|than|hear|counts) who \w+s\b": "a head: `for clients that send`",
    r"(^|[.;:#\"] *)[Ww]ho (asks|sends|signs|forces|wants|comes|follows|reads|traces|observes|serves)\b(?![^.]*\?)": (
        "a head: `whoever sends`, `clients that send`"
    ),
    r"\band who (observes|observe|watches)\b": "a head: `and the observers`",
    r"(?<![\"'*`:|-])(?<!: )(?<!\| )\b[Nn]obody\b(?![\"'*`|-])": "what does happen, or `no client`, `no user`",
    r"\b[Ss]omebody else's\b": "`another program's`, `another user's`",
    r"\banew\b": "`again`, or a verb with re-: `restart`, `retrain`",
    r"\bof (its|their|our|his) own(?=[.,;:)\"'`]|$| (in|and|from|that|which|on|as|for|with|is|would|to|at|by)\b)": (
        "`its own …`, `a separate …`"
    ),
    r"^(?!.*\bnot\b).*\bbut for\b": "`except for`",
    r"\b[Ss]o long\b(?! (as|ago|that)\b)": "`this long`, `how long`, or the duration",
    r"\b[Ss]o many\b(?!.*\bthat\b)": "`this many`, `how many`, or the number",
    r"\bbe had\b(?! to\b)": "`is available`, `can be pulled`",
    r"\b(does|do|did) well(?=[.,;:)\"]|$)": "`is healthy`, `succeeds`",
    r"\bhow (it|they) (does|do)(?=[.,;:)\"]|$)": "`its health`, `its state`",
    r"\b(that|which) (is|are) \w+ neither(?=[.;\"]|$)": "`not … either`, or `also` with the positive word",
    r"\bfor want of\b": "`without`, `because there is no`",
    r"\b[Bb]eside (localhost|eager|others?\b|the (others?|standard library|damage)\b)": (
        "`besides` (in addition), `alongside`, `next to`, `compared with`"
    ),
    r"\bas good as (no|none|nothing|never|nobody|always)\b": "`almost`, `hardly`",
    r"\b(the|a) (ones?|versions?) before(?=[.,;:)\"'`]|$)": "`the previous one`",
    r"\b(one|version) before (is|are|was|were|stays)\b": "`the previous one`",
    r"\b(looks?|looking) on(?=[.,;:)\"]|$)": "`watches`",
    r"\bwhat (observes|serves)( (comes|goes|has|is|reaches|runs|shares|waits)\b|[.…])": (
        "`the observability services`, `the serving containers`, `TorchServe`"
    ),
    r"\bmost often right\b": "`most accurate`",
    r"\bFor machines\b": "`Print JSON`",
    r"\bis looked (whether|at whether|for)\b": "`checks whether`",
    r"\b(one of both|both others)\b": "`one of the two`, `the other two`",
    r"\bin the order of time\b": "`in time order`",
    r"\bfor ever\b": "`forever`",
    r"\bin the place of (an?|its|their|the (median|one)|those|what)\b": "`instead of`",
}
# The paths that are checked. CONTRIBUTING.md quotes the turns that it advises against.
CHECKED = (
    *("scripts", "contract", "docker", "model_src", "tests", "benchmarks", "kubernetes", "docs"),
    *("README.md", "CHANGELOG.md", "config.properties", ".env.example"),
    *(path.name for path in ROOT.glob("compose*.yaml")),
)
PROSE = {"", ".css", ".example", ".html", ".j2", ".java", ".js", ".md", ".properties", ".py", ".sh", ".yaml", ".yml"}


def is_checked(path: Path) -> bool:
    is_revised = any(path.is_relative_to(ROOT / start) for start in CHECKED)
    return is_revised and path.suffix in PROSE and path != Path(__file__)


def turns_in(text: str) -> list[str]:
    """Each banned turn with its line's number and what to write instead."""
    return [
        f"{number}: {found[0]!r}: write {better}"
        for number, line in enumerate(text.splitlines(), 1)
        for turn, better in BANNED.items()
        if (found := re.search(turn, line))
    ]


def test_no_text_has_a_banned_turn() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{turn}"
        for path in FILES
        if is_checked(path)
        for turn in turns_in(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "It asks nobody for their health.",
        "Who sends it stays with one version.",
        "A little more, so that for who asks every two seconds it has ten.",
        "trains nothing anew (`--force`, and a signing key, do)",
        "a compose project of its own",
        "for what they cannot be had",
        "So long its last words may take",
        "From now on it opens nothing, on connections that are open neither.",
        "what is served and how it does",
        "where there is none, go back to the version before",
    ],
)
def test_each_of_these_sentences_is_refused(text: str) -> None:
    assert turns_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "the user who owns the model store",
        "Prints who asked for which name.",
        "Who may call what through the edge?",
        "a canary that is as good as the stable version",
        "as long as HAProxy answers, not so long ago",
        "so many clients that the queue is full",
        "not for speed but for safety",
        "the example of its own documentation",
        "the version before 2.0 and the one before it",
        '"nobody": None',
        "neither an update nor a drained node",
    ],
)
def test_good_english_is_not(text: str) -> None:
    assert not turns_in(text)
