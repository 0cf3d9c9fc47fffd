"""The editor of the configuration in Django's admin, without scripts."""

from __future__ import annotations

import html
import importlib
import re
import sys
import types
from asyncio.events import _get_running_loop
from asyncio.events import _set_running_loop
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.test import override_settings
from django.utils import translation

import tests.edges.django_site  # noqa: F401 -- configures Django
from consent_mw.config import load

APPS = [
    *(f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions", "messages", "staticfiles")),
    "django.contrib.admin.apps.SimpleAdminConfig",
]
CONTEXT = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
HOME = "/admin/consent_mw_editor/configuration/"
FILE = """# The shop.
[site]
name = "Shop"
controller = "Shop Ltd"
languages = ["en", "de"]   # in this order
records = "sqlite:///consent.db"

# Agreed in May.
[[services]]
use = "google-analytics"

# Films.
[[services]]
use = "youtube"

[purposes.analytics]
label = "Figures"
"""


class Owner:
    """A member of staff with a browser, and the file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.client = Client()

    def log_in(self, *permissions: str, name: str = "ada") -> None:
        """Log in as a member of staff with these permissions."""
        from django.contrib.auth.models import Permission
        from django.contrib.auth.models import User

        user = User.objects.create_user(name, password="right", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        self.client.force_login(user)

    @property
    def text(self) -> str:
        """The file as it is now."""
        return self.file.read_text("utf-8")

    def page(self, address: str) -> str:
        """Return a page of the editor."""
        answer = self.client.get(HOME + address)
        assert answer.status_code == 200, answer.status_code
        return str(answer.content.decode())

    def fill_in(self, address: str, **changes: str | list[str]) -> str:
        """Fill in a form as a browser does, with all its fields, and return the page that follows."""
        fields = inputs(self.page(address))
        fields.update({name.replace("__", "/"): value for name, value in changes.items()})
        answer = self.client.post(HOME + address, fields)
        assert answer.status_code == 200
        return str(answer.content.decode())

    def confirm(self, page: str) -> Any:
        """Press Save on a page of what changes; return the page that follows."""
        (change,) = re.findall(r'name="change" value="([^"]+)"', page)
        return self.client.post(f"{HOME}save/", {"change": change}, follow=True)


def inputs(page: str) -> dict[str, str | list[str]]:
    """Return the values of the form with the id editor."""
    form = page[page.index('id="editor"') :]
    form = form[: form.index("</form>")]
    found: dict[str, str | list[str]] = {}
    for name, value in re.findall(r'<input name="([^"]+)" id="[^"]+" value="([^"]*)"', form):
        found[name] = html.unescape(value)
    for name, value in re.findall(r'<textarea name="([^"]+)"[^>]*>\n([^<]*)</textarea>', form):
        found[name] = html.unescape(value)
    for name, options in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', form):
        found[name] = next(iter(re.findall(r'value="([^"]*)" selected', options)), "")
    for name, value in re.findall(r'<input type="checkbox" name="([^"]+)" value="([^"]+)" checked', form):
        chosen = found.setdefault(name, [])
        assert isinstance(chosen, list)
        chosen.append(value)
    return found


@pytest.fixture(scope="module")
def no_loop() -> Iterator[None]:
    """Hide the event loop that Playwright keeps running in a process that has used a browser: Django would refuse."""
    loop = _get_running_loop()
    _set_running_loop(None)
    yield
    _set_running_loop(loop)


@pytest.fixture(scope="module")
def project(no_loop: None) -> Iterator[None]:
    """A project with Django's admin and the editor."""
    settings: dict[str, Any] = {
        "INSTALLED_APPS": [*APPS, "consent_mw.django", "consent_mw.django.editor"],
        "MIDDLEWARE": [
            "consent_mw.django.ConsentMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": [*CONTEXT, "django.contrib.messages.context_processors.messages"]},
            }
        ],
        "STATIC_URL": "static/",
        "ROOT_URLCONF": "tests.edges.third_party.editor_project",
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    }
    with override_settings(**settings):
        call_command("migrate", run_syncdb=True, verbosity=0)  # the database is in memory
        yield
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def owner(project: None, tmp_path: Path) -> Iterator[Owner]:
    """Return an owner who may change everything, with a file of two services."""
    from django.contrib.auth.models import User

    from consent_mw.django.setup import engine

    file = tmp_path / "consent.toml"
    file.write_text(FILE, "utf-8")
    engine.cache_clear()
    with override_settings(CONSENT=file):
        found = Owner(file)
        found.log_in("view_configuration", "change_configuration")
        yield found
    engine.cache_clear()
    User.objects.all().delete()


def test_every_text_of_a_form_has_a_name_in_words(owner: Owner) -> None:
    """No field of a text goes by its key."""
    labels = re.findall(r"<label[^>]*>([^<]*)</label>", owner.page("texts/?language=de"))
    assert len(labels) > 100
    assert [label for label in labels if re.fullmatch(r"[a-z]+([.-][a-z]+)+", label.strip())] == []


def test_a_text_is_changed_and_nothing_else(owner: Owner) -> None:
    """What changes is shown and confirmed; every other character of the file stays."""
    review = owner.fill_in("texts/?language=de", **{"text/banner.title": "Ihre Wahl"})
    assert ("Ihre" in review, "Nobody is asked again" in review, owner.text) == (True, True, FILE)
    owner.confirm(review)
    assert owner.text == f'{FILE}\n[texts.de]\n"banner.title" = "Ihre Wahl"\n'


@pytest.mark.parametrize("address", ["texts/?language=de", "services/", "services/of/youtube/", "look/", "facts/"])
def test_a_form_that_is_sent_as_it_is_changes_nothing(owner: Owner, address: str) -> None:
    """What a form shows is what the file has."""
    assert "Nothing was changed." in owner.fill_in(address)


def test_what_would_fail_at_start_is_refused_at_its_field(owner: Owner) -> None:
    """The message is that of the start of the site, at the field that it is about."""
    page = owner.fill_in("look/", theme__soft="#999999", site__position="top-end")
    assert 'id="theme/soft-error"' in page
    assert "has a contrast of 2.84:1" in page
    assert 'id="site/position-error"' in page
    assert ('value="#999999"' in page, "Save" in page, owner.text) == (True, False, FILE)


def test_what_is_no_number_is_refused_at_its_field(owner: Owner) -> None:
    """What was written stays in its field."""
    page = owner.fill_in("look/", theme__radius="wide")
    assert ("Radius of corners, in pixels: Write a whole number." in page, 'value="wide"' in page) == (True, True)


def test_a_review_leads_back_to_the_form(owner: Owner) -> None:
    """Everything that was filled in is still there."""
    fields = {**inputs(owner.page("look/")), "site/layout": "dialog", "theme/radius": "4", "do": "edit"}
    page = owner.client.post(f"{HOME}look/", fields).content.decode()
    shown = inputs(page)
    assert (shown["site/layout"], shown["theme/radius"], owner.text) == ("dialog", "4", FILE)


def test_another_question_is_announced(owner: Owner) -> None:
    """Before a service is removed, the owner reads that every visitor is asked again; its comment goes with it."""
    review = owner.fill_in("services/", remove=["google-analytics"])
    assert "Every visitor is asked again" in review
    owner.confirm(review)
    assert owner.text == FILE.replace('# Agreed in May.\n[[services]]\nuse = "google-analytics"\n\n', "")


def test_a_service_of_the_catalogue_is_added(owner: Owner) -> None:
    """A search finds it, and it is declared by its id."""
    assert 'value="matomo"' in owner.page("add/?q=mato")
    owner.confirm(owner.fill_in("add/?q=mato", add=["matomo", "no-such-service"]))
    assert [one.id for one in load(owner.file).services] == ["google-analytics", "youtube", "matomo"]


def test_a_service_of_ones_own_is_added_and_edited(owner: Owner) -> None:
    """Its description may have several languages."""
    fields = {"id": "house", "vendor": "Us", "hosts": "stats.example.org\nb.example.org", "description/de": "Zählt"}
    new: dict[str, Any] = {f"services/2/{name}": value for name, value in fields.items()}
    owner.confirm(owner.fill_in("new/", **new, **{"services/2/purposes": ["analytics"]}))
    owner.confirm(owner.fill_in("services/of/house/", **{"services/2/description/en": "Counts"}))
    house = load(owner.file).by_id["house"]
    assert (house.hosts, dict(house.description)) == (
        ("stats.example.org", "b.example.org"),
        {"de": "Zählt", "en": "Counts"},
    )


def test_a_tracker_cannot_be_called_necessary(owner: Owner) -> None:
    """The editor lets nothing through that the file would not."""
    page = owner.fill_in("services/", **{"service/google-analytics/purposes": ["necessary"]})
    assert "is a known tracker, which can never be necessary" in html.unescape(page)
    assert owner.text == FILE


def test_the_purposes_of_the_catalogue_are_not_written_down(owner: Owner) -> None:
    """A service is shown with them, and only another choice is put into the file."""
    assert inputs(owner.page("services/"))["service/youtube/purposes"] == ["embeds"]
    owner.confirm(owner.fill_in("services/", **{"service/youtube/purposes": ["embeds", "marketing"]}))
    assert 'use = "youtube"\npurposes = ["embeds", "marketing"]\n' in owner.text


def test_links_are_added_and_removed(owner: Owner) -> None:
    """An empty row is no link."""
    owner.confirm(owner.fill_in("look/", links__1__url="/imprint", links__1__label__en="Imprint"))
    assert '[[links]]\nurl = "/imprint"\nlabel.en = "Imprint"\n' in owner.text
    owner.confirm(owner.fill_in("look/", links__0__url="", links__0__label__en=""))
    assert owner.text == FILE


def test_a_change_can_be_undone_and_done_again(owner: Owner) -> None:
    """The history has who changed what; undoing is a change like any other."""
    owner.confirm(owner.fill_in("look/", site__layout="dialog"))
    address = re.findall(rf'href="{HOME}(history/\w+/)"', owner.page("history/"))[0]
    page = owner.page(address)
    assert ("by ada" in page, "Undo this change" in page) == (True, True)
    owner.confirm(owner.client.post(HOME + address).content.decode())
    assert owner.text == FILE
    assert len(set(re.findall(rf'href="{HOME}(history/\w+/)"', owner.page("history/")))) == 2


def test_a_change_on_another_text_is_confirmed_again(owner: Owner) -> None:
    """If the file was changed meanwhile, both changes are kept, and the owner sees it before."""
    review = owner.fill_in("look/", site__layout="dialog")
    owner.file.write_text(FILE.replace('"Shop Ltd"', '"New Ltd"'), "utf-8")
    answer = owner.confirm(review)
    assert "The file was changed meanwhile." in answer.content.decode()
    owner.confirm(answer.content.decode())
    site = load(owner.file)
    assert (site.layout, site.controller) == ("dialog", "New Ltd")


def test_the_preview_shows_what_a_form_has(owner: Owner) -> None:
    """It is a page with the notice in the language and colours that are chosen; other sites cannot frame it."""
    fields = {**inputs(owner.page("texts/?language=de")), "text/banner.title": "Wie Sie wollen"}
    answer = owner.client.post(f"{HOME}preview/?form=texts&language=de", {**fields, "preview-language": "de"})
    page = answer.content.decode()
    assert ("Wie Sie wollen" in page, answer["X-Frame-Options"]) == (True, "SAMEORIGIN")
    assert re.search(r"<section [^>]*data-cmw-banner", page)  # not taken for a copy of a notice, which would be hidden
    assert owner.text == FILE
    wrong = {**fields, "text/banner.responsible": "Niemand"}
    assert (
        "{controller} is missing" in owner.client.post(f"{HOME}preview/?form=texts&language=de", wrong).content.decode()
    )


def test_who_may_only_look_changes_nothing(owner: Owner) -> None:
    """The fields can be read, and every way to change something is closed."""
    review = owner.fill_in("look/", site__layout="dialog")
    owner.log_in("view_configuration", name="bob")
    assert "Review the change" not in owner.page("look/")
    for address in ("look/", "services/", "preview/?form=look"):
        assert owner.client.post(HOME + address, {"site/layout": "dialog"}).status_code == 403
    assert owner.confirm(review).status_code == 403
    assert owner.text == FILE


def test_a_change_of_somebody_else_cannot_be_confirmed(owner: Owner) -> None:
    """A confirmation is signed for the member of staff who saw it, and cannot be made up."""
    review = owner.fill_in("look/", site__layout="dialog")
    owner.log_in("view_configuration", "change_configuration", name="eve")
    assert "was not made" in owner.confirm(review).content.decode()
    made_up = owner.client.post(f"{HOME}save/", {"change": "e30:1:x"}, follow=True)
    assert "was not made" in made_up.content.decode()
    assert owner.text == FILE


@pytest.mark.parametrize("address", ["", "look/", "preview/", "history/"])
def test_others_do_not_see_it(owner: Owner, address: str) -> None:
    """Staff without a permission are refused, and everybody else has to log in."""
    owner.log_in(name="eve")
    assert owner.client.get(HOME + address).status_code == 403
    assert Client().get(HOME + address).status_code == 302


def test_a_file_with_mistakes_is_shown_and_not_edited(owner: Owner) -> None:
    """The overview names them; the forms lead back to it."""
    owner.page("")  # the process is running
    owner.file.write_text(FILE.replace("controller", "controler"), "utf-8")
    assert "Did you mean" in owner.page("")
    assert owner.client.get(f"{HOME}look/").status_code == 302


def test_the_overview_says_whether_the_file_is_in_use(owner: Owner) -> None:
    """A process goes on with the file as it was at its start."""
    assert "Yes, by this process" in owner.page("")
    assert "Not in use yet" in owner.confirm(owner.fill_in("look/", site__layout="dialog")).content.decode()


@pytest.mark.parametrize("given", [None, {"site": {"name": "Shop"}}])
def test_settings_in_python_are_not_edited(owner: Owner, given: object) -> None:
    """Without a file, the page says how to have one."""
    with override_settings(CONSENT=given):
        assert "no configuration file to edit" in owner.page("")


def test_every_field_has_a_label_and_every_error_a_field(owner: Owner) -> None:
    """Ids are given once, and labels and descriptions refer to them (WCAG 2.2, 1.3.1 and 3.3.1)."""
    for address in ("", "texts/?language=de", "services/", "services/of/youtube/", "new/", "look/", "facts/"):
        page = owner.page(address)
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids)), address
        named = re.findall(r'(?: for| aria-labelledby)="([^"]+)"', page)
        described = [one for ids_ in re.findall(r' aria-describedby="([^"]+)"', page) for one in ids_.split()]
        assert set(named + described) <= set(ids), address


@pytest.mark.parametrize(
    ("lang", "words", "shown"),
    [
        ("de", ["Änderung prüfen", "Schaltfläche, die alles annimmt", "Vorgabe:"], "de"),
        ("fr-ca", ["Vérifier la modification", "Bouton qui accepte tout", "Par défaut\u00a0:"], "fr"),
        ("sv", ["Review the change", "Button that accepts everything", "Built in:"], "en"),
    ],
)
def test_the_editor_is_in_the_owners_language(owner: Owner, lang: str, words: list[str], shown: str) -> None:
    """Its words follow the language of the request; where it has none they are English, and marked as such."""
    with override_settings(LANGUAGE_CODE=lang), translation.override(lang):
        page = owner.page("texts/?language=de")
    assert [one for one in words if one not in page] == []
    assert f'<div class="ce" lang="{shown}" dir="ltr">' in page


def test_the_words_of_the_admin_stay_its_own(owner: Owner) -> None:
    """Our translation of a word that Django has as well holds in the editor alone."""
    with override_settings(LANGUAGE_CODE="de"), translation.override("de"):
        ours = owner.page("look/")
        theirs = translation.gettext("Save")
    assert ("Änderung prüfen" in ours, theirs) == (True, "Sichern")


def test_wagtail_has_an_entry_for_who_may_look(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wagtail's hooks are a menu item for staff with a permission, and the permissions for the forms of groups."""
    from django.contrib.auth.models import User

    found: dict[str, Any] = {}

    class MenuItem:
        """Wagtail's, as far as it is used."""

        def __init__(self, label: str, url: str, **more: object) -> None:
            self.label, self.url, self.more = label, url, more

    def register(name: str) -> Any:
        return lambda hook: found.setdefault(name, hook)

    for name, has in (
        ("wagtail", {"hooks": types.SimpleNamespace(register=register)}),
        ("wagtail.admin", {}),
        ("wagtail.admin.menu", {"MenuItem": MenuItem}),
    ):
        module = types.ModuleType(name)
        module.__dict__.update(has)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "consent_mw.django.editor.wagtail_hooks", raising=False)
    importlib.import_module("consent_mw.django.editor.wagtail_hooks")
    item = found["register_settings_menu_item"]()
    owner.log_in(name="eve")
    shown = [item.is_shown(types.SimpleNamespace(user=User.objects.get(username=name))) for name in ("ada", "eve")]
    assert (str(item.label), item.url, shown) == ("Consent notice", HOME, [True, False])
    assert {one.codename for one in found["register_permissions"]()} == {"view_configuration", "change_configuration"}
    with override_settings(ROOT_URLCONF="tests.edges.third_party.models"):
        monkeypatch.setattr("tests.edges.third_party.models.urlpatterns", [], raising=False)
        nowhere = found["register_settings_menu_item"]()
    assert not nowhere.is_shown(types.SimpleNamespace(user=User.objects.get(username="ada")))
