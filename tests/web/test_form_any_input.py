"""POST /choice: whatever is sent, it is answered, and an answer that is no choice leaves no cookie."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.choice import NoRecord
from tests.web.doubles import FORM
from tests.web.doubles import Visitor

REJECT = ("action", "reject-all")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["action", "purpose", "service", "back", "lang"]) | TEXT,
        st.sampled_from(["accept-all", "reject-all", "save", "withdraw", "analytics", "counter", "/x", "//x", "de"])
        | TEXT,
    ),
    max_size=12,
)


@given(FIELDS)
def test_no_form_breaks_the_server(fields: list[tuple[str, str]]) -> None:
    """Any fields get an answer that is not a server error, and only a 303 sets our cookie."""
    visitor = Visitor()
    answer = visitor.post(*fields)
    assert answer.status_code in (303, 400)
    assert (answer.status_code == 303) == ("__Host-cmw" in visitor.jar)


@given(st.binary(max_size=300))
def test_no_body_breaks_the_server(body: bytes) -> None:
    """Any bytes get an answer that is not a server error."""
    visitor = Visitor()
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert visitor.send("POST", "/choice", body=body, headers=headers, content_type=FORM).status_code in (303, 400)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_no_cookie_header_breaks_the_server(cookie: str) -> None:
    """Any cookies are no choice, and a refusal goes through."""
    visitor = Visitor(told={"Cookie": cookie})
    assert visitor.post(REJECT).status_code == 303
    assert visitor.holds() is not NoRecord.ABSENT
