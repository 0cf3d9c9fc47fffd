"""
The configuration: its meaning, and an error with place and remedy for every mistake.

Long because most of it is tables, with one row for each mistake that an owner can make.
"""

from __future__ import annotations

import operator
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw import config
from consent_mw.core.model import Annotation
from consent_mw.core.model import Change
from consent_mw.core.model import Purpose
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.core.model import Theme
from consent_mw.core.model import VendorSignals
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem
from consent_mw.public_suffix import is_public_suffix

ROOT = Path(__file__).resolve().parents[2]

CATALOGUE = {
    "google-analytics": Service(
        id="google-analytics",
        name="Google Analytics",
        vendor="Google Ireland Ltd",
        purposes=("analytics",),
        hosts=("google-analytics.com", "www.googletagmanager.com/gtag/js?id=G-"),
        inline=("ga('create'", "gtag("),
        cookies=("_ga",),
        country="US",
        tracker=True,
    ),
    "matomo": Service(
        id="matomo", name="Matomo", vendor="The site", purposes=("analytics",), paths=("/matomo.php?",), tracker=True
    ),
    "ads": Service(
        id="ads", name="Ads", vendor="A", purposes=("marketing",), hosts=("ads.*/pagead", "x.cdn.example"), tracker=True
    ),
    "youtube": Service(
        id="youtube", name="YouTube", vendor="G", purposes=("embeds",), hosts=("youtube.com",), embed=True
    ),
    "stripe": Service(id="stripe", name="Stripe", vendor="S", purposes=("necessary",), hosts=("js.stripe.com",)),
}

OWN = {"id": "house-stats", "vendor": "Us", "purposes": ["analytics"]}


def load(source: None | str | os.PathLike[str] | Mapping[str, object]) -> Site:
    """Load with the small catalogue and an empty environment."""
    return config.load(source, catalogue=CATALOGUE, environ={})


def problems(source: None | str | os.PathLike[str] | Mapping[str, object]) -> list[Problem]:
    """Return the problems of ``source``."""
    with pytest.raises(ConfigError) as caught:
        load(source)
    return list(caught.value.problems)


def problem(source: None | str | os.PathLike[str] | Mapping[str, object]) -> Problem:
    """Return the one problem of ``source``."""
    found = problems(source)
    assert len(found) == 1, found
    return found[0]


def service(**keys: object) -> dict[str, object]:
    """Return a configuration with one service that the owner defines."""
    return {"services": [{**OWN, **keys}]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of the configuration file."""
    return tmp_path / "consent.toml"


# -- the meaning of a valid configuration


def test_no_configuration_stands_on_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a configuration there are the five purposes, learning, and a database in the current folder."""
    monkeypatch.chdir(tmp_path)
    names = ("necessary", "preferences", "analytics", "marketing", "embeds")
    assert config.load() == Site(
        records=f"sqlite:///{tmp_path}/consent.db",
        purposes=tuple(Purpose(name, required=name == "necessary") for name in names),
        learning=True,
    )


def test_the_form_of_the_design_is_read_whole(file: Path) -> None:
    """A complete file gives the site that it describes."""
    file.write_text(
        """
        [site]
        name = "Portrait Shop"
        controller = "Portrait Shop Ltd, London"
        contact = "https://example.org/support"
        privacy_policy = "/privacy"
        supervisory_authority = "https://ico.org.uk"
        keys_env = "SHOP_KEYS"
        records = "sqlite:///data/consent.db"
        unknown = "hold"
        caching = "private"
        release = "reload"
        reopen = "link"
        mount = "/privacy/cmw"
        choice_days = 90
        record_days = 365
        hold_back = 65536
        allow_insecure_http = true
        languages = ["de", "en"]

        [purposes.analytics]
        label.en = "Statistics"
        description.en = "Which parts of the site are used."
        [purposes.support]
        label = "Hilfe"

        [[services]]
        use = "google-analytics"
        retention_days = 90

        [[services]]
        id = "house-stats"
        vendor = "Portrait Shop Ltd"
        purposes = ["analytics", "support"]
        hosts = ["stats.example.org", "Bücher.Example/Pfad"]
        inline = ["houseStats("]
        cookies = ["hs_*"]
        country = "GB"
        safeguard = "adequacy"
        retention_days = 540
        lawful_basis = "consent"
        """,
        encoding="utf-8",
    )
    site = load(file)
    assert site == Site(
        name="Portrait Shop",
        controller="Portrait Shop Ltd, London",
        contact="https://example.org/support",
        privacy_policy="/privacy",
        supervisory_authority="https://ico.org.uk",
        keys_env="SHOP_KEYS",
        records=f"sqlite:///{file.parent}/data/consent.db",
        unknown="hold",
        caching="private",
        release="reload",
        reopen="link",
        mount="/privacy/cmw",
        choice_days=90,
        record_days=365,
        hold_back=65536,
        allow_insecure_http=True,
        languages=("de", "en"),
        purposes=(
            Purpose("necessary", required=True),
            Purpose("preferences"),
            Purpose("analytics", {"en": "Statistics"}, {"en": "Which parts of the site are used."}),
            Purpose("marketing"),
            Purpose("embeds"),
            Purpose("support", {"de": "Hilfe"}),
        ),
        services=(
            Service(
                id="google-analytics",
                name="Google Analytics",
                vendor="Google Ireland Ltd",
                purposes=("analytics",),
                hosts=("google-analytics.com", "www.googletagmanager.com/gtag/js?id=G-"),
                inline=("ga('create'", "gtag("),
                cookies=("_ga",),
                country="US",
                tracker=True,
                retention_days=90,
            ),
            Service(
                id="house-stats",
                name="House stats",
                vendor="Portrait Shop Ltd",
                purposes=("analytics", "support"),
                hosts=("stats.example.org", "xn--bcher-kva.example/Pfad"),
                inline=("houseStats(",),
                cookies=("hs_*",),
                country="GB",
                safeguard="adequacy",
                retention_days=540,
            ),
        ),
        learning=False,
    )


def test_a_mapping_says_the_same_as_a_file(file: Path) -> None:
    """The same keys as a Python mapping, tuples included, give the same services."""
    file.write_text('[[services]]\nuse = "youtube"\nhosts = ["video.example"]\n', encoding="utf-8")
    mapping = {"services": ({"use": "youtube", "hosts": ("video.example",)},)}
    assert load(mapping).services == load(file).services


def test_signs_beside_use_add_to_the_catalogue() -> None:
    """An owner's own host for a tracker must not stop its usual hosts from being held."""
    site = load({"services": [{"use": "youtube", "hosts": ["video.example", "youtube.com"]}]})
    assert site.services[0].hosts == ("youtube.com", "video.example")


def test_other_fields_beside_use_replace_the_catalogue() -> None:
    """A field that is not a sign replaces the catalogue's value."""
    site = load({"services": [{"use": "youtube", "purposes": ["marketing"], "vendor": "YT"}]})
    assert (site.services[0].purposes, site.services[0].vendor) == (("marketing",), "YT")


@pytest.mark.parametrize(
    ("source", "learning"),
    [({}, True), ({"services": []}, True), ({"site": {"name": "x"}}, True), (service(), False)],
)
def test_a_site_learns_where_no_service_is_declared(source: Mapping[str, object], learning: bool) -> None:
    """A site learns if and only if there is no [[services]]."""
    assert load(source).learning is learning


def test_an_absolute_database_stays_where_it_is(file: Path) -> None:
    """Four slashes start an absolute path, independent of the configuration's folder."""
    file.write_text('[site]\nrecords = "sqlite:////var/lib/site/c.db"\n', encoding="utf-8")
    assert load(file).records == "sqlite:////var/lib/site/c.db"


def test_a_relative_database_of_a_mapping_is_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a file, paths are relative to the current folder."""
    monkeypatch.chdir(tmp_path)
    assert load({"site": {"records": "sqlite:///c.db"}}).records == f"sqlite:///{tmp_path}/c.db"


def test_a_byte_order_mark_is_no_mistake(file: Path) -> None:
    """A file with a UTF-8 byte order mark can be read."""
    file.write_bytes(b'\xef\xbb\xbf[site]\nname = "x"\n')
    assert load(file).name == "x"


def test_the_catalogue_is_not_read_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site without services starts without reading the catalogue."""
    monkeypatch.setattr(config, "load_catalogue", lambda: pytest.fail("read"))
    assert config.load({"site": {"name": "x"}}).services == ()


def test_the_built_in_catalogue_is_used_by_default() -> None:
    """By default, ``use`` names the built-in services."""
    assert config.load({"services": [{"use": "google-analytics"}]}).services[0].tracker is True


# -- mistakes in the file


def test_every_mistake_is_told_at_once_in_order_of_place(file: Path) -> None:
    """One error lists all problems, each with file, line and dotted place."""
    file.write_text(
        """\
[site]
nmae = "Shop"
choice_days = 401

[[services]]
use = "google-analytic"

[[services]]
id = "house-stats"
vendor = "Us"
purposes = ["analytics", "statistic"]
hosts = [
  "https://a.example/x",
  "b.example:8080",
]
""",
        encoding="utf-8",
    )
    assert [str(found) for found in problems(file)] == [
        f"{file}:2: site.nmae: This key is not known. Did you mean 'name'?",
        f"{file}:3: site.choice_days: 401 is out of range. "
        "Write a whole number of days from 1 to 400; browsers keep no cookie longer.",
        f"{file}:6: services[0].use: The catalogue has no service 'google-analytic'. Did you mean 'google-analytics'?",
        f"{file}:11: services[1].purposes[1]: There is no purpose 'statistic'. "
        "Known here: analytics, embeds, marketing, necessary, preferences. "
        "To add a purpose, write [purposes.ID] with a label.",
        f"{file}:13: services[1].hosts[0]: 'https://a.example/x' is an address, not a host. "
        "Write 'a.example' alone; every scheme is meant.",
        f"{file}:14: services[1].hosts[1]: 'b.example:8080' names a port. Write 'b.example': every port is meant.",
    ]


def test_a_file_is_named_as_the_owner_named_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path stays relative in the messages."""
    monkeypatch.chdir(file.parent)
    file.write_text("[site]\nname = 1\n", encoding="utf-8")
    assert problem("consent.toml").where == "consent.toml:2: site.name"


def test_a_missing_file_is_told(file: Path) -> None:
    """The error for a missing file contains its path."""
    assert problem(file) == Problem(
        str(file), "There is no such file.", "Correct the path, or leave it out to use the defaults."
    )


def test_the_text_of_a_file_is_no_path() -> None:
    """Who gives the text in place of the path is told so."""
    assert problem('[site]\nname = "Shop"\n') == Problem(
        "config",
        "The configuration is the text of a TOML file.",
        "Give its path, or the mapping that tomllib.loads makes of it.",
    )


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    """A folder instead of a file is an error."""
    assert problem(tmp_path) == Problem(
        str(tmp_path), "The file cannot be read: Is a directory.", "Make it readable for this process."
    )


def test_a_file_that_is_not_utf8_is_told_with_its_line(file: Path) -> None:
    """The error contains the line of the first byte that is not UTF-8."""
    file.write_bytes('[site]\nname = "Müller"\n'.encode("latin-1"))
    assert problem(file) == Problem(f"{file}:2", "The file is not UTF-8 from here on.", "Save it as UTF-8.")


@pytest.mark.parametrize(
    ("text", "line"),
    [("[site]\nname = Shop\n", 2), ("[site]\n[site]\n", 2), ('a = 1\nb = "', 2), ("x = [[[", 1)],
)
def test_a_file_that_is_not_toml_is_told_with_its_line(file: Path, text: str, line: int) -> None:
    """The error contains the parser's message and line."""
    file.write_text(text, encoding="utf-8")
    found = problem(file)
    assert (found.where, found.what[:17]) == (f"{file}:{line}", "This is not TOML:")


def test_a_file_nested_beyond_reason_is_told(file: Path) -> None:
    """A text nested too deeply for the parser is an ordinary error."""
    file.write_text("x = " + "[" * 100_000, encoding="utf-8")
    assert problem(file).what == "Its arrays or tables are nested too deeply."


def test_a_source_of_another_type_is_told() -> None:
    """The error for a source that is neither path nor mapping names its type."""
    assert problem(["site"]).what == "The configuration is a list."  # type: ignore[arg-type]


# -- mistakes in the keys


@pytest.mark.parametrize(
    ("source", "where", "remedy"),
    [
        ({"sites": {}}, "sites", "Did you mean 'site'?"),
        ({"service": []}, "service", "Did you mean 'services'?"),
        ({"choice_days": 3}, "choice_days", "Put it under [site]: choice_days = …"),
        ({"site": {"privacy-policy": "/p"}}, "site.privacy-policy", "Did you mean 'privacy_policy'?"),
        (
            {"site": {"zzz": 1}},
            "site.zzz",
            "Known here: allow_hosts, allow_insecure_http, caching, catalogue, choice_days, contact",
        ),
        ({"purposes": {"analytics": {"lable": "x"}}}, "purposes.analytics.lable", "Did you mean 'label'?"),
        (service(host=["a.example"]), "services[0].host", "Did you mean 'hosts'?"),
        (service(tracker=False), "services[0].tracker", "Leave it out; only the catalogue defines trackers."),
        ({"site": {1: "x"}}, "site.1", "Write it as a string."),
        ({"site": {"a b": 1}}, "site.'a b'", "Known here: "),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest(source: Mapping[str, object], where: str, remedy: str) -> None:
    """An unknown key is found at any depth, and the remedy suggests the most similar one."""
    found = problem(source)
    assert (found.where, found.remedy[: len(remedy)]) == (where, remedy)


@pytest.mark.parametrize(
    ("source", "where", "what"),
    [
        ({"site": []}, "site", "This is a list, not a table."),
        ({"purposes": []}, "purposes", "This is a list, not a table."),
        ({"purposes": {"analytics": "x"}}, "purposes.analytics", "This is a string, not a table."),
        ({"services": {"id": "x"}}, "services", "This is a table, not a list of tables."),
        ({"services": ["x"]}, "services[0]", "This is a string, not a table."),
        ({"site": {"name": 1}}, "site.name", "This is a number, not a string."),
        ({"site": {"name": None}}, "site.name", "This is nothing, not a string."),
        ({"site": {"name": b"x"}}, "site.name", "This is a bytes, not a string."),
        ({"site": {"choice_days": "180"}}, "site.choice_days", "This is a string, not a whole number."),
        ({"site": {"choice_days": 1.5}}, "site.choice_days", "This is a number, not a whole number."),
        ({"site": {"choice_days": True}}, "site.choice_days", "This is true or false, not a whole number."),
        ({"site": {"allow_insecure_http": 1}}, "site.allow_insecure_http", "This is a number, not true or false."),
        ({"site": {"languages": "en"}}, "site.languages", "This is a string, not a list."),
        ({"site": {"languages": [1]}}, "site.languages[0]", "This is a number, not a string."),
        (service(description=3), "services[0].description", "This is a number, not a table of texts by language."),
        (service(description={"en": 3}), "services[0].description.en", "This is a number, not a string."),
    ],
)
def test_a_wrong_type_is_told(source: Mapping[str, object], where: str, what: str) -> None:
    """The error names the actual and the expected type."""
    found = problem(source)
    assert (found.where, found.what) == (where, what)


# -- mistakes in the values


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("name", " ", "The string is empty."),
        ("name", "a\x00b", "The string contains a control character."),
        ("name", "a\ud800b", "The string contains a control character."),
        ("contact", "support at example.org", "'support at example.org' is not an address."),
        ("contact", "javascript:alert(1)", "'javascript:alert(1)' is not an address."),
        ("contact", "privacy@localhost", "'privacy@localhost' is not an address."),
        ("contact", "mailto:privacy@example.org", "'mailto:privacy@example.org' is not an address."),
        ("privacy_policy", "//evil.example/", "'//evil.example/' is not an address."),
        ("privacy_policy", "/\\evil.example/", "'/\\\\evil.example/' is not an address."),
        ("privacy_policy", "privacy", "'privacy' is not an address."),
        ("supervisory_authority", "ICO", "'ICO' is not an address."),
        ("keys_env", "MY-KEYS", "'MY-KEYS' is not the name of an environment variable."),
        ("unknown", "pixel", "'pixel' is not known here."),
        ("caching", "sharing", "'sharing' is not known here."),
        ("csp", "on", "'on' is not known here."),
        ("cookie_domain", ".Example.org", "'.Example.org' is not a domain."),
        ("layout", "modal", "'modal' is not known here."),
        ("position", "left", "'left' is not known here."),
        ("guard", "yes", "This is a string, not true or false."),
        ("release", "inplace", "'inplace' is not known here."),
        ("reopen", "none", "'none' is not known here."),
        ("mount", "_cmw", "'_cmw' is not a path to mount on."),
        ("mount", "/", "'/' is not a path to mount on."),
        ("mount", "/_cmw/", "'/_cmw/' is not a path to mount on."),
        ("mount", "/a//b", "'/a//b' is not a path to mount on."),
        ("mount", "/a/../b", "'/a/../b' is not a path to mount on."),
        ("mount", "/..", "'/..' is not a path to mount on."),
        ("mount", "/a b", "'/a b' is not a path to mount on."),
        ("mount", '/a"b', "'/a\"b' is not a path to mount on."),
        ("choice_days", 0, "0 is out of range."),
        ("record_days", 36_501, "36501 is out of range."),
        ("hold_back", 65_535, "65535 is out of range."),
        ("hold_back", 67_108_865, "67108865 is out of range."),
        ("languages", [], "The list is empty."),
        ("languages", ["english"], "'english' is not a language tag."),
        ("languages", ["en", "en"], "'en' occurs twice."),
        ("records", "consent.db", "'consent.db' is not a known kind of store."),
        ("records", "mysql://db/x", "'mysql://…' is not a known kind of store."),
        ("records", "sqlite://consent.db", "The path of a file needs three slashes before it."),
        ("records", "sqlite:///", "It names no file, but records must outlive the process."),
        ("records", "sqlite:///:memory:", "It names no file, but records must outlive the process."),
        ("records", "sqlite:///data/", "It names no file, but records must outlive the process."),
        ("records", "sqlite:///c.db?mode=ro", "The address takes no parameters."),
    ],
)
def test_a_bad_site_value_is_told(key: str, value: object, what: str) -> None:
    """Each setting of [site] refuses invalid values."""
    assert problem({"site": {key: value}}).what == what


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("choice_days", 1),
        ("choice_days", 400),
        ("hold_back", 67_108_864),
        ("unknown", "allow"),
        ("mount", "/a/b-c_d.e~f"),
        ("contact", "http://example.org"),
        ("contact", "/contact"),
        ("contact", "privacy@example.org"),
        ("contact", "data.protection+shop@mail.example.co.uk"),
        ("privacy_policy", "/"),
        ("languages", ["pt-BR", "zh-Hant-TW"]),
    ],
)
def test_the_edges_of_what_is_allowed_are_allowed(key: str, value: object) -> None:
    """The limits themselves are allowed."""
    site = load({"site": {key: value}})
    assert getattr(site, key) == (tuple(value) if isinstance(value, list) else value)


def test_records_must_outlive_choices() -> None:
    """A record that is purged while its choice is still valid would prove nothing."""
    found = problem({"site": {"record_days": 90}})
    assert (found.where, found.what) == (
        "site.record_days",
        "A record is kept for 90 days, but the choice it proves counts for 180.",
    )


@pytest.mark.parametrize(
    "url", ["redis://h/0", "rediss://h", "redis+sentinel://h", "redis+cluster://h", "postgresql://h/d", "postgres://h"]
)
def test_a_remote_store_needs_keys_from_the_environment(url: str) -> None:
    """Machines that share records need the same keys: without keys in the environment the site does not start."""
    assert [found.what for found in problems({"site": {"records": url}})] == [
        "The records are shared, but the environment variable CONSENT_KEYS holds no keys.",
    ]


def test_a_remote_store_gets_a_spool(tmp_path: Path) -> None:
    """While a remote store is unreachable, grants are spooled in a file next to the configuration."""
    file = tmp_path / "consent.toml"
    file.write_text('site.records = "redis://h/0"', "utf-8")
    assert config.load(file, environ={"CONSENT_KEYS": "x" * 32}).spool == str(tmp_path / "consent-spool.db")


def test_a_local_store_takes_no_spool() -> None:
    """A spool for a local file would only be a second place to lose records."""
    found = problem({"site": {"spool": "spool.db"}})
    what = "The records are on this machine, so they need no spool."
    assert found == Problem("site.spool", what, "Leave it out.")


@pytest.mark.parametrize(
    ("records", "replica", "what"),
    [
        ("sqlite:///consent.db", "postgresql://copy/x", "Records and replica must both be in PostgreSQL."),
        ("redis://h/0", "postgresql://copy/x", "Records and replica must both be in PostgreSQL."),
        ("postgresql://h/x", "redis://me:secret@copy/0", "It is not the address of a PostgreSQL server."),
        ("postgresql://h/x", "copy", "'copy' is not a known kind of store."),
        ("postgresql://h/x", "postgresql://me:secret@copy/x", ""),
    ],
    ids=["file", "redis", "other kind", "no address", "fine"],
)
def test_only_postgresql_has_a_replica(records: str, replica: str, what: str) -> None:
    """Both are addresses of PostgreSQL; no password is in the error."""
    found = problems({"site": {"records": records, "replica": replica}})
    assert [one.what for one in found if one.where == "site.replica"] == [what] * bool(what)
    assert "secret" not in "".join(map(str, found))


def test_the_address_of_a_store_may_stand_elsewhere(tmp_path: Path) -> None:
    """It contains a password, so it may be in the environment or in a file, whose path is relative to that of ours."""
    (tmp_path / "secret").write_text("\ufeffpostgresql://me:secret@copy/x\n", "utf-8")
    file = tmp_path / "consent.toml"
    file.write_text('site.records = "env:THERE"\nsite.replica = "file:secret"', "utf-8")
    site = config.load(file, environ={"CONSENT_KEYS": "x" * 32, "THERE": " postgresql://me:secret@h/x "})
    assert (site.records, site.replica) == ("postgresql://me:secret@h/x", "postgresql://me:secret@copy/x")
    assert site.spool == str(tmp_path / "consent-spool.db")


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ("env:GONE", "The environment variable GONE does not contain the address of a store."),
        ("env:PASSWORD", "The environment variable PASSWORD does not contain the address of a store."),
        ("env:MYSQL", "The environment variable MYSQL: 'mysql://…' is not a known kind of store."),
        ("env:NO HOST", "'env:NO HOST' does not say where the address is."),
        ("file:", "'file:' does not say where the address is."),
        ("file:gone", "The file {folder}/gone cannot be read: No such file or directory."),
        ("file:bytes", "The file {folder}/bytes cannot be read: it is not text."),
        ("file://x", "'file://…' is not a known kind of store."),
    ],
    ids=["unset", "password", "other kind", "no name", "no path", "no file", "bytes", "url"],
)
def test_an_address_that_is_not_where_it_should_be_is_told_without_showing_it(
    records: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each error names the place, and never what was found there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PASSWORD", "s3cr3t")
    monkeypatch.setenv("MYSQL", "mysql://me:s3cr3t@h/x")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError) as raised:
        config.load({"site": {"records": records}})
    (found,) = raised.value.problems
    assert (found.where, found.what) == ("site.records", told.format(folder=tmp_path))
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize("url", ["mysql://me:secret@db/x", "redis://me:secret@/0", "redis://[me:secret@h"])
def test_a_store_s_password_is_never_shown(url: str) -> None:
    """The error for an invalid address does not contain it."""
    assert "secret" not in "".join(map(str, problems({"site": {"records": url}})))


def test_the_isp_file_is_found_beside_the_configuration(tmp_path: Path) -> None:
    """The path of a MaxMind database is relative to the configuration's folder."""
    file = tmp_path / "consent.toml"
    file.write_text('site.isp = "mmdb:asn.mmdb"', "utf-8")
    assert config.load(file).isp == f"mmdb:{tmp_path / 'asn.mmdb'}"


def test_nobody_may_look_at_the_stats_unasked() -> None:
    """Without a [stats] table nobody has access."""
    assert config.load().stats.open is False


@pytest.mark.parametrize(
    ("table", "what", "remedy"),
    [
        ({"password": "letmein"}, "This is not the hash of a password.", "Run: consent-mw stats passwd"),
        ({"token": "letmein"}, "This is not the SHA-256 of a token.", "Run: consent-mw stats token"),
        ({"check": "letmein"}, "'letmein' does not name a function.", 'Write "package.module:name".'),
    ],
)
def test_a_bad_way_in_is_told_without_its_secret(table: dict[str, object], what: str, remedy: str) -> None:
    """A value that is not a hash may be the secret itself, so the error does not contain it."""
    key = next(iter(table))
    assert problem({"stats": table}) == Problem(f"stats.{key}", what, remedy)


@pytest.mark.parametrize("name", ["no_such_module:check", "json:no_such_name", "json:__name__"])
def test_a_check_that_is_no_function_is_told_at_start_up(name: str) -> None:
    """The site's access check is imported at start-up, not with the first request."""
    assert problem({"stats": {"check": name}}).where == "stats.check"


def test_a_check_may_be_named_or_given() -> None:
    """The site's access check is named in a file, or passed as a callable in a mapping."""
    named = config.load({"stats": {"check": "operator:truth"}}).stats.check
    given = config.load({"stats": {"check": bool}}).stats.check
    assert (named, given) == (operator.truth, bool)


@pytest.mark.parametrize(
    ("domain", "what"),
    [
        ("co.uk", "'co.uk' is a public suffix, so browsers keep no cookie for it."),
        ("github.io", "'github.io' is a public suffix, so browsers keep no cookie for it."),
        ("localhost", "'localhost' is not a domain."),
        (".example.org", "'.example.org' is not a domain."),
        ("Example.org", "'Example.org' is not a domain."),
        ("192.0.2.7", "'192.0.2.7' is not a domain."),
        ("https://example.org", "'https://example.org' is not a domain."),
    ],
)
def test_a_domain_that_no_browser_would_share_is_refused(domain: str, what: str) -> None:
    """A public suffix or an invalid domain cannot share a choice; the error comes at start-up, not in browsers."""
    assert problem({"site": {"cookie_domain": domain}}).what == what


def test_public_suffixes_are_known_without_their_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library the common ones are still refused, but no registrable domain is."""
    monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
    names = ("co.uk", "com.au", "de", "example.org", "shop.example.co.uk", "t.co")
    assert [is_public_suffix(name) for name in names] == [True, True, True, False, False, False]


async def nobody_waits(*things: object) -> bool:
    """Return False when awaited."""
    return False


@pytest.mark.parametrize("table", [{"stats": {"check": nobody_waits}}, {"site": {"on_change": nobody_waits}}])
def test_a_coroutine_function_is_refused(table: dict[str, object]) -> None:
    """Nobody would await its coroutine, which is always true: it would neither guard nor be called."""
    assert problem(table).what == "This is a coroutine function, which would never be awaited."


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("id", "House Stats", "'House Stats' is not an id."),
        ("id", "a--b", "'a--b' is not an id."),
        ("id", "youtube", "'youtube' is a service of the catalogue."),
        ("id", "analytics", "'analytics' is a reserved id."),
        ("id", "unknown", "'unknown' is a reserved id."),
        ("purposes", [], "The list is empty."),
        ("purposes", ["necessary", "analytics"], "A necessary service cannot have a second purpose."),
        ("hosts", ["*.a.example"], "'*.a.example' starts with a wildcard."),
        ("hosts", ["//a.example"], "'//a.example' is an address, not a host."),
        ("hosts", ["user@a.example"], "'user@a.example' is not a host."),
        ("hosts", ["a..example"], "'a..example' is not a host."),
        ("hosts", ["a b.example"], "'a b.example' is not a host."),
        ("hosts", ["com"], "'com' is not a host."),
        ("hosts", ["*"], "'*' is not a host."),
        ("hosts", ["[::1]"], "'[::1]' is not a host."),
        ("hosts", ["1.2.3"], "'1.2.3' is not a host."),
        ("hosts", ["a" * 64 + ".example"], f"'{'a' * 64}.example' is not a host."),
        ("hosts", ["a.example/ö"], "'a.example/ö' has a path with characters that no address holds."),
        ("hosts", ["a.example", "A.example"], "'A.example' occurs twice."),
        ("paths", ["matomo.php"], "'matomo.php' is not a path rule."),
        ("paths", ["/"], "'/' is not a path rule."),
        ("inline", ["x"], "'x' is not a code signature."),
        ("inline", ["a\nb"], "'a\\nb' is not a code signature."),
        ("elements", ["<amp-ad>"], "'<amp-ad>' is not an element rule."),
        ("cookies", ["a b"], "'a b' is not a cookie name."),
        ("cookies", ["a=b"], "'a=b' is not a cookie name."),
        ("cookies", ["*"], "'*' would match unrelated names too."),
        ("cookies", ["_*"], "'_*' would match unrelated names too."),
        ("storage", ["**"], "'**' would match unrelated names too."),
        ("country", "UK ", "'UK ' is not an ISO 3166-1 alpha-2 code."),
        ("policy", "example.org/privacy", "'example.org/privacy' is not an address."),
        ("opt_out", "ftp://a.example/", "'ftp://a.example/' is not an address."),
        ("safeguard", "shield", "'shield' is not known here."),
        ("retention_days", -1, "-1 is out of range."),
        ("lawful_basis", "legitimate interest", "'legitimate interest' is not known here."),
        ("lawful_basis", "contract", "House stats is held until the visitor opts in, so it rests on consent."),
        ("embed", "yes", "This is a string, not true or false."),
        ("description", {"english": "x"}, "'english' is not a language tag."),
    ],
)
def test_a_bad_service_value_is_told(key: str, value: object, what: str) -> None:
    """Each key of a service refuses invalid values."""
    assert problem(service(**{key: value})).what == what


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Stats.Example.ORG", "stats.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("farm.localhost", "farm.localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("google.*", "google.*"),
        ("a.example/p?x=1", "a.example/p?x=1"),
        ("a.example/", "a.example/"),
        ("a_b.example", "a_b.example"),
    ],
)
def test_a_host_is_kept_as_browsers_send_it(written: str, kept: str) -> None:
    """Hosts are lower-case and in Punycode; paths keep their case."""
    assert load(service(hosts=[written])).services[0].hosts == (kept,)


@pytest.mark.parametrize("key", ["id", "vendor", "purposes"])
def test_a_service_of_ones_own_needs_its_essentials(key: str) -> None:
    """Id, vendor and purposes have no default."""
    found = problem({"services": [{name: value for name, value in OWN.items() if name != key}]})
    assert (found.where, found.what) == ("services[0]", f"The service has no {key}.")


def test_a_catalogue_id_that_is_unknown_is_told_by_its_name_too() -> None:
    """The error for a service's name suggests its id."""
    found = problem({"services": [{"use": "Google Analytics"}]})
    assert (found.where, found.remedy) == ("services[0].use", "Did you mean 'google-analytics'?")


def test_a_catalogue_id_that_resembles_nothing_is_told() -> None:
    """If no id is similar, the remedy is to define a service."""
    assert (
        problem({"services": [{"use": "zzz"}]}).remedy == "To describe a service of your own, write id instead of use."
    )


def test_a_catalogue_service_keeps_its_id() -> None:
    """With another id, the catalogue's service would also be held."""
    found = problem({"services": [{"use": "youtube", "id": "videos"}]})
    assert (found.where, found.what) == ("services[0].id", "A service of the catalogue keeps its id.")


def test_the_other_keys_of_an_unknown_service_are_still_checked() -> None:
    """One mistake does not hide another."""
    found = problems({"services": [{"use": "zzz", "country": "gb"}]})
    assert [one.where for one in found] == ["services[0].country", "services[0].use"]


def test_a_service_that_is_declared_twice_is_told() -> None:
    """The error for the second declaration names the first."""
    found = problem({"services": [{"use": "youtube"}, {"use": "youtube"}]})
    assert (found.where, found.what) == ("services[1]", "'youtube' is already declared, by services[0].")


@pytest.mark.parametrize(
    ("purposes", "where", "what"),
    [
        ({"my stats": {"label": "x"}}, "purposes.'my stats'", "'my stats' is not an id."),
        ({"support": {}}, "purposes.support", "This purpose of your own has no label for visitors to read."),
        ({"youtube": {"label": "x"}}, "purposes.youtube", "'youtube' is the id of a service."),
        ({"unknown": {"label": "x"}}, "purposes.unknown", "'unknown' is the id of a service."),
    ],
)
def test_a_bad_purpose_is_told(purposes: Mapping[str, object], where: str, what: str) -> None:
    """An owner's purpose needs a new id and a name."""
    found = problem({"purposes": purposes})
    assert (found.where, found.what) == (where, what)


def test_a_mistyped_purpose_is_told_what_was_meant() -> None:
    """Renaming a default purpose with a mistyped id does not silently create a new purpose."""
    assert problem({"purposes": {"analytic": {}}}).remedy == "Add label.en = \"…\" (or did you mean 'analytics'?)."


# -- trackers are never necessary


@pytest.mark.parametrize(
    ("declared", "where"),
    [
        ({"use": "google-analytics", "purposes": ["necessary"]}, "services[0].purposes"),
        ({"use": "google-analytics", "purposes": ["necessary", "analytics"]}, "services[0].purposes"),
        ({"use": "google-analytics", "lawful_basis": "legitimate-interest"}, "services[0].lawful_basis"),
    ],
)
def test_a_tracker_of_the_catalogue_is_never_necessary(declared: Mapping[str, object], where: str) -> None:
    """No override frees a known tracker from consent."""
    assert problem({"services": [declared]}).where == where


@pytest.mark.parametrize(
    ("sign", "written"),
    [
        ("hosts", "google-analytics.com"),
        ("hosts", "www.google-analytics.com"),
        ("hosts", "WWW.Google-Analytics.com/collect"),
        ("hosts", "www.googletagmanager.com"),
        ("hosts", "googletagmanager.com"),
        ("hosts", "www.googletagmanager.com/gtag/js"),
        ("hosts", "www.ads.co.uk/pagead/x"),
        ("hosts", "ads.*"),
        ("hosts", "cdn.example"),
        ("paths", "/matomo.php"),
        ("inline", "gtag('config'"),
        ("inline", 'ga( "create"'),
        ("inline", "tag.push(gtag("),
    ],
)
def test_a_tracker_under_another_name_is_never_necessary(sign: str, written: str) -> None:
    """An owner's service that matches a known tracker cannot be necessary either."""
    found = problem(service(purposes=["necessary"], **{sign: [written]}))
    assert (found.where, found.what.rpartition(" also matches ")[0]) == (f"services[0].{sign}[0]", repr(written))


@pytest.mark.parametrize(
    ("sign", "written"),
    [
        ("hosts", "analytics.com"),
        ("hosts", "www.googletagmanager.com/ns/"),
        ("hosts", "ads.example.org/pay"),
        ("hosts", "pages.example/pagead"),
        ("hosts", "y.cdn.example"),
        ("paths", "/matomo.html"),
        ("inline", "mygtag2("),
        ("inline", "tag("),
        ("inline", "shop('create'"),
    ],
)
def test_what_only_resembles_a_tracker_may_be_necessary(sign: str, written: str) -> None:
    """Similar hosts, paths and names are allowed."""
    assert load(service(purposes=["necessary"], **{sign: [written]})).services[0].necessary


def test_a_service_that_is_no_tracker_may_be_called_necessary() -> None:
    """An owner may declare a service that does not track as necessary, with a lawful basis."""
    site = load({"services": [{"use": "youtube", "purposes": ["necessary"], "lawful_basis": "contract"}]})
    assert site.services[0].necessary


# -- the owner's texts


def test_texts_are_read_by_language_and_key() -> None:
    """Keys can be written with or without quotes, and language tags in any case."""
    site = load({"texts": {"de": {"banner.title": "Kekse?"}, "zh-cn": {"banner": {"title": "X"}}}})
    assert site.texts == {"de": {"banner.title": "Kekse?"}, "zh-Hans": {"banner.title": "X"}}


def test_texts_in_a_file_may_have_dotted_keys(file: Path) -> None:
    """TOML reads unquoted dots as tables, which mean the same."""
    file.write_text('[texts.en]\nbanner.title = "Biscuits"\n"receipt.none" = "Nothing"\n', encoding="utf-8")
    assert load(file).texts == {"en": {"banner.title": "Biscuits", "receipt.none": "Nothing"}}


def test_a_text_may_be_in_a_plural_form_of_its_language() -> None:
    """Polish has forms that English lacks, and the form of a single number need not name it."""
    texts = {"pl": {"page.days.one": "jeden dzień", "page.days.few": "{count} dni"}}
    assert load({"texts": texts}).texts == texts


@pytest.mark.parametrize(
    ("texts", "where", "what", "remedy"),
    [
        ([], "texts", "This is a list, not a table.", "[texts]"),
        ({"de": "x"}, "texts.de", "This is a string, not a table.", "[texts.de]"),
        ({"german!": {}}, "texts.'german!'", "'german!' is not a language tag.", "en, de, pt-BR"),
        ({"no": {}, "nb": {}}, "texts.nb", "The language 'nb' occurs twice.", "Merge"),
        ({"de": {"baner.title": "x"}}, "texts.de.'baner.title'", "There is no such text.", "'banner.title'?"),
        ({"de": {"banner": {"titel": "x"}}}, "texts.de.banner.titel", "There is no such text.", "'banner.title'"),
        ({"de": {"zzz": "x"}}, "texts.de.zzz", "There is no such text.", "docs/languages.md"),
        ({"de": {"plural.one": "n = 1"}}, "texts.de.'plural.one'", "There is no such text.", ""),
        ({"de": {"page.days.few": "{count}"}}, "texts.de.'page.days.few'", "There is no such text.", ""),
        ({"de": {"banner.title": 1}}, "texts.de.'banner.title'", "This is a number, not a string.", ""),
        ({"de": {"banner.title": " "}}, "texts.de.'banner.title'", "The string is empty.", "leave the key out"),
        ({"de": {"page.day": "Heute"}}, "texts.de.'page.day'", "{date} is missing.", "Put {date} where"),
        ({"de": {"page.days.other": "viele Tage"}}, "texts.de.'page.days.other'", "{count} is missing.", "Put {count}"),
        ({"ru": {"page.days.one": "день"}}, "texts.ru.'page.days.one'", "{count} is missing.", "Put {count}"),
        ({"de": {"page.back": "{name}"}}, "texts.de.'page.back'", "{name} is not a placeholder of this text.",
         "Leave it out"),
        ({"de": {"page.day": "{date} {dat}"}}, "texts.de.'page.day'", "{dat} is not a placeholder of this text.",
         "'date'?"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_text_is_told(texts: object, where: str, what: str, remedy: str) -> None:
    """A text that would not be shown, or would lack a part, is a mistake with a place and a remedy."""
    found = problem({"texts": texts})
    assert (found.where, found.what, remedy in found.remedy) == (where, what, True)


# -- properties

KEYS = st.one_of(
    st.sampled_from([name.rpartition(".")[2] for name in config.SETTINGS]),
    st.sampled_from(["site", "purposes", "services", "analytics", "en"]),
    st.text(max_size=4),
    st.integers(),
)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.binary(max_size=3),
        st.sampled_from(["youtube", "google-analytics", "necessary", "sqlite:///a.db", "/x", "a.example"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
SOURCES = st.fixed_dictionaries(
    {},
    optional={
        "site": st.dictionaries(KEYS, VALUES, max_size=5) | VALUES,
        "purposes": st.dictionaries(KEYS, VALUES, max_size=3) | VALUES,
        "services": st.lists(st.dictionaries(KEYS, VALUES, max_size=6), max_size=3) | VALUES,
        "texts": st.dictionaries(KEYS, VALUES, max_size=3) | VALUES,
        "other": VALUES,
    },
)


@given(SOURCES)
def test_any_mapping_gives_a_site_or_a_config_error(source: dict[str, object]) -> None:
    """No configuration raises anything else, and every problem has a place, a description and a remedy."""
    try:
        load(source)
    except ConfigError as error:
        assert error.problems
        assert all(found.where and found.what and found.remedy for found in error.problems)


@given(SOURCES)
def test_no_configuration_makes_a_tracker_necessary(source: dict[str, object]) -> None:
    """In every valid configuration, no known tracker runs without consent."""
    try:
        site = load(source)
    except ConfigError:
        return
    assert not [one for one in site.services if one.necessary and one.tracker]


# -- documents


def headings(document: str, level: int) -> list[str]:
    """Return the headings of one level in a document, in order, without backticks."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return [line.strip("# `") for line in re.findall(rf"^#{{{level}}} .+$", text, re.M)]


def test_every_setting_has_a_heading() -> None:
    """docs/settings.md describes each setting under its own heading, in order, and no other."""
    assert headings("settings.md", 3) == list(config.SETTINGS)


def test_every_setting_says_its_type_default_reason_and_remedy() -> None:
    """Every setting in docs/settings.md has a type, a default, a reason and a remedy."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    sections = re.split(r"^### ", text, flags=re.M)[1:]
    parts = ("- Type: ", "- Default: ", "- Why: ", "- If it is wrong: ")
    lacking = [section.partition("\n")[0] for section in sections if not all(part in section for part in parts)]
    assert lacking == []


def test_every_row_of_bad_input_is_shown_by_a_test() -> None:
    """Each row of docs/bad-input.md refers to existing tests."""
    text = (ROOT / "docs" / "bad-input.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| input |")]
    named = [re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", row.rpartition("|")[0].rpartition("|")[2]) for row in rows]
    missing = [
        row
        for row, tests in zip(rows, named, strict=True)
        if not tests or not all(exists(path, name) for path, name in tests)
    ]
    assert missing == []


def exists(path: str, name: str) -> bool:
    """Return whether the test ``name`` is in the file ``path``."""
    file = ROOT / path
    return (
        file.is_file() and re.search(rf"^ *(?:async )?def {name}\(", file.read_text(encoding="utf-8"), re.M) is not None
    )


# -- look, signals, changes


def test_a_look_is_read_with_its_dark_half() -> None:
    """There are colours for light and dark, and the rest of the look applies to both."""
    site = load({"theme": {"main": "#0b5d3b", "radius": 4, "font": 'Inter, "Segoe UI"', "dark": {"main": "#8fe0b8"}}})
    assert site.theme == Theme(light={"main": "#0b5d3b"}, dark={"main": "#8fe0b8"}, radius=4, font='Inter, "Segoe UI"')


@pytest.mark.parametrize(
    ("theme", "where", "what"),
    [
        ({"main": "red"}, "theme.main", "'red' is not a colour."),
        ({"dark": {"on": "#12"}}, "theme.dark.on", "'#12' is not a colour."),
        ({"dark": {"radius": 4}}, "theme.dark.radius", "This key is not known."),
        ({"font": "a;b{c}"}, "theme.font", "'a;b{c}' is not a list of font families."),
        ({"radius": 41}, "theme.radius", "41 is out of range."),
        ({"dark": "x"}, "theme.dark", "This is a string, not a table."),
        ([], "theme", "This is a list, not a table."),
    ],
)
def test_a_mistake_in_the_look_is_told(theme: object, where: str, what: str) -> None:
    """The error for each mistake in the look has its place."""
    found = problem({"theme": theme})
    assert (found.where, found.what) == (where, what)


@pytest.mark.parametrize(
    ("layout", "position", "what"),
    [
        ("bar", "top-end", "The layout 'bar' has no position 'top-end'."),
        ("corner", "top", "The layout 'corner' has no position 'top'."),
        ("dialog", "bottom", "The layout 'dialog' has no position 'bottom'."),
    ],
)
def test_a_position_belongs_to_its_layout(layout: str, position: str, what: str) -> None:
    """A position that the layout does not have is a mistake."""
    found = problem({"site": {"layout": layout, "position": position}})
    assert (found.where, found.what) == ("site.position", what)


def test_changes_are_read_the_latest_first(tmp_path: Path) -> None:
    """A TOML date and a date in a string are the same, and a plain text is in the site's language."""
    file = tmp_path / "consent.toml"
    file.write_text('[[changes]]\ndate = 1970-01-02\ntext = "A"\n\n[[changes]]\ndate = "1970-01-03"\ntext.en = "B"\n')
    assert load(file).changes == (Change(2, {"en": "B"}), Change(1, {"en": "A"}))


def test_annotations_are_read_the_earliest_first() -> None:
    """The owner's annotations are sorted by day, and do not cause a new question."""
    notes = [{"date": "1970-01-03", "text": {"de": "B"}}, {"date": "1970-01-02", "text": "A"}]
    site = load({"annotations": notes})
    assert site.annotations == (Annotation(1, {"en": "A"}), Annotation(2, {"de": "B"}))
    assert site.revision == load({}).revision
    found = problem({"annotations": [{"text": "A"}]})
    assert (found.where, found.what) == ("annotations[0]", "The annotation has no date.")


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({}, "changes", "This is a table, not a list of tables."),
        ([{"text": "A"}], "changes[0]", "The change has no date."),
        ([{"date": "2026-11-01"}], "changes[0]", "The change has no text."),
        ([{"date": "1 May", "text": "A"}], "changes[0].date", "'1 May' is not a date."),
        ([{"date": 5, "text": "A"}], "changes[0].date", "This is a number, not a date."),
        (["A"], "changes[0]", "This is a string, not a table."),
    ],
)
def test_a_mistake_in_a_change_is_told(changes: object, where: str, what: str) -> None:
    """A change needs a day and a text; the error says which is wrong."""
    found = problem({"changes": changes})
    assert (found.where, found.what) == (where, what)


def test_signals_are_on_but_for_what_hides_things() -> None:
    """Vendor signals are on by default, except those that decorate links or change the sent data."""
    assert load({"signals": {"meta": False}}).signals == VendorSignals(meta=False)
