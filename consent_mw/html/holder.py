"""
Decides what to insert into a tag so that it cannot fetch, run or connect.

A :class:`Holder` is for one page and one decision of the visitor. For each tag it returns a :class:`TagPlan` with the
insertions, or None if the tag stays as it is.

Theory of operation. The kind of each attribute (:mod:`consent_mw.html.elements`) says how to read its value: an
address, a list of addresses, CSS, a document, code. :mod:`consent_mw.html.value_judge` maps the value to services. If
one of these is not allowed, the tag is held in one of three ways, which :mod:`consent_mw.html.plan_writer` writes:

- *disarm*: a prefix before the attribute's name (``data-cmw-src``), so that the browser ignores the attribute;
- *retype*: a script is given ``type=text/plain`` as well, so that it does not run;
- *swap*: an iframe that shows an embed is given the address of a placeholder page.

An import map is a special case: a held address in it is replaced by that of an empty module.

Nothing of the tag is lost, so the runtime can restore it when the visitor consents. With ``HoldPolicy.remove``
attributes and elements are left out instead. Plans depend only on the bytes of the tag and on the key of the memory
(:mod:`consent_mw.html.hold_policy`), so they are remembered.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from urllib.parse import unquote

from consent_mw.core.model import NECESSARY
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.html.code import Ids
from consent_mw.html.elements import ANYWHERE
from consent_mw.html.elements import LAZY
from consent_mw.html.elements import LEFT_OUT
from consent_mw.html.elements import SHOWN_BY_ELEMENT
from consent_mw.html.elements import Attribute
from consent_mw.html.elements import Attributes
from consent_mw.html.elements import Tag
from consent_mw.html.elements import any_kinds
from consent_mw.html.elements import attributes
from consent_mw.html.elements import executes
from consent_mw.html.elements import is_pixel
from consent_mw.html.elements import kinds as kinds_of
from consent_mw.html.elements import other_kind
from consent_mw.html.elements import stated_height
from consent_mw.html.elements import told_by_beginning
from consent_mw.html.elements import what_of
from consent_mw.html.guessed import encoded
from consent_mw.html.guessed import in_each
from consent_mw.html.guessed import may_hide_a_host
from consent_mw.html.hold_policy import KEY
from consent_mw.html.hold_policy import PREFIX
from consent_mw.html.hold_policy import Budget
from consent_mw.html.hold_policy import Edit
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.hold_policy import Memory
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.json_texts import Specifiers
from consent_mw.html.json_texts import entries
from consent_mw.html.plan_writer import PlanWriter
from consent_mw.html.plan_writer import defuse
from consent_mw.html.plan_writer import feigned_marks
from consent_mw.html.plan_writer import ids_of_defused
from consent_mw.html.suspects import STRANGER
from consent_mw.html.suspects import element_of
from consent_mw.html.urls import DataUrl
from consent_mw.html.urls import Url
from consent_mw.html.urls import resolve
from consent_mw.html.urls import site_of
from consent_mw.html.urls import without_dots
from consent_mw.html.value_judge import NestedDocuments
from consent_mw.html.value_judge import ValueJudge
from consent_mw.html.values import candidates

#: Elements that may load a vendor's tag through a gateway, where only the tag's id in the address gives it away.
_LOADS_CODE = frozenset({b"script", b"iframe", b"link"})

#: Stands in for a service's id if a construct is too long to be buffered and judged; no choice releases it.
TOO_LONG = "too-long"
#: The address of a module that does nothing. Inserted before a held address in an import map, it turns that into its
#: fragment.
_EMPTY_MODULE = b"data:text/javascript,export%20default%20function(){}#"

#: The start of a module's address. It has no base URL, so any number of slashes means "//"
#: (https://html.spec.whatwg.org/#resolving-a-url-like-module-specifier).
_WITHOUT_BASE = re.compile(r"\A[\x00-\x20]*+(https?):[/\\]*+", re.I)

#: Attribute names that cannot matter by themselves: no lazy loader, event handler, form or mark of ours uses them.
_PLAIN_NAME = re.compile(rb"(?!on|data-|lazy|nitro|action|formaction)")
#: An address that leads to the same place from every page of a site.
_FROM_ROOT = re.compile(r"[\x00-\x20]*+(?:[a-zA-Z][a-zA-Z0-9+.\-]*+:)?[/\\]")


class Holder(ValueJudge):
    """
    Plans the tags of one page.

    Args:
        policy: The decision and the rules.
        page: The address of the page.
        charset: The Python codec of the page's bytes; empty if none is declared.
        xml: Whether the rules of XML apply (XHTML): quoted attributes, case-sensitive names, no duplicates.
        document: Returns the ids held in a document inside this one (an iframe's srcdoc).
    """

    def __init__(
        self,
        policy: HoldPolicy,
        page: Url,
        *,
        document: Callable[[DataUrl, Holder], Ids],
        charset: str = "utf-8",
        xml: bool = False,
    ) -> None:
        super().__init__(policy, page, charset, xml=xml)
        self._document = document
        #: Shared by the copies for the documents in a tag.
        self._documents = NestedDocuments()
        #: A form's relative address that leads to our own pages from some folders only. With one, plans depend on the
        #: page's path, so no more of them are remembered.
        self._of_path: list[bytes] = []
        #: Specifiers that the page's import maps resolve to a held address.
        self.specifiers = Specifiers()

    def _read_as(self, charset: str, *, xml: bool) -> None:
        super()._read_as(charset, xml=xml)
        self._writer = PlanWriter(self.policy, xml=xml)
        # Documents in attributes and XHTML are read by other rules, and are too rare to be worth remembering.
        self.memory = Memory(Budget()) if xml or self.depth else self.policy.memory(*self._place)

    def with_base(self, base: Url) -> Holder:
        """Return a copy with the base URL that the page's base element sets."""
        twin = copy.copy(self)
        twin.base = base
        twin._read_as(self.charset, xml=self.xml)
        return twin

    def nested(self, charset: str, *, xml: bool) -> Holder:
        """Return a copy for a document inside this one."""
        twin = copy.copy(self)
        twin.depth += 1
        twin._read_as(charset, xml=xml)
        twin.specifiers = Specifiers()
        return twin

    def room_for(self, piece: bytes, edits: int = 0) -> bool:
        """Return whether a plan for ``piece`` with this number of edits may be remembered."""
        return not self._of_path and self.memory.room_for(piece, edits)

    # -- import maps, base elements, nested documents

    def import_map(self, tag: bytes, content: bytes) -> TagPlan | None:
        """
        Return the plan for an import map and its content; None if it stays as it is.

        Any module of the page may import by a name in the map. So held addresses in the map are replaced, the other
        entries stay, and :attr:`specifiers` records the names that lead to held addresses.
        """
        edits: list[Edit] = []
        held: dict[str, None] = {}
        if self.mark(attributes(tag, len(b"<script"))) is None:
            return None
        for name, address in entries(content, self.wide):
            ids = self.address(_WITHOUT_BASE.sub(r"\1://", address.text))
            if ids:
                held |= dict.fromkeys(ids)
                self.specifiers.learn(self.specifier(name), ids)
                edits.append((len(tag) + address.start, 0, _EMPTY_MODULE))
        if not edits:
            return None
        if not self.policy.remove:
            edits.insert(0, (len(b"<script"), 0, b" data-cmw-held=" + self._writer.quoted(",".join(held)) + KEY))
        return TagPlan(tuple(dict.fromkeys(edits)), tuple(held))

    def base_plan(self, tag: bytes, ids: Ids) -> TagPlan | None:
        """Return the plan for a base element that is held; None if the author exempts it."""
        read = Tag.read(b"base", tag, xml=self.xml)
        return None if self.mark(read.attributes) is None else self._writer.plan(read, ids, {b"href": ids})

    def specifier(self, name: str) -> str:
        """Return a module specifier in one form: a URL if it is one (HTML, "resolve a URL-like module specifier")."""
        if not name.startswith(("/", "./", "../")) and ":" not in name:
            return name
        url = resolve(_WITHOUT_BASE.sub(r"\1://", name), self.base)
        return f"{url.scheme}://{url.host}{url.rest}"

    def link(self, raw: bytes) -> Ids:
        """Return the services for which a raw URL value of an element or a processing instruction is held."""
        if not self.depth:
            self._documents.begin(len(raw))
        return self._one(raw)

    def held_in_document(self, document: DataUrl) -> Ids:
        """Return the ids of the services that are held in a document inside this one."""
        return self._documents.held_in(document, self, self._document)

    # -- elements

    def element_ids(self, name: bytes, found: Attributes) -> Ids:
        """Return the services whose element rules match this tag, without those allowed."""
        return self.not_allowed(self._all_element_ids(name, found))

    def _all_element_ids(self, name: bytes, found: Attributes) -> Ids:
        rules = self._matcher.element_rules(name, found.keys())
        if not rules:
            return ()
        value_of = self._values(found)
        return tuple([rule.id for rule in rules if rule.fits(value_of)])

    def _has_owner(self, tag: Tag) -> bool:
        """
        Return whether the author's mark or an element rule assigns this element to a service.

        Then its host does not make it a stranger, and it runs once that service is allowed.
        """
        return b"data-consent" in tag.attributes or bool(self._all_element_ids(tag.name, tag.attributes))

    def _is_owned_stranger(self, tag: Tag, ids: Ids, raw: bytes) -> bool:
        """Return whether an address is held only for its unknown host, although its element belongs to a service."""
        return ids == (UNKNOWN_SERVICE,) and self.third_party(self.url(raw)[1]) and self._has_owner(tag)

    def mark(self, found: Attributes) -> Ids | None:
        """Return the services for which the author's mark holds the element; None if the mark exempts it."""
        values = found.get(b"data-consent")
        if not values:
            return ()
        names = tuple(re.split(r"[\s,]+", self.text(values[0].raw).strip()))
        if NECESSARY in names:
            return None
        return self.not_allowed(tuple(name if name.replace("-", "").isalnum() else UNKNOWN_SERVICE for name in names))

    def sheet_mark(self, tag: bytes) -> Ids:
        """Return the services for which the author's mark holds the style element with this start tag."""
        return (self.mark(attributes(tag, len(b"<style"))) or ()) if b"data-consent" in tag.lower() else ()

    def script(self, tag: bytes) -> tuple[str, bool]:
        """Return the kind of script with this start tag (see :func:`executes`), and whether it has a src."""
        memory = self.memory
        known = memory.scripts.get(tag)
        if known is None:
            found = attributes(tag, 7)
            known = executes(found, self.text), b"src" in found
            if self.room_for(tag):
                memory.scripts[tag] = known
        return known

    def script_plan(self, tag: bytes, ids: Ids) -> TagPlan | None:
        """Return the plan for a script's start tag whose content is held for ``ids``."""
        memory = self.memory
        key = (tag, ids)
        if key in memory.script_plans:
            return memory.script_plans[key]
        plan = self.plan(Tag.read(b"script", tag)._replace(code=ids))
        if self.room_for(tag):
            memory.script_plans[key] = plan
        return plan

    def plan(self, tag: Tag) -> TagPlan | None:
        """Return the plan for a start tag; None if it stays as it is."""
        if tag.name == b"image" and not tag.foreign:
            tag = tag._replace(name=b"img")  # https://html.spec.whatwg.org/#parsing-main-inbody, "image"
        if not self.depth:
            self._documents.begin(len(tag.raw))
        plan = self._shown(tag, self._plan(tag))
        if self.policy.watch is not None:
            self._tell(tag, plan)
        if not self.charset and may_hide_a_host(tag.raw):
            plan = max((twin._plan(tag) for twin in in_each(self)), key=lambda one: len(one.edits) if one else -1)
        grants = self._grants(tag)
        edits = [*feigned_marks(tag), *grants]
        if not edits:
            return plan
        if grants and self.depth:
            # Nothing can be inserted into a document inside an attribute, so the whole attribute is held.
            return TagPlan((), self.not_allowed((UNKNOWN_SERVICE, *(plan.held if plan else ()))))
        if plan is None:
            return TagPlan(tuple(edits), ())
        # If two edits are at one attribute, both insert the same prefix; one is enough.
        merged = {edit[0]: edit for edit in [*edits, *plan.edits]}
        return plan._replace(edits=tuple(sorted(merged.values(), key=lambda edit: edit[0])))

    def may_judge(self, name: bytes, key: bytes, *, foreign: bool) -> bool:
        """Return whether an attribute may matter by itself; for most, the name is enough to exclude that."""
        if self.xml or self.policy.watch is not None or self._matcher.elements.get(name):
            return True
        special = key in any_kinds(name, foreign) or key in ANYWHERE or not _PLAIN_NAME.match(key)
        return special or key in self._matcher.ruled_attributes

    def _tell(self, tag: Tag, plan: TagPlan | None) -> None:
        """Report the third-party addresses that an element loads to the policy's ``watch`` callback."""
        watch, name, found = self.policy.watch, tag.name, tag.attributes
        kinds = kinds_of(name, found, tag.foreign, self.text)
        held = plan.held if plan is not None else ()
        for key, kind in kinds.items():
            if watch is None or kind not in ("url", "page", "srcset") or key not in found or name in (b"form", b"meta"):
                continue
            raw = found[key][0].raw
            texts = [url for url, _ in candidates(self.text(raw))] if kind == "srcset" else [self.text(raw)]
            for text in texts:
                url = resolve(text, self.base)
                if url.scheme in ("http", "https") and url.host and site_of(url.host) != self._page_site:
                    ids = held or self._matcher.target(url, self.page)
                    watch(url, what_of(name, found, self.text), ids[0] if ids else "", bool(held))

    def _shown(self, tag: Tag, plan: TagPlan | None) -> TagPlan | None:
        """Return the plan, with a panel if an embed would appear in this element."""
        if tag.foreign or tag.late or tag.in_noscript or tag.name == b"script":
            return plan
        if plan is not None and (panel := self._own_element(tag) or self._shown_by_element(tag)):
            return plan._replace(panel=panel, height=stated_height(tag.attributes, self.text), rename=not self.xml)
        if not self.policy.places:
            return plan
        found = tag.attributes
        panel = self.not_allowed(self.policy.places.of_element(tag.name, self._values(found)))
        if not panel or self.mark(found) is None:
            return plan
        return (plan or TagPlan((), ()))._replace(panel=panel, height=stated_height(found, self.text))

    def _own_element(self, tag: Tag) -> Ids:
        """
        Return the held services whose custom element this is.

        The element's code is served by the site, and would request a picture or a player at once. AMP elements are
        excluded: a page in which they are renamed would no longer be a valid AMP page.
        """
        if b"-" not in tag.name or tag.name.startswith(b"amp-") or self.mark(tag.attributes) is None:
            return ()
        rules = self._matcher.elements.get(tag.name, ())
        values = self._values(tag.attributes)
        return self.not_allowed(tuple(dict.fromkeys(rule.id for rule in rules if rule.fits(values))))

    def _shown_by_element(self, tag: Tag) -> Ids:
        """Return the held services whose video or map a custom element shows by one of its attributes."""
        if b"-" not in tag.name or tag.name.startswith(b"amp-") or self.mark(tag.attributes) is None:
            return ()
        services = self._matcher.services
        named = [tag.attributes[key][0].raw for key in SHOWN_BY_ELEMENT if key in tag.attributes]
        ids = dict.fromkeys(id_ for raw in named for id_ in self._one(raw))
        return tuple(id_ for id_ in ids if id_ in services and services[id_].embed)

    def _values(self, found: Attributes) -> Callable[[bytes], str | None]:
        known: dict[bytes, str | None] = {}

        def value_of(name: bytes) -> str | None:
            if name not in known:
                known[name] = self.text(found[name][0].raw) if name in found else None
            return known[name]

        return value_of

    def script_panel(self, tag: bytes, code: bytes) -> Ids:
        """Return the held services whose embeds would appear in place of this script."""
        places = self.policy.places
        if not places.has_scripts:
            return ()
        script = tag + code
        known = self.memory.panels.get(script)
        if known is None:
            known = self.not_allowed(places.of_script(self._values(attributes(tag, 7, xml=self.xml)), code))
            if self.room_for(script):
                self.memory.panels[script] = known
        return known

    def _grants(self, tag: Tag) -> list[Edit]:
        """Return edits that disarm an application's form if it submits to our pages: no page may grant consent."""
        names = {b"form": (b"action",), b"button": (b"formaction",), b"input": (b"formaction",)}.get(tag.name, ())
        edits = []
        for key in names:
            for attribute in tag.attributes.get(key, ()):
                text = self.text(attribute.raw)
                target = resolve(text, self.base)
                mount = self.policy.placeholder.removesuffix("placeholder/")
                path = without_dots(re.sub("/+", "/", "/" + unquote(re.split("[?#]", target.rest)[0])))
                # Any host counts: behind a proxy the application may not know the page's public name.
                if mount and target.host and path.startswith(mount):
                    edits.append((attribute.start, 0, PREFIX))
                # From a page in another folder a relative address with the mount's name in it may lead there.
                if mount and mount.split("/")[-2] in path and not _FROM_ROOT.match(text):
                    self._of_path[:] = [attribute.raw]
        return edits

    def _plan(self, tag: Tag) -> TagPlan | None:
        name, found = tag.name, tag.attributes
        mark = self.mark(found)
        if mark is None:
            return None
        always: Ids = tuple(dict.fromkeys((*mark, *self.element_ids(name, found), *(tag.code or ()))))
        kinds = any_kinds(name, tag.foreign) if tag.late else kinds_of(name, found, tag.foreign, self.text)
        holds: dict[bytes, Ids] = {}
        inner: list[tuple[int, bytes]] = []
        own: list[tuple[int, bytes]] = []
        for key, values in found.items():
            # In XHTML any prefix may be bound to XLink.
            plain = b"xlink:href" if self.xml and key.endswith(b":href") else key
            kind = kinds.get(plain) or ANYWHERE.get(key) or other_kind(name, key, found)
            if not kind:
                continue
            first = values[0]
            if tag.cut and not told_by_beginning(kind, first.raw):
                holds[key] = always or (TOO_LONG,)
                continue
            if kind == "srcset":
                holds_all, inside = self._srcset(tag, first)
                if always or holds_all:
                    holds[key] = always or holds_all
                inner += () if always else inside
                continue
            if kind == "mark":
                ids: Ids = always
            elif always and kind != "css":
                # Neither grant releases the other. The element is held for both, so these need not be repeated here.
                ids = (self._target_ids(first.raw) if kind in ("url", "page") else ()) or always
            elif kind == "handler":
                ids = self._handler(first.raw, key)
                own += self._writer.own_handler(key, first, self._own_handler(first.raw, key) if ids else b"")
            else:
                ids = self.css(first.raw, always) if kind == "css" else self._value(kind, first.raw)
            if self._is_owned_stranger(tag, ids, first.raw):
                ids = ()
            if not ids and kind in ("url", "page") and name in _LOADS_CODE:
                ids = self._tag(first.raw)
            if not ids and kind in ("url", "page"):
                ids = self._undeclared(tag, first.raw)
            if ids:
                holds[key] = ids
        if name == b"iframe" and b"srcdoc" in found and b"src" in found:
            if b"srcdoc" in holds:
                # With its srcdoc disarmed, the iframe would load its src.
                holds.setdefault(b"src", holds[b"srcdoc"])
            else:
                holds.pop(b"src", None)
        if not holds and not inner and not always:
            return None
        # Most attributes share one tuple, which an author's mark may make long.
        others = (id_ for ids in holds.values() if ids is not always for id_ in ids)
        marked = (id_ for _, prefix in inner for id_ in ids_of_defused(prefix))
        held = tuple(dict.fromkeys((*always, *others, *marked)))
        is_embed = name == b"iframe" and self._is_visible_embed(found, holds, held)
        if is_embed and self.policy.once.issuperset(held):
            return None
        if self.policy.remove and tag.removable and name in LEFT_OUT and TOO_LONG not in held:
            return TagPlan((), held, remove=True)
        return self._writer.plan(tag, held, holds, [*own, *inner], is_embed=is_embed)

    def _is_visible_embed(self, found: Attributes, holds: dict[bytes, Ids], held: Ids) -> bool:
        shown = {b"src", b"srcdoc"} & holds.keys() or any(LAZY.fullmatch(key) for key in holds)
        if not shown or is_pixel(found, False, self.text):
            return False
        services = self._matcher.services
        embeds = (id_.startswith(STRANGER) or (id_ in services and services[id_].embed) for id_ in held)
        return any(embeds) or b"data-consent" in found

    def _target_ids(self, raw: bytes) -> Ids:
        """Return the ids of known services that the address of a held element leads to."""
        return tuple(id_ for id_ in self._one(raw) if id_ != UNKNOWN_SERVICE)

    def _undeclared(self, tag: Tag, raw: bytes) -> Ids:
        """Return the ids for which an address of no known service is held, judged by the element that requests it."""
        if self._has_owner(tag):
            return ()
        if self.policy.unknown == "suspects":
            return self._stranger(tag, raw)
        if self.policy.unknown != "pixels" or tag.name != b"img":
            return ()
        known, target = self.url(raw)
        pixel = not known and self.third_party(target) and is_pixel(tag.attributes, tag.in_noscript, self.text)
        return self.not_allowed((UNKNOWN_SERVICE,)) if pixel else ()

    def _stranger(self, tag: Tag, raw: bytes) -> Ids:
        """Return the id of an unknown third party that looks like a tracker, unless it is allowed."""
        ids, target = self.url(raw)
        if ids or not self.third_party(target):
            return ()
        found = tag.attributes
        pixel = tag.name == b"img" and is_pixel(found, tag.in_noscript, self.text)
        unsized = pixel and tag.in_noscript and not is_pixel(found, False, self.text)
        speaking = b"rel" if tag.name == b"link" else b"alt" if unsized else b""
        text = self.text(found[speaking][0].raw) if speaking in found else ""
        element = element_of(tag.name, found.keys(), text, is_pixel=pixel, is_unsized=unsized)
        version = self.policy.delivery.version
        url = resolve(self.text(raw), self.base)
        id_ = self.policy.delivery.judge(element, url, self.page.host, self._matcher.knows)
        if version != self.policy.delivery.version and not (self.xml or self.depth):
            # More is known now, so earlier plans may be wrong: start with an empty memory.
            self.memory = self.policy.memory(*self._place)
        return self.not_allowed((id_,)) if id_ else ()

    def _srcset(self, tag: Tag, attribute: Attribute) -> tuple[Ids, list[tuple[int, bytes]]]:
        """Return the ids for which the whole list is held, or else the insertions before each held candidate."""
        listed = candidates(self.text(attribute.raw))
        raws = [(start, encoded(url, self.charset)) for url, start in listed]
        verdicts = [(start, raw, self._one(raw) or self._undeclared(tag, raw)) for start, raw in raws]
        held = [(start, ids) for start, raw, ids in verdicts if ids and not self._is_owned_stranger(tag, ids, raw)]
        if not held:
            return (), []
        if len(held) == len(verdicts) or b"&" in attribute.raw or not attribute.raw.isascii() or self.policy.remove:
            return tuple(dict.fromkeys(id_ for _, ids in held for id_ in ids)), []
        return (), [(attribute.value_at + start, defuse(ids)) for start, ids in held]
