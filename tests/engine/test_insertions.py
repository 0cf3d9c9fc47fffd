"""What is inserted is kept in pieces, and every page gets the very bytes that the notice would make for it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from consent_mw import config
from consent_mw.core.choice import Action
from consent_mw.core.choice import Decision
from consent_mw.core.choice import Reason
from consent_mw.core.choice import Record
from consent_mw.engine.insertions import Insertions
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage

SITE = config.load(
    {
        "site": {"languages": ["en", "de"]},
        "services": [{"use": "google-analytics"}, {"use": "meta-pixel"}, {"use": "youtube"}],
    }
)
NOTICE = Notice(SITE, Assets())
KEPT = Insertions(NOTICE)

IDS = [service.id for service in SITE.services]
PURPOSES = ["analytics", "marketing", "embeds", "necessary"]

texts = st.text(st.characters(codec="utf-8"), max_size=30)
records = st.builds(
    Record,
    action=st.sampled_from(Action),
    day=st.integers(0, 30_000),
    revision=st.just(SITE.revision),
    receipt=st.text("abc123", max_size=22),
)
decisions = st.builds(
    Decision,
    granted=st.frozensets(st.sampled_from(IDS)),
    purposes=st.frozensets(st.sampled_from(PURPOSES)),
    prompt=st.booleans(),
    reason=st.sampled_from(Reason),
    gpc=st.booleans(),
    record=st.none() | records,
)
pages = st.builds(
    NoticePage,
    decision=decisions,
    lang=st.sampled_from(SITE.languages),
    nonce=st.sampled_from(["", "abc123+/_-==", "x'y", 'a"b']) | texts,
    back=texts.map(lambda text: f"/{text}"),
    root=st.sampled_from(["/_cmw", "/prefix/_cmw", "//shop.example/_cmw"]),
    inline=st.booleans(),
    xml=st.booleans(),
    linked=st.booleans(),
    loads=st.booleans(),
    closed=st.booleans(),
    shared=st.booleans(),
    key=st.sampled_from(["", "0123456789abcdef", "fedcba9876543210"]),
    news=st.sampled_from(["", "What changed: <b> & more"]),
    utf8=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(page=pages)
def test_a_page_gets_what_the_notice_would_make_for_it(page: NoticePage) -> None:
    """Whatever the address, the nonce and all else are, nothing differs by a byte, and that twice."""
    for _ in range(2):
        assert KEPT.head(page) == NOTICE.head(page)
        assert KEPT.body(page) == NOTICE.insertion(page)


def test_visitors_with_equal_choices_share_what_is_kept() -> None:
    """Neither the receipt, nor the day, nor the address of a page makes an entry of its own."""
    kept = Insertions(NOTICE)
    decision = Decision(frozenset(IDS), frozenset(PURPOSES), False, Reason.CHOSEN)
    page = NoticePage(decision, "en", "", "/", "/_cmw")
    for number in range(50):
        record = Record(Action.ACCEPT, number, SITE.revision, receipt=f"receipt-{number}")
        kept.body(replace(page, decision=replace(decision, record=record), back=f"/page-{number}", nonce=f"n{number}"))
    assert len(kept._kept) == 1


def test_what_is_kept_is_bounded_in_bytes_and_entries() -> None:
    """However many hosts and paths visitors make up, no more is kept than stated."""
    kept = Insertions(NOTICE)
    decision = Decision(frozenset(), frozenset(), True, Reason.ABSENT)
    for number in range(400):
        kept.body(NoticePage(decision, "en", "", "/", f"//host-{number}.example/_cmw"))
    assert len(kept._kept) <= 256
    assert kept._kept.size <= 4_194_304
