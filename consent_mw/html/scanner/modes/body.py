"""The insertion modes "in body" and "text"."""

from __future__ import annotations

from collections.abc import Callable

from consent_mw.html.scanner.modes.head import begin_text
from consent_mw.html.scanner.modes.head import in_head_end
from consent_mw.html.scanner.modes.head import in_head_start
from consent_mw.html.scanner.modes.rules import HEAD_CONTENT
from consent_mw.html.scanner.modes.rules import Characters
from consent_mw.html.scanner.modes.rules import Rules
from consent_mw.html.scanner.modes.rules import end_by_mode
from consent_mw.html.scanner.modes.rules import no_text
from consent_mw.html.scanner.tree import DROPPED
from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import MATH
from consent_mw.html.scanner.tree import SVG
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree

_HEADINGS = frozenset(b"h1 h2 h3 h4 h5 h6".split())
_BLOCKS = frozenset(
    b"address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer header hgroup"
    b" main menu nav ol p search section summary ul".split()
)
_BLOCK_ENDS = (_BLOCKS - {b"p"}) | {b"button", b"listing", b"pre"}
FORMATTING = frozenset(b"b big code em font i s small strike strong tt u".split())
_FORMATTING_ENDS = FORMATTING | {b"a", b"nobr"}
_MARKED = frozenset(b"applet marquee object".split())
_VOID = frozenset(b"area br embed img image keygen wbr".split())
_TABLE_PARTS = frozenset(b"caption col colgroup tbody td tfoot th thead tr".split())
_IGNORED_IN_BODY = _TABLE_PARTS | {b"frame", b"head"}


# -- https://html.spec.whatwg.org/#parsing-main-inbody


def in_body_text(tree: Tree, text: Characters) -> None:
    if text is Characters.NUL:
        return
    tree.reconstruct()
    if text is Characters.TEXT:
        tree.frameset_ok = False


def in_body_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    rule = _IN_BODY_START.get(name)
    if rule is not None:
        return rule(tree, token)
    tree.reconstruct()
    tree.push(name)
    return HTML


def _body_html(tree: Tree, token: TagToken) -> bytes:
    return HTML


def _body_body(tree: Tree, token: TagToken) -> bytes:
    if len(tree.stack) > 1 and tree.stack[1].name == b"body" and not tree.has_template():
        tree.frameset_ok = False
    return HTML


def _body_frameset(tree: Tree, token: TagToken) -> bytes:
    if len(tree.stack) < 2 or tree.stack[1].name != b"body" or not tree.frameset_ok:
        return DROPPED
    del tree.stack[1:]
    tree.push(token.name)
    tree.mode = "in frameset"
    return HTML


def _body_block(tree: Tree, token: TagToken) -> bytes:
    tree.close_p()
    tree.push(token.name)
    return HTML


def _body_heading(tree: Tree, token: TagToken) -> bytes:
    tree.close_p()
    if tree.is_current(*_HEADINGS):
        tree.stack.pop()
    tree.push(token.name)
    return HTML


def _body_pre(tree: Tree, token: TagToken) -> bytes:
    tree.frameset_ok = False
    return _body_block(tree, token)


def _body_form(tree: Tree, token: TagToken) -> bytes:
    if tree.form is not None and not tree.has_template():
        return DROPPED
    tree.close_p()
    form = tree.push(token.name)
    if not tree.has_template():
        tree.form = form
    return HTML


def _body_list_item(tree: Tree, token: TagToken) -> bytes:
    tree.frameset_ok = False
    closes = (b"li",) if token.name == b"li" else (b"dd", b"dt")
    for node in reversed(tree.stack):
        tree.count(1)
        if node.namespace == HTML and node.name in closes:
            tree.generate_implied_end_tags(node.name)
            tree.pop_until(node.name)
            break
        if node.special and not (node.namespace == HTML and node.name in (b"address", b"div", b"p")):
            break
    return _body_block(tree, token)


def _body_plaintext(tree: Tree, token: TagToken) -> bytes:
    return _body_block(tree, token)


def _body_button(tree: Tree, token: TagToken) -> bytes:
    if tree.in_scope(b"button"):
        tree.generate_implied_end_tags()
        tree.pop_until(b"button")
    tree.reconstruct()
    tree.push(token.name)
    tree.frameset_ok = False
    return HTML


def _body_a(tree: Tree, token: TagToken) -> bytes:
    earlier = tree.find_formatting(b"a")
    if earlier is not None:
        if not tree.adopt(b"a"):
            _any_other_end_tag(tree, b"a")
        tree.count((len(tree.formatting) + len(tree.stack)) // 8)
        if earlier in tree.formatting:
            tree.formatting.remove(earlier)
        if earlier in tree.stack:
            tree.stack.remove(earlier)
    return _body_formatting(tree, token)


def _body_formatting(tree: Tree, token: TagToken) -> bytes:
    tree.reconstruct()
    tree.push_formatting(tree.push(token.name, token))
    return HTML


def _body_nobr(tree: Tree, token: TagToken) -> bytes:
    tree.reconstruct()
    if tree.in_scope(b"nobr"):
        if not tree.adopt(b"nobr"):
            _any_other_end_tag(tree, b"nobr")
        tree.reconstruct()
    tree.push_formatting(tree.push(token.name, token))
    return HTML


def _body_marked(tree: Tree, token: TagToken) -> bytes:
    tree.reconstruct()
    tree.push(token.name)
    tree.formatting.append(None)
    tree.frameset_ok = False
    return HTML


def _body_table(tree: Tree, token: TagToken) -> bytes:
    if not tree.quirks:
        tree.close_p()
    tree.push(token.name)
    tree.frameset_ok = False
    tree.mode = "in table"
    return HTML


def _body_void(tree: Tree, token: TagToken) -> bytes:
    tree.reconstruct()
    tree.frameset_ok = False
    return HTML


def _body_input(tree: Tree, token: TagToken) -> bytes:
    if not tree.dialect.old_select and tree.in_scope(b"select"):
        tree.pop_until(b"select")
    tree.reconstruct()
    if token.value(b"type") != b"hidden":
        tree.frameset_ok = False
    return HTML


def _body_no_content(tree: Tree, token: TagToken) -> bytes:
    return HTML


def _body_hr(tree: Tree, token: TagToken) -> bytes:
    tree.close_p()
    if not tree.dialect.old_select and tree.in_scope(b"select"):
        tree.generate_implied_end_tags()
    tree.frameset_ok = False
    return HTML


def _body_textarea(tree: Tree, token: TagToken) -> bytes:
    tree.frameset_ok = False
    return begin_text(tree, token)


def _body_xmp(tree: Tree, token: TagToken) -> bytes:
    tree.close_p()
    tree.reconstruct()
    tree.frameset_ok = False
    return begin_text(tree, token)


def _body_iframe(tree: Tree, token: TagToken) -> bytes:
    tree.frameset_ok = False
    return begin_text(tree, token)


def _body_noembed(tree: Tree, token: TagToken) -> bytes:
    return begin_text(tree, token)


def _body_noscript(tree: Tree, token: TagToken) -> bytes:
    if tree.dialect.scripting:
        return begin_text(tree, token)
    tree.reconstruct()
    tree.push(token.name)
    return HTML


def _body_select(tree: Tree, token: TagToken) -> bytes:
    if not tree.dialect.old_select and tree.in_scope(b"select"):
        tree.pop_until(b"select")
        return DROPPED
    tree.reconstruct()
    tree.push(token.name)
    tree.frameset_ok = False
    if tree.dialect.old_select:
        tables = ("in table", "in caption", "in table body", "in row", "in cell")
        tree.mode = "in select in table" if tree.mode in tables else "in select"
    return HTML


def _body_option(tree: Tree, token: TagToken) -> bytes:
    if not tree.dialect.old_select and tree.in_scope(b"select"):
        tree.generate_implied_end_tags(b"optgroup" if token.name == b"option" else b"")
    elif tree.is_current(b"option"):
        tree.stack.pop()
    tree.reconstruct()
    tree.push(token.name)
    return HTML


def _body_ruby(tree: Tree, token: TagToken) -> bytes:
    if tree.in_scope(b"ruby"):
        tree.generate_implied_end_tags(b"" if token.name in (b"rb", b"rtc") else b"rtc")
    tree.push(token.name)
    return HTML


def _body_foreign(tree: Tree, token: TagToken) -> bytes:
    tree.reconstruct()
    tree.insert_foreign(token, token.name)
    return token.name


def _body_ignored(tree: Tree, token: TagToken) -> bytes:
    return DROPPED


_IN_BODY_START: dict[bytes, Callable[[Tree, TagToken], bytes]] = {
    b"html": _body_html,
    **dict.fromkeys(HEAD_CONTENT, in_head_start),
    b"body": _body_body,
    b"frameset": _body_frameset,
    **dict.fromkeys(_BLOCKS, _body_block),
    **dict.fromkeys(_HEADINGS, _body_heading),
    **dict.fromkeys((b"pre", b"listing"), _body_pre),
    b"form": _body_form,
    **dict.fromkeys((b"li", b"dd", b"dt"), _body_list_item),
    b"plaintext": _body_plaintext,
    b"button": _body_button,
    b"a": _body_a,
    **dict.fromkeys(FORMATTING, _body_formatting),
    b"nobr": _body_nobr,
    **dict.fromkeys(_MARKED, _body_marked),
    b"table": _body_table,
    **dict.fromkeys(_VOID, _body_void),
    b"input": _body_input,
    **dict.fromkeys((b"param", b"source", b"track"), _body_no_content),
    b"hr": _body_hr,
    b"textarea": _body_textarea,
    b"xmp": _body_xmp,
    b"iframe": _body_iframe,
    b"noembed": _body_noembed,
    b"noscript": _body_noscript,
    b"select": _body_select,
    **dict.fromkeys((b"optgroup", b"option"), _body_option),
    **dict.fromkeys((b"rb", b"rtc", b"rp", b"rt"), _body_ruby),
    **dict.fromkeys((MATH, SVG), _body_foreign),
    **dict.fromkeys(_IGNORED_IN_BODY, _body_ignored),
}


def in_body_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"template":
        in_head_end(tree, token)
    elif name in (b"body", b"html"):
        if tree.in_scope(b"body"):
            tree.mode = "after body"
            if name == b"html":
                end_by_mode(tree, token)
    elif name in _BLOCK_ENDS or (name == b"select" and not tree.dialect.old_select):
        if tree.in_scope(name):
            tree.generate_implied_end_tags()
            tree.pop_until(name)
    elif name == b"form":
        _end_form(tree)
    elif name == b"p":
        if not tree.in_button_scope(name):
            tree.push(name)
        tree.close_p()
    elif name == b"li":
        if tree.in_list_item_scope(name):
            tree.generate_implied_end_tags(name)
            tree.pop_until(name)
    elif name in (b"dd", b"dt"):
        if tree.in_scope(name):
            tree.generate_implied_end_tags(name)
            tree.pop_until(name)
    elif name in _HEADINGS:
        if tree.in_scope(*_HEADINGS):
            tree.generate_implied_end_tags()
            tree.pop_until(*_HEADINGS)
    elif name in _FORMATTING_ENDS:
        if not tree.adopt(name):
            _any_other_end_tag(tree, name)
    elif name in _MARKED:
        if tree.in_scope(name):
            tree.generate_implied_end_tags()
            tree.pop_until(name)
            tree.clear_to_marker()
    elif name == b"br":
        _body_void(tree, token)
    else:
        _any_other_end_tag(tree, name)


def _end_form(tree: Tree) -> None:
    if tree.has_template():
        if tree.in_scope(b"form"):
            tree.generate_implied_end_tags()
            tree.pop_until(b"form")
        return
    form, tree.form = tree.form, None
    if form is None or not tree.has_in_scope(form):
        return
    tree.generate_implied_end_tags()
    tree.count(len(tree.stack) // 8)
    tree.stack.remove(form)


def _any_other_end_tag(tree: Tree, name: bytes) -> None:
    for node in reversed(tree.stack):
        tree.count(1)
        if node.namespace == HTML and node.name == name:
            tree.generate_implied_end_tags(name)
            while tree.stack.pop() is not node:
                pass
            return
        if node.special:
            return


# -- https://html.spec.whatwg.org/#parsing-main-incdata


def _text_start(tree: Tree, token: TagToken) -> bytes:
    return DROPPED  # The tokenizer emits no start tags in raw text.


def _text_end(tree: Tree, token: TagToken) -> None:
    tree.stack.pop()
    tree.mode = tree.original_mode


#: The rules by the name of the mode.
MODES = {
    "in body": Rules(in_body_start, in_body_end, in_body_text),
    "text": Rules(_text_start, _text_end, no_text),
}
