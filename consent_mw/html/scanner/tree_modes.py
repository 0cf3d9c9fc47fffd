"""
The insertion modes of tree construction: what each does to what is open.

Long because the standard has 23 insertion modes, and each is written here as
its section of https://html.spec.whatwg.org/multipage/parsing.html is, in the
same order and under the same name. What makes nodes, keeps text or reports
errors is left out.

A rule for a start tag returns the namespace of the element that it opens, or
:data:`~consent_mw.html.scanner.tree.DROPPED` where the tag is ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from consent_mw.html.scanner.tree import DROPPED
from consent_mw.html.scanner.tree import HTML
from consent_mw.html.scanner.tree import MATH
from consent_mw.html.scanner.tree import SVG
from consent_mw.html.scanner.tree import THOROUGHLY_IMPLIED
from consent_mw.html.scanner.tree import Dialect
from consent_mw.html.scanner.tree import TagToken
from consent_mw.html.scanner.tree import Tree
from consent_mw.html.scanner.tree import breaks_out


class Characters(IntEnum):
    """What a run of text consists of."""

    SPACE = 0
    NUL = 1
    TEXT = 2


class Rules(NamedTuple):
    """What an insertion mode does with each kind of token."""

    start: Callable[[Tree, TagToken], bytes]
    end: Callable[[Tree, TagToken], None]
    text: Callable[[Tree, Characters], None]


_HEADINGS = frozenset(b"h1 h2 h3 h4 h5 h6".split())
_HEAD_CONTENT = frozenset(b"base basefont bgsound link meta noframes script style template title".split())
_HEAD_VOID = frozenset(b"base basefont bgsound link meta".split())
_BLOCKS = frozenset(
    b"address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer header hgroup"
    b" main menu nav ol p search section summary ul".split()
)
_BLOCK_ENDS = (_BLOCKS - {b"p"}) | {b"button", b"listing", b"pre"}
_FORMATTING = frozenset(b"b big code em font i s small strike strong tt u".split())
_FORMATTING_ENDS = _FORMATTING | {b"a", b"nobr"}
_MARKED = frozenset(b"applet marquee object".split())
_VOID = frozenset(b"area br embed img image keygen wbr".split())
_TABLE_PARTS = frozenset(b"caption col colgroup tbody td tfoot th thead tr".split())
_IGNORED_IN_BODY = _TABLE_PARTS | {b"frame", b"head"}
_BODIES = frozenset(b"tbody tfoot thead".split())
_CELLS = frozenset({b"td", b"th"})


# -- https://html.spec.whatwg.org/#the-initial-insertion-mode


def _initial_start(tree: Tree, token: TagToken) -> bytes:
    _no_doctype(tree)
    return start_by_mode(tree, token)


def _initial_end(tree: Tree, token: TagToken) -> None:
    _no_doctype(tree)
    end_by_mode(tree, token)


def _initial_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        _no_doctype(tree)
        text_by_mode(tree, text)


def _no_doctype(tree: Tree) -> None:
    tree.quirks = True
    tree.mode = "before html"


# -- https://html.spec.whatwg.org/#the-before-html-insertion-mode


def _before_html_start(tree: Tree, token: TagToken) -> bytes:
    tree.push(b"html")
    tree.mode = "before head"
    return HTML if token.name == b"html" else start_by_mode(tree, token)


def _before_html_end(tree: Tree, token: TagToken) -> None:
    if token.name in (b"head", b"body", b"html", b"br"):
        tree.push(b"html")
        tree.mode = "before head"
        end_by_mode(tree, token)


def _before_html_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        tree.push(b"html")
        tree.mode = "before head"
        text_by_mode(tree, text)


# -- https://html.spec.whatwg.org/#the-before-head-insertion-mode


def _open_head(tree: Tree) -> None:
    tree.head = tree.push(b"head")
    tree.mode = "in head"


def _before_head_start(tree: Tree, token: TagToken) -> bytes:
    if token.name == b"html":
        return _in_body_start(tree, token)
    _open_head(tree)
    return HTML if token.name == b"head" else start_by_mode(tree, token)


def _before_head_end(tree: Tree, token: TagToken) -> None:
    if token.name in (b"head", b"body", b"html", b"br"):
        _open_head(tree)
        end_by_mode(tree, token)


def _before_head_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        _open_head(tree)
        text_by_mode(tree, text)


# -- https://html.spec.whatwg.org/#parsing-main-inhead


def _in_head_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"html":
        return _in_body_start(tree, token)
    if name in _HEAD_VOID:
        return HTML
    if name in (b"title", b"noframes", b"style", b"script") or (name == b"noscript" and tree.dialect.scripting):
        return _begin_text(tree, token)
    if name == b"noscript":
        tree.push(name)
        tree.mode = "in head noscript"
        return HTML
    if name == b"template":
        tree.push(name)
        tree.formatting.append(None)
        tree.frameset_ok = False
        tree.mode = "in template"
        tree.template_modes.append("in template")
        return HTML
    if name == b"head":
        return DROPPED
    _close_head(tree)
    return start_by_mode(tree, token)


def _close_head(tree: Tree) -> None:
    tree.stack.pop()
    tree.mode = "after head"


def _in_head_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"head":
        _close_head(tree)
    elif name in (b"body", b"html", b"br"):
        _close_head(tree)
        end_by_mode(tree, token)
    elif name == b"template" and tree.has_template():
        tree.generate_implied_end_tags(implied=THOROUGHLY_IMPLIED)
        tree.pop_until(b"template")
        tree.clear_to_marker()
        tree.template_modes.pop()
        reset_mode(tree)


def _in_head_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        _close_head(tree)
        text_by_mode(tree, text)


def _begin_text(tree: Tree, token: TagToken) -> bytes:
    """Follow the generic raw text or RCDATA element parsing algorithm."""
    tree.push(token.name)
    tree.original_mode = tree.mode
    tree.mode = "text"
    return HTML


# -- https://html.spec.whatwg.org/#parsing-main-inheadnoscript


def _in_head_noscript_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"html":
        return _in_body_start(tree, token)
    if name in (b"basefont", b"bgsound", b"link", b"meta", b"noframes", b"style"):
        return _in_head_start(tree, token)
    if name in (b"head", b"noscript"):
        return DROPPED
    _close_head_noscript(tree)
    return start_by_mode(tree, token)


def _in_head_noscript_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"noscript":
        _close_head_noscript(tree)
    elif token.name == b"br":
        _close_head_noscript(tree)
        end_by_mode(tree, token)


def _in_head_noscript_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        _close_head_noscript(tree)
        text_by_mode(tree, text)


def _close_head_noscript(tree: Tree) -> None:
    tree.stack.pop()
    tree.mode = "in head"


# -- https://html.spec.whatwg.org/#the-after-head-insertion-mode


def _after_head_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"html":
        return _in_body_start(tree, token)
    if name == b"body":
        tree.push(name)
        tree.frameset_ok = False
        tree.mode = "in body"
        return HTML
    if name == b"frameset":
        tree.push(name)
        tree.mode = "in frameset"
        return HTML
    if name in _HEAD_CONTENT and tree.head is not None:
        tree.stack.append(tree.head)
        opened = _in_head_start(tree, token)
        tree.stack.remove(tree.head)
        return opened
    if name == b"head":
        return DROPPED
    _open_body(tree)
    return start_by_mode(tree, token)


def _after_head_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"template":
        _in_head_end(tree, token)
    elif token.name in (b"body", b"html", b"br"):
        _open_body(tree)
        end_by_mode(tree, token)


def _after_head_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE:
        _open_body(tree)
        text_by_mode(tree, text)


def _open_body(tree: Tree) -> None:
    tree.push(b"body")
    tree.mode = "in body"


# -- https://html.spec.whatwg.org/#parsing-main-inbody


def _in_body_text(tree: Tree, text: Characters) -> None:
    if text is Characters.NUL:
        return
    tree.reconstruct()
    if text is Characters.TEXT:
        tree.frameset_ok = False


def _in_body_start(tree: Tree, token: TagToken) -> bytes:
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
    return _begin_text(tree, token)


def _body_xmp(tree: Tree, token: TagToken) -> bytes:
    tree.close_p()
    tree.reconstruct()
    tree.frameset_ok = False
    return _begin_text(tree, token)


def _body_iframe(tree: Tree, token: TagToken) -> bytes:
    tree.frameset_ok = False
    return _begin_text(tree, token)


def _body_noembed(tree: Tree, token: TagToken) -> bytes:
    return _begin_text(tree, token)


def _body_noscript(tree: Tree, token: TagToken) -> bytes:
    if tree.dialect.scripting:
        return _begin_text(tree, token)
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
    **dict.fromkeys(_HEAD_CONTENT, _in_head_start),
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
    **dict.fromkeys(_FORMATTING, _body_formatting),
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


def _in_body_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"template":
        _in_head_end(tree, token)
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
    return DROPPED  # The tokenizer gives no start tags in raw text.


def _text_end(tree: Tree, token: TagToken) -> None:
    tree.stack.pop()
    tree.mode = tree.original_mode


def _no_text(tree: Tree, text: Characters) -> None:
    """Insert the characters, which changes nothing of what is open."""


# -- https://html.spec.whatwg.org/#parsing-main-intable


def _in_table_text(tree: Tree, text: Characters) -> None:
    if not tree.is_current(b"table", b"template", *_BODIES, b"tr") or text is Characters.TEXT:
        _in_body_text(tree, text)


def _in_table_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"caption":
        tree.clear_back_to(b"table")
        tree.formatting.append(None)
        tree.push(name)
        tree.mode = "in caption"
        return HTML
    if name in (b"colgroup", b"col"):
        tree.clear_back_to(b"table")
        tree.push(b"colgroup")
        tree.mode = "in column group"
        return HTML
    if name in _BODIES or name == b"tr" or name in _CELLS:
        tree.clear_back_to(b"table")
        tree.push(name if name in _BODIES else b"tbody")
        tree.mode = "in table body"
        return HTML if name in _BODIES else start_by_mode(tree, token)
    if name == b"table":
        if not tree.in_table_scope(name):
            return DROPPED
        _end_table(tree)
        return start_by_mode(tree, token)
    if name in (b"style", b"script", b"template"):
        return _in_head_start(tree, token)
    if name == b"input" and token.value(b"type") == b"hidden":
        return HTML
    if name == b"form":
        if tree.has_template() or tree.form is not None:
            return DROPPED
        tree.form = tree.push(name)
        tree.stack.pop()
        return HTML
    return _in_body_start(tree, token)


def _end_table(tree: Tree) -> None:
    tree.pop_until(b"table")
    reset_mode(tree)


def _in_table_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"table":
        if tree.in_table_scope(name):
            _end_table(tree)
    elif name in _TABLE_PARTS or name in (b"body", b"html"):
        return
    elif name == b"template":
        _in_head_end(tree, token)
    else:
        _in_body_end(tree, token)


# -- https://html.spec.whatwg.org/#parsing-main-incaption


def _close_caption(tree: Tree) -> bool:
    if not tree.in_table_scope(b"caption"):
        return False
    tree.generate_implied_end_tags()
    tree.pop_until(b"caption")
    tree.clear_to_marker()
    tree.mode = "in table"
    return True


def _in_caption_start(tree: Tree, token: TagToken) -> bytes:
    if token.name in _TABLE_PARTS:
        return start_by_mode(tree, token) if _close_caption(tree) else DROPPED
    return _in_body_start(tree, token)


def _in_caption_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"caption":
        _close_caption(tree)
    elif name == b"table":
        if _close_caption(tree):
            end_by_mode(tree, token)
    elif name not in _TABLE_PARTS and name not in (b"body", b"html"):
        _in_body_end(tree, token)


# -- https://html.spec.whatwg.org/#parsing-main-incolgroup


def _close_column_group(tree: Tree) -> bool:
    if not tree.is_current(b"colgroup"):
        return False
    tree.stack.pop()
    tree.mode = "in table"
    return True


def _in_column_group_start(tree: Tree, token: TagToken) -> bytes:
    if token.name == b"html":
        return _in_body_start(tree, token)
    if token.name == b"col":
        return HTML
    if token.name == b"template":
        return _in_head_start(tree, token)
    return start_by_mode(tree, token) if _close_column_group(tree) else DROPPED


def _in_column_group_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"colgroup":
        _close_column_group(tree)
    elif token.name == b"template":
        _in_head_end(tree, token)
    elif token.name != b"col" and _close_column_group(tree):
        end_by_mode(tree, token)


def _in_column_group_text(tree: Tree, text: Characters) -> None:
    if text is not Characters.SPACE and _close_column_group(tree):
        text_by_mode(tree, text)


# -- https://html.spec.whatwg.org/#parsing-main-intbody


def _in_table_body_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"tr" or name in _CELLS:
        tree.clear_back_to(*_BODIES)
        tree.push(b"tr")
        tree.mode = "in row"
        return HTML if name == b"tr" else start_by_mode(tree, token)
    if name in _TABLE_PARTS:
        return start_by_mode(tree, token) if _close_table_body(tree) else DROPPED
    return _in_table_start(tree, token)


def _close_table_body(tree: Tree) -> bool:
    if not tree.in_table_scope(*_BODIES):
        return False
    tree.clear_back_to(*_BODIES)
    tree.stack.pop()
    tree.mode = "in table"
    return True


def _in_table_body_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name in _BODIES:
        if tree.in_table_scope(name):
            _close_table_body(tree)
    elif name == b"table":
        if _close_table_body(tree):
            end_by_mode(tree, token)
    elif name not in _TABLE_PARTS and name not in (b"body", b"html"):
        _in_table_end(tree, token)


# -- https://html.spec.whatwg.org/#parsing-main-intr


def _close_row(tree: Tree) -> bool:
    if not tree.in_table_scope(b"tr"):
        return False
    tree.clear_back_to(b"tr")
    tree.stack.pop()
    tree.mode = "in table body"
    return True


def _in_row_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name in _CELLS:
        tree.clear_back_to(b"tr")
        tree.push(name)
        tree.mode = "in cell"
        tree.formatting.append(None)
        return HTML
    if name in _TABLE_PARTS:
        return start_by_mode(tree, token) if _close_row(tree) else DROPPED
    return _in_table_start(tree, token)


def _in_row_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"tr":
        _close_row(tree)
    elif name == b"table":
        if _close_row(tree):
            end_by_mode(tree, token)
    elif name in _BODIES:
        if tree.in_table_scope(name) and _close_row(tree):
            end_by_mode(tree, token)
    elif name not in _TABLE_PARTS and name not in (b"body", b"html"):
        _in_table_end(tree, token)


# -- https://html.spec.whatwg.org/#parsing-main-intd


def _close_cell(tree: Tree, *names: bytes) -> None:
    tree.generate_implied_end_tags()
    tree.pop_until(*names)
    tree.clear_to_marker()
    tree.mode = "in row"


def _in_cell_start(tree: Tree, token: TagToken) -> bytes:
    if token.name not in _TABLE_PARTS:
        return _in_body_start(tree, token)
    if not tree.in_table_scope(*_CELLS):
        return DROPPED
    _close_cell(tree, *_CELLS)
    return start_by_mode(tree, token)


def _in_cell_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name in _CELLS:
        if tree.in_table_scope(name):
            _close_cell(tree, name)
    elif name == b"table" or name in _BODIES or name == b"tr":
        if tree.in_table_scope(name):
            _close_cell(tree, *_CELLS)
            end_by_mode(tree, token)
    elif name not in _TABLE_PARTS and name not in (b"body", b"html"):
        _in_body_end(tree, token)


# -- "in select" and "in select in table": old parsers only


def _in_select_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"html":
        return _in_body_start(tree, token)
    if name in (b"option", b"optgroup", b"hr"):
        if tree.is_current(b"option"):
            tree.stack.pop()
        if name != b"option" and tree.is_current(b"optgroup"):
            tree.stack.pop()
        if name != b"hr":
            tree.push(name)
        return HTML
    if name in (b"select", b"input", b"keygen", b"textarea"):
        if not tree.in_select_scope():
            return DROPPED
        _end_select(tree)
        return DROPPED if name == b"select" else start_by_mode(tree, token)
    if name in (b"script", b"template"):
        return _in_head_start(tree, token)
    return DROPPED


def _end_select(tree: Tree) -> None:
    tree.pop_until(b"select")
    reset_mode(tree)


def _in_select_end(tree: Tree, token: TagToken) -> None:
    name = token.name
    if name == b"optgroup":
        if tree.is_current(b"option") and len(tree.stack) > 1 and tree.stack[-2].name == b"optgroup":
            tree.stack.pop()
        if tree.is_current(b"optgroup"):
            tree.stack.pop()
    elif name == b"option":
        if tree.is_current(b"option"):
            tree.stack.pop()
    elif name == b"select":
        if tree.in_select_scope():
            _end_select(tree)
    elif name == b"template":
        _in_head_end(tree, token)


_LEAVES_SELECT = frozenset(b"caption table tbody tfoot thead tr td th".split())


def _in_select_in_table_start(tree: Tree, token: TagToken) -> bytes:
    if token.name not in _LEAVES_SELECT:
        return _in_select_start(tree, token)
    _end_select(tree)
    return start_by_mode(tree, token)


def _in_select_in_table_end(tree: Tree, token: TagToken) -> None:
    if token.name not in _LEAVES_SELECT:
        _in_select_end(tree, token)
    elif tree.in_table_scope(token.name):
        _end_select(tree)
        end_by_mode(tree, token)


# -- https://html.spec.whatwg.org/#parsing-main-intemplate

_TEMPLATE_MODES = {
    **dict.fromkeys((b"caption", b"colgroup", *_BODIES), "in table"),
    b"col": "in column group",
    b"tr": "in table body",
    **dict.fromkeys(_CELLS, "in row"),
}


def _in_template_start(tree: Tree, token: TagToken) -> bytes:
    if token.name in _HEAD_CONTENT:
        return _in_head_start(tree, token)
    tree.mode = tree.template_modes[-1] = _TEMPLATE_MODES.get(token.name, "in body")
    return start_by_mode(tree, token)


def _in_template_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"template":
        _in_head_end(tree, token)


# -- https://html.spec.whatwg.org/#parsing-main-afterbody


def _after_body_start(tree: Tree, token: TagToken) -> bytes:
    if token.name == b"html":
        return _in_body_start(tree, token)
    tree.mode = "in body"
    return start_by_mode(tree, token)


def _after_body_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"html":
        tree.mode = "after after body"
        return
    tree.mode = "in body"
    end_by_mode(tree, token)


def _after_body_text(tree: Tree, text: Characters) -> None:
    if text is Characters.SPACE:
        _in_body_text(tree, text)
        return
    tree.mode = "in body"
    text_by_mode(tree, text)


# -- https://html.spec.whatwg.org/#parsing-main-inframeset


def _in_frameset_start(tree: Tree, token: TagToken) -> bytes:
    name = token.name
    if name == b"html":
        return _in_body_start(tree, token)
    if name == b"frameset":
        tree.push(name)
        return HTML
    if name == b"noframes":
        return _in_head_start(tree, token)
    return HTML if name == b"frame" else DROPPED


def _in_frameset_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"frameset" and not tree.is_current(b"html"):
        tree.stack.pop()
        if not tree.is_current(b"frameset"):
            tree.mode = "after frameset"


# -- https://html.spec.whatwg.org/#parsing-main-afterframeset


def _after_frameset_start(tree: Tree, token: TagToken) -> bytes:
    if token.name == b"html":
        return _in_body_start(tree, token)
    return _in_head_start(tree, token) if token.name == b"noframes" else DROPPED


def _after_frameset_end(tree: Tree, token: TagToken) -> None:
    if token.name == b"html":
        tree.mode = "after after frameset"


# -- https://html.spec.whatwg.org/#the-after-after-body-insertion-mode


def _after_after_body_end(tree: Tree, token: TagToken) -> None:
    tree.mode = "in body"
    end_by_mode(tree, token)


def _no_end(tree: Tree, token: TagToken) -> None:
    """Ignore the token."""


_RULES: dict[str, Rules] = {
    "initial": Rules(_initial_start, _initial_end, _initial_text),
    "before html": Rules(_before_html_start, _before_html_end, _before_html_text),
    "before head": Rules(_before_head_start, _before_head_end, _before_head_text),
    "in head": Rules(_in_head_start, _in_head_end, _in_head_text),
    "in head noscript": Rules(_in_head_noscript_start, _in_head_noscript_end, _in_head_noscript_text),
    "after head": Rules(_after_head_start, _after_head_end, _after_head_text),
    "in body": Rules(_in_body_start, _in_body_end, _in_body_text),
    "text": Rules(_text_start, _text_end, _no_text),
    "in table": Rules(_in_table_start, _in_table_end, _in_table_text),
    "in caption": Rules(_in_caption_start, _in_caption_end, _in_body_text),
    "in column group": Rules(_in_column_group_start, _in_column_group_end, _in_column_group_text),
    "in table body": Rules(_in_table_body_start, _in_table_body_end, _in_table_text),
    "in row": Rules(_in_row_start, _in_row_end, _in_table_text),
    "in cell": Rules(_in_cell_start, _in_cell_end, _in_body_text),
    "in select": Rules(_in_select_start, _in_select_end, _no_text),
    "in select in table": Rules(_in_select_in_table_start, _in_select_in_table_end, _no_text),
    "in template": Rules(_in_template_start, _in_template_end, _in_body_text),
    "after body": Rules(_after_body_start, _after_body_end, _after_body_text),
    "in frameset": Rules(_in_frameset_start, _in_frameset_end, _no_text),
    "after frameset": Rules(_after_frameset_start, _after_frameset_end, _no_text),
    "after after body": Rules(_after_body_start, _after_after_body_end, _after_body_text),
    "after after frameset": Rules(_after_frameset_start, _no_end, _no_text),
}


def reset_mode(tree: Tree) -> None:
    """https://html.spec.whatwg.org/#reset-the-insertion-mode-appropriately"""
    tree.mode = _mode_for(tree)


_MODES = {
    b"tr": "in row",
    **dict.fromkeys(_BODIES, "in table body"),
    b"caption": "in caption",
    b"colgroup": "in column group",
    b"table": "in table",
    b"body": "in body",
    b"frameset": "in frameset",
}


def _mode_for(tree: Tree) -> str:
    stack = tree.stack
    for place in range(len(stack) - 1, 0, -1):
        node = stack[place]
        tree.count(1)
        if node.namespace != HTML:
            continue
        name = node.name
        if name == b"select" and tree.dialect.old_select:
            around = next((e.name for e in reversed(stack[:place]) if e.name in (b"template", b"table")), b"")
            return "in select in table" if around == b"table" else "in select"
        if name in _CELLS:
            return "in cell"
        if name == b"template":
            return tree.template_modes[-1]
        if name == b"head":
            return "in head"
        if name in _MODES:
            return _MODES[name]
    return "before head" if tree.head is None else "after head"


# -- the tree construction dispatcher, https://html.spec.whatwg.org/#tree-construction-dispatcher


def start_by_mode(tree: Tree, token: TagToken) -> bytes:
    """Process a start tag by the rules of the current insertion mode."""
    return _RULES[tree.mode].start(tree, token)


def end_by_mode(tree: Tree, token: TagToken) -> None:
    """Process an end tag by the rules of the current insertion mode."""
    _RULES[tree.mode].end(tree, token)


def text_by_mode(tree: Tree, text: Characters) -> None:
    """Process characters by the rules of the current insertion mode."""
    _RULES[tree.mode].text(tree, text)


def start_tag(tree: Tree, token: TagToken) -> bytes:
    """
    Process a start tag.

    Returns:
        The namespace of the element that it opens, or ``DROPPED``.

    Raises:
        RefusedMarkup: where the page's nesting costs more than linear time.
    """
    tree.tokens += 1
    if tree.takes_as_html(token):
        return start_by_mode(tree, token)
    if breaks_out(token):
        tree.leave_foreign()
        return start_by_mode(tree, token)
    namespace = tree.current.namespace
    tree.insert_foreign(token, namespace)
    return namespace


def end_tag(tree: Tree, token: TagToken) -> None:
    """Process an end tag."""
    tree.tokens += 1
    if not tree.in_foreign:
        end_by_mode(tree, token)
        return
    if token.name in (b"br", b"p"):
        tree.leave_foreign()
        end_by_mode(tree, token)
        return
    for place in range(len(tree.stack) - 1, 0, -1):
        tree.count(1)
        node = tree.stack[place]
        if node.namespace == HTML:
            end_by_mode(tree, token)
            return
        if node.name == token.name:
            del tree.stack[place:]
            return


def characters(tree: Tree, text: Characters) -> None:
    """Process a run of characters of one kind."""
    current = tree.stack[-1] if tree.stack else None
    if current is None or current.namespace == HTML or current.html_point or current.math_point:
        text_by_mode(tree, text)
    elif text is Characters.TEXT:
        tree.frameset_ok = False


def doctype(tree: Tree, *, quirks: bool) -> None:
    """Process a DOCTYPE, https://html.spec.whatwg.org/#the-initial-insertion-mode"""
    if tree.mode == "initial":
        tree.quirks = quirks
        tree.mode = "before html"


def new_tree(dialect: Dialect) -> Tree:
    """Return the state at the beginning of a document."""
    return Tree("initial", dialect)
