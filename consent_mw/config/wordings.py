"""Reads the alternative wordings of the notice, ``[wordings.NAME.LANG]``, among which visits are divided."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from types import MappingProxyType

from consent_mw.config.problems import ConfigReader
from consent_mw.config.schema import ID
from consent_mw.config.toml_lines import Path
from consent_mw.core.model import STANDARD_WORDING
from consent_mw.core.model import Site
from consent_mw.notice.languages import canonical

__all__ = ["read_wordings"]

#: The most wordings. With more, each would get so few visits that no difference would show for months.
MOST_WORDINGS = 3
#: The texts that a wording may have: words of the notice before an answer, and nothing else.
_WORDS = (
    *("banner.title", "banner.text", "banner.promise", "banner.responsible", "banner.services", "banner.privacy"),
    *("banner.always", "banner.counted", "banner.counted.more"),
    *("action.accept-all", "action.reject-all", "action.choose", "action.save", "action.continue"),
)
_PURPOSE = "purpose."

_Texts = Mapping[str, Mapping[str, str]]


def read_wordings(
    reader: ConfigReader, site: Site, given: object, read_texts: Callable[[ConfigReader, Path, object], _Texts]
) -> Mapping[str, _Texts]:
    """
    Return the wordings by name; record what would make their comparison dishonest or impossible.

    Args:
        site: The rest of the configuration.
        read_texts: Reads the texts of one wording at a path.
    """
    found: dict[str, _Texts] = {}
    for name, table in reader.pairs(("wordings",), given):
        path: Path = ("wordings", name)
        if not ID.fullmatch(name) or name == STANDARD_WORDING:
            what = f"{name!r} cannot be the name of a wording."
            reader.add_problem(path, what, f"Use lower-case letters, digits and hyphens, and not {STANDARD_WORDING!r}.")
        texts = found[name] = read_texts(reader, path, table)
        for lang in site.languages:
            if canonical(lang) not in texts:
                what = f"This wording has no texts in {lang!r}, so visitors would be counted who read the same words."
                reader.add_problem(path, what, f"Add [wordings.{name}.{lang}].")
        for lang, words in texts.items():
            for key in words:
                if key not in _WORDS and not key.startswith(_PURPOSE):
                    what = f"{key!r} is not a text of the notice before an answer."
                    reader.add_problem(
                        (*path, lang, key), what, "Move it to [texts], where it holds for every wording."
                    )
    if len(found) > MOST_WORDINGS:
        what = f"There are {len(found)} wordings; at most {MOST_WORDINGS} can be compared with the standard one."
        reader.add_problem(("wordings",), what, "Compare fewer of them at a time.")
    if found and site.caching != "private":
        what = f"With caching = {site.caching!r} caches would hand one wording to visitors of the other."
        reader.add_problem(("wordings",), what, 'Write caching = "private" while wordings are compared.')
    if found and site.counters == "off":
        what = "Without counts the wordings cannot be compared."
        reader.add_problem(("wordings",), what, 'Write counters = "all" or "granted".')
    return MappingProxyType(found)
