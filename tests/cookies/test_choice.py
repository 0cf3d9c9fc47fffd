"""
The cookie of a choice: its names, and that only what this site signed counts.

Long because each way in which a cookie may be wrong has its own test.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.cookies.choice import CookieJar
from consent_mw.core.choice import Action
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Record
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.errors import ConsentError
from consent_mw.http.request import RequestHead

ROOT = Path(__file__).resolve().parents[2]
OLD = "old-" + "k" * 32
NEW = "new-" + "k" * 32


def service(name: str, *cookies: str) -> Service:
    """Return a service that sets ``cookies``."""
    return Service(id=name, name=name, vendor="V", purposes=("analytics",), cookies=cookies)


SITE = Site(name="Shop", services=(service("stats"), service("pixel")))
GRANT = Record(
    action=Action.PARTIAL,
    day=20_779,
    revision=SITE.revision,
    purposes=frozenset({"analytics", "my-own"}),
    services=frozenset({"stats", "pixel"}),
    receipt="Zm9v-_YmFy0123456789AB",
    gpc=True,
)
REFUSAL = Record(action=Action.REJECT, day=20_779, revision=SITE.revision)


def head(*cookies: str, scheme: str = "https", host: str = "shop.example") -> RequestHead:
    """Return a request that carries ``cookies``, one header each."""
    return RequestHead("GET", scheme, host, "/", "", tuple(("cookie", cookie) for cookie in cookies))


def jar(*keys: str, site: Site = SITE) -> CookieJar:
    """Return a jar that knows ``keys``."""
    return CookieJar(site, keys or (NEW,))


def cookie(record: Record = GRANT, made_by: CookieJar | None = None) -> str:
    """Return ``name=token`` as a browser sends it back."""
    return (made_by or jar()).set_cookie(record, head()).partition(";")[0]


TOKEN = cookie().partition("=")[2]


# -- what comes back


@pytest.mark.parametrize("record", [GRANT, REFUSAL, replace(GRANT, action=Action.WITHDRAW, services=frozenset())])
def test_a_record_comes_back_as_it_was_set(record: Record) -> None:
    """Day, revision, action, grants, receipt and signal survive the way through the browser."""
    assert jar().read(head(cookie(record))) == record


def test_a_token_has_three_readable_parts() -> None:
    """The payload is plain text, in a fixed order, without a character that would need quoting."""
    version, payload, mac = TOKEN.split(".")
    assert (version, payload, len(mac)) == (
        "1",
        f"partial~20779~{SITE.revision}~1~analytics_my-own~pixel_stats~Zm9v-_YmFy0123456789AB",
        43,
    )


def test_two_refusals_on_a_day_are_the_same_bytes() -> None:
    """A refusal carries nothing of the visitor, whatever the caller put into the record."""
    other = replace(REFUSAL, receipt="r" * 22, gpc=True, purposes=frozenset({"analytics"}))
    assert jar().set_cookie(other, head()) == jar().set_cookie(REFUSAL, head())


def test_the_order_of_grants_does_not_show() -> None:
    """The same choice is the same token, in whatever order it was put together."""
    again = replace(GRANT, services=frozenset(["pixel", "stats"]), purposes=frozenset(["my-own", "analytics"]))
    assert cookie(again) == cookie()


def test_the_cookie_has_every_attribute_on_https() -> None:
    """The ``__Host-`` prefix demands Secure, Path=/ and no Domain; scripts and other sites are kept away."""
    value = jar().set_cookie(GRANT, head())
    assert value == f"__Host-cmw={TOKEN}; Path=/; Max-Age=15552000; SameSite=Lax; HttpOnly; Secure"


def test_the_cookie_lives_as_long_as_the_choice() -> None:
    """Max-Age follows choice_days."""
    value = jar(site=replace(SITE, choice_days=2)).set_cookie(GRANT, head())
    assert "; Max-Age=172800;" in value


# -- names


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:5000", "localhost.", "shop.localhost:80", "127.0.0.1:5000", "127.9.9.9", "[::1]:8000"],
)
def test_http_on_this_machine_has_a_plain_name(host: str) -> None:
    """Development on plain http works, without the prefix and without Secure."""
    value = jar().set_cookie(GRANT, head(scheme="http", host=host))
    assert value == f"cmw={TOKEN}; Path=/; Max-Age=15552000; SameSite=Lax; HttpOnly"


@pytest.mark.parametrize(
    "host",
    [
        "shop.example",
        "localhost.evil.example",
        "notlocalhost",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "[::2]",
        "",
        "[:::",
    ],
)
def test_http_elsewhere_keeps_no_choice(host: str) -> None:
    """On plain http anybody could forge or read a choice, so there is no name, and nothing is read."""
    request = head(f"cmw={TOKEN}", f"__Host-cmw={TOKEN}", scheme="http", host=host)
    assert (jar().name(request), jar().read(request)) == (None, NoRecord.ABSENT)


def test_http_elsewhere_cannot_set_a_choice() -> None:
    """To set one all the same is an error that names the setting."""
    with pytest.raises(ConsentError, match="allow_insecure_http"):
        jar().set_cookie(GRANT, head(scheme="http"))


def test_http_elsewhere_may_be_allowed() -> None:
    """An owner may say that plain http has to do."""
    allowed = jar(site=replace(SITE, allow_insecure_http=True))
    assert allowed.read(head(f"cmw={TOKEN}", scheme="http")) == GRANT


@pytest.mark.parametrize("host", ["shop.example", "localhost"])
def test_the_plain_name_is_ignored_on_https(host: str) -> None:
    """A sibling subdomain can plant an unprefixed cookie, so on https it counts nowhere."""
    assert jar().read(head(f"cmw={TOKEN}", host=host)) is NoRecord.ABSENT


# -- what does not count


def test_no_cookie_is_no_record() -> None:
    """A request without the cookie has none, among whatever others."""
    assert jar().read(head("a=b; c; =d;;", "__host-cmw=x")) is NoRecord.ABSENT


def test_the_cookie_is_found_among_others() -> None:
    """Other cookies, odd spacing and several headers do not hide it."""
    assert jar().read(head("a=b", f"c=d;\t__Host-cmw={TOKEN} ;e")) == GRANT


@pytest.mark.parametrize(
    "cookies", [(f"__Host-cmw={TOKEN}; __Host-cmw={TOKEN}",), (f"__Host-cmw={TOKEN}", "__Host-cmw=")]
)
def test_two_cookies_of_the_name_are_a_duplicate(cookies: tuple[str, ...]) -> None:
    """Which of two is the visitor's cannot be known, even where both are the same."""
    assert jar().read(head(*cookies)) is NoRecord.DUPLICATE


@pytest.mark.parametrize(("length", "why"), [(4096, NoRecord.MALFORMED), (4097, NoRecord.OVERSIZE)])
def test_an_oversize_cookie_is_not_looked_at(length: int, why: NoRecord) -> None:
    """Longer than a browser keeps is not even parsed."""
    assert jar().read(head("__Host-cmw=" + "a" * length)) is why


@pytest.mark.parametrize(
    "token",
    [
        "",
        "1",
        "1..",
        TOKEN + ".",
        TOKEN + "=",
        f'"{TOKEN}"',
        TOKEN.replace("1.", "2.", 1),
        TOKEN.replace("1.", "01.", 1),
        TOKEN.replace("~", "%7E"),
        TOKEN.replace("~", "~ "),
        TOKEN.replace("a", "ä"),
        TOKEN + "\udc80",
    ],
)
def test_a_malformed_cookie_is_no_record(token: str) -> None:
    """What has not the one shape of a token is refused before any key is used."""
    assert jar().read(head(f"__Host-cmw={token}")) is NoRecord.MALFORMED


@pytest.mark.parametrize(
    "signer",
    [
        jar(OLD),
        jar(site=replace(SITE, name="Other shop")),
        jar(site=replace(SITE, mount="/other")),
    ],
    ids=["another key", "another site", "another mount"],
)
def test_a_token_of_somebody_else_is_forged(signer: CookieJar) -> None:
    """Another key, another site with the same key, and another mount of the same site all sign differently."""
    assert jar().read(head(cookie(made_by=signer))) is NoRecord.FORGED


def test_an_edited_payload_is_forged() -> None:
    """The signature covers the readable part."""
    edited = cookie(REFUSAL).replace("reject", "accept")
    assert jar().read(head(edited)) is NoRecord.FORGED


def test_no_changed_bit_is_accepted() -> None:
    """Each bit of the token matters, the spare bits of its last character too."""
    for place in range(len(TOKEN)):
        for bit in range(8):
            changed = TOKEN[:place] + chr(ord(TOKEN[place]) ^ 1 << bit) + TOKEN[place + 1 :]
            assert isinstance(jar().read(head(f"__Host-cmw={changed}")), NoRecord), changed


def test_no_shorter_token_is_accepted() -> None:
    """A token cut anywhere is no record."""
    assert not [n for n in range(len(TOKEN)) if isinstance(jar().read(head(f"__Host-cmw={TOKEN[:n]}")), Record)]


@pytest.mark.parametrize(
    "payload", ["maybe~1~000000000000~0~~~", "accept~1~000000000000~0~~Bx~", "accept~01~000000000000~0~~~"]
)
def test_a_signed_payload_of_another_version_is_malformed(payload: str) -> None:
    """What some other version of this software signed is refused where it cannot be read."""
    signed = jar()._signer.sign(f"1.{payload}").decode()
    assert jar().read(head(f"__Host-cmw={signed}")) is NoRecord.MALFORMED


@given(st.binary(max_size=300))
def test_no_bytes_raise(raw: bytes) -> None:
    """Any bytes in a Cookie header, in either of the ways that servers decode them, give no record."""
    for text in (raw.decode("latin-1"), raw.decode("utf-8", "surrogateescape")):
        for value in (text, f"__Host-cmw={text}", f"__Host-cmw=1.{text}.{'A' * 43}"):
            assert isinstance(jar().read(head(value)), NoRecord)


@given(st.text(max_size=30), st.sampled_from(["http", "https", "ws", ""]))
def test_no_host_raises(host: str, scheme: str) -> None:
    """Any Host header has a name or none."""
    assert jar().name(head(scheme=scheme, host=host)) in ("__Host-cmw", "cmw", None)


IDS = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,6}){0,2}", fullmatch=True)
RECORDS = st.builds(
    Record,
    action=st.sampled_from([Action.ACCEPT, Action.PARTIAL, Action.WITHDRAW]),
    day=st.integers(-1, 999_999),
    revision=st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    purposes=st.frozensets(IDS, max_size=6),
    services=st.frozensets(IDS, max_size=30),
    receipt=st.from_regex(r"[A-Za-z0-9_-]{0,64}", fullmatch=True),
    gpc=st.booleans(),
)


@given(RECORDS)
def test_any_record_comes_back(record: Record) -> None:
    """Every record that can stand in a cookie survives it, in characters that need no quoting, and in bounds."""
    value = cookie(record)
    assert re.fullmatch(r"__Host-cmw=1\.[A-Za-z0-9~_-]+\.[A-Za-z0-9_-]{43}", value)
    assert len(value.partition("=")[2]) <= 3500
    assert jar().read(head(value)) == record


# -- size


MANY = Site(name="Shop", services=tuple(service(f"a-service-with-a-rather-long-name-{n}") for n in range(500)))
SOME = frozenset(f"a-service-with-a-rather-long-name-{n}" for n in range(0, 500, 3))


def test_a_long_list_of_grants_still_fits() -> None:
    """A choice among hundreds of services keeps within the bound and comes back whole."""
    record = replace(GRANT, revision=MANY.revision, services=SOME)
    value = cookie(record, jar(site=MANY))
    assert len(value) < 500
    assert jar(site=MANY).read(head(value)) == record


def test_a_long_list_of_grants_means_nothing_at_another_revision() -> None:
    """The short form can only be read beside its own list of services; elsewhere it grants none."""
    value = cookie(replace(GRANT, revision=MANY.revision, services=SOME), jar(site=MANY))
    found = jar().read(head(value))
    assert isinstance(found, Record)
    assert found.services == frozenset()


def test_a_record_that_fits_in_no_cookie_is_an_error() -> None:
    """Rather than cut a choice short, the jar refuses to write it."""
    with pytest.raises(ConsentError, match="167 services"):
        jar().set_cookie(replace(GRANT, services=SOME), head())


@pytest.mark.parametrize("field", ["receipt", "revision"])
def test_a_record_cannot_carry_other_attributes(field: str) -> None:
    """What could leave the cookie's value is refused, whoever passes it in."""
    with pytest.raises(ConsentError, match="cannot stand in a cookie"):
        jar().set_cookie(replace(GRANT, **{field: "x; Domain=evil"}), head())  # type: ignore[arg-type]


# -- rotation and memory


def test_the_newest_key_signs() -> None:
    """With two keys the token is that of the last alone."""
    assert cookie(made_by=jar(OLD, NEW)) == cookie(made_by=jar(NEW))


def test_an_older_key_still_verifies() -> None:
    """After a rotation the choices of the old key stand, until that key is taken away."""
    old = cookie(made_by=jar(OLD))
    assert (jar(OLD, NEW).read(head(old)), jar(NEW).read(head(old))) == (GRANT, NoRecord.FORGED)


def test_a_remembered_token_gives_the_same_record() -> None:
    """The second look at a token gives what the first gave."""
    one = jar()
    assert one.read(head(cookie())) == one.read(head(cookie())) == GRANT


def test_the_memory_of_tokens_is_bounded() -> None:
    """Many visitors do not make the process grow, and forgeries are not remembered at all."""
    one = jar()
    for day in range(600):
        one.read(head(cookie(replace(GRANT, day=day))))
    one.read(head(cookie(made_by=jar(OLD))))
    assert len(one._verified) == 512
    assert one._verified.size < 1_000_000


def test_a_site_that_has_grown_keeps_its_keys() -> None:
    """A jar for the larger site reads what the smaller one wrote."""
    assert jar().grown(replace(SITE, services=(*SITE.services, service("more")))).read(head(cookie())) == GRANT


# -- a choice that subdomains share

SHARED = replace(SITE, cookie_domain="shop.example")
WWW = "www.shop.example"


def shared_head(*cookies: str, host: str = WWW, scheme: str = "https") -> RequestHead:
    """Return a request to a host of the shared domain."""
    return head(*cookies, host=host, scheme=scheme)


def test_a_shared_choice_counts_on_every_subdomain() -> None:
    """What was chosen on one host is read on the others, and on the domain itself."""
    shared = jar(site=SHARED)
    kept = shared.set_cookie(GRANT, shared_head()).partition(";")[0]
    hosts = [WWW, "shop.example", "a.b.shop.example:8443", "SHOP.example."]
    assert [shared.read(shared_head(kept, host=host)) for host in hosts] == [GRANT] * 4


def test_a_shared_cookie_names_its_domain() -> None:
    """The cookie is for the domain, and only https may set it; its name says so, since ``__Host-`` allows none."""
    value = jar(site=SHARED).set_cookie(GRANT, shared_head())
    assert re.fullmatch(
        r"__Secure-cmw=[^;]+; Path=/; Max-Age=15552000; SameSite=Lax; Domain=shop\.example; HttpOnly; Secure", value
    )


@pytest.mark.parametrize("host", ["other.example", "eshop.example", "shop.example.org", "203.0.113.7", "", "example"])
def test_a_host_outside_the_domain_keeps_its_choice_for_itself(host: str, caplog: pytest.LogCaptureFixture) -> None:
    """Browsers take a cookie for the domain from no other host: there the choice is that host's; the log says so."""
    shared = jar(site=SHARED)
    values = [shared.set_cookie(GRANT, shared_head(host=host)) for _ in range(2)]
    assert [value.startswith("__Host-cmw=") and "Domain" not in value for value in values] == [True, True]
    assert caplog.text.count("outside cookie_domain") == 1
    assert shared.leftovers(shared_head(values[0].partition(";")[0], host=host)) == []


def test_a_choice_of_one_host_counts_until_a_shared_one_is_made() -> None:
    """When an owner begins to share, nobody is asked again where they have answered; the shared answer is the later."""
    shared = jar(site=SHARED)
    old = cookie(GRANT)
    new = shared.set_cookie(REFUSAL, shared_head()).partition(";")[0]
    assert old.startswith("__Host-cmw=")
    assert [shared.read(shared_head(old)), shared.read(shared_head(old, new))] == [GRANT, REFUSAL]


def test_a_shared_choice_that_is_wrong_does_not_give_way_to_an_older_one() -> None:
    """A cookie that another subdomain overwrote counts as no choice, not as the one before it."""
    assert jar(site=SHARED).read(shared_head(cookie(GRANT), "__Secure-cmw=nonsense")) is NoRecord.MALFORMED


def test_without_the_setting_a_shared_choice_counts_no_more() -> None:
    """An owner who ends the sharing asks again: the cookie of all hosts is nobody's word for this one alone."""
    kept = jar(site=SHARED).set_cookie(GRANT, shared_head()).partition(";")[0]
    assert jar().read(shared_head(kept)) is NoRecord.ABSENT


def test_a_new_shared_choice_takes_the_old_ones_away() -> None:
    """What was kept for this host goes with the first choice for all; where nothing arrived, nothing is sent."""
    shared = jar(site=SHARED)
    assert shared.leftovers(shared_head("__Host-cmw=1", "__Host-cmw-state=accept", "other=1")) == [
        "__Host-cmw=; Path=/; Max-Age=0; Secure",
        "__Host-cmw-state=; Path=/; Max-Age=0; Secure",
    ]
    assert shared.leftovers(shared_head()) == []


def test_a_cookie_that_a_subdomain_put_beside_goes() -> None:
    """Two shared cookies count as none; the next choice takes away what is not for the whole domain."""
    shared = jar(site=SHARED)
    two = shared_head("__Secure-cmw=1", "__Secure-cmw=2", host="a.b.shop.example")
    assert shared.read(two) is NoRecord.DUPLICATE
    assert shared.leftovers(two) == [
        "__Secure-cmw=; Path=/; Max-Age=0; Secure",
        "__Secure-cmw=; Path=/; Max-Age=0; Domain=b.shop.example; Secure",
        "__Secure-cmw=; Path=/; Max-Age=0; Domain=a.b.shop.example; Secure",
    ]


def test_the_readable_cookie_is_shared_too() -> None:
    """Caches and scripts of every subdomain see the class of the choice."""
    shared = jar(site=SHARED)
    value = shared.readable_cookie("reject-0123abcd", shared_head())
    assert value == (
        "__Secure-cmw-state=reject-0123abcd; Path=/; Max-Age=15552000; SameSite=Lax; Domain=shop.example; Secure"
    )
    assert (
        shared.readable(shared_head("__Host-cmw-state=own-0123abcd", "__Secure-cmw-state=reject-0123abcd"))
        == "reject-0123abcd"
    )
    assert shared.readable(shared_head("__Host-cmw-state=own-0123abcd")) == "own-0123abcd"


def test_sharing_works_on_this_machine() -> None:
    """While developing, hosts under a name of localhost share by the plain cookie; plain localhost has its own."""
    shared = jar(site=replace(SITE, cookie_domain="shop.localhost"))
    names = [
        shared.set_cookie(GRANT, head(scheme="http", host=host)) for host in ("a.shop.localhost:5000", "localhost:5000")
    ]
    assert [(name.startswith("cmw="), "; Domain=shop.localhost" in name) for name in names] == [
        (True, True),
        (True, False),
    ]


# -- several projects on one machine


def test_two_projects_on_one_machine_keep_two_choices() -> None:
    """Cookies do not know ports: the second project finds another's token and adds its port to the name."""
    first, second = jar(NEW), jar(OLD, site=replace(SITE, name="Blog"))
    one, two = (replace(head(scheme="http"), host=f"localhost:{port}") for port in (8000, 8001))
    kept = first.set_cookie(GRANT, one).partition(";")[0]
    assert kept.startswith("cmw=")
    both = kept + "; " + second.set_cookie(GRANT, replace(two, headers=(("cookie", kept),))).partition(";")[0]
    assert "; port8001-cmw=" in both
    arrived = (("cookie", both),)
    assert first.read(replace(one, headers=arrived)) == GRANT
    assert second.read(replace(two, headers=arrived)) == GRANT


def test_a_project_that_was_there_first_keeps_the_plain_name() -> None:
    """Its own token stands under the plain name, so a new choice replaces it there."""
    one = replace(head(scheme="http"), host="127.0.0.1:5000")
    kept = jar().set_cookie(GRANT, one).partition(";")[0]
    assert jar().set_cookie(REFUSAL, replace(one, headers=(("cookie", kept),))).startswith("cmw=")


def test_a_token_under_the_port_gives_way_to_no_other_choice_of_its_project() -> None:
    """A choice under the port's name is replaced under that name, also once the other project is gone."""
    one = replace(head(scheme="http"), host="[::1]:8001")
    token = cookie(made_by=jar()).partition("=")[2]
    found = replace(one, headers=(("cookie", f"port8001-cmw={token}"),))
    assert jar().read(found) == GRANT
    assert jar().set_cookie(REFUSAL, found).startswith("port8001-cmw=")


@pytest.mark.parametrize("host", ["shop.example:8001", "localhost", "localhost:x", "localhost:999999"])
def test_only_ports_of_this_machine_change_a_name(host: str) -> None:
    """Elsewhere, and without a port, a foreign token stays a forgery under the one name."""
    forged = f"cmw={TOKEN}; __Host-cmw={TOKEN}"
    for scheme in ("https", "http"):
        sent = RequestHead("GET", scheme, host, "/", "", (("cookie", forged),))
        assert jar(OLD, site=replace(SITE, allow_insecure_http=True)).name(sent) in ("cmw", "__Host-cmw")
