"""Scripts with a vendor's snippet and the site's own code: what is held of them, and what goes on."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.html.rewriter import Rewriter
from tests.html.cutting import LOAD
from tests.html.cutting import MENU
from tests.html.cutting import cut
from tests.html.cutting import plain
from tests.html.cutting import rewritten


@pytest.mark.parametrize(
    "parts",
    [
        ["-" + LOAD, MENU],
        [MENU, "-" + LOAD],
        [MENU, "-" + LOAD + "\nmeasure('view');", "var config = { a: 1 };"],
        # What a snippet makes without a function around it, and what only it uses.
        [
            "-var s = document.createElement('script'); s.src = 'https://measure.example/m.js'; put(s);",
            MENU,
        ],
        ["-var base = 'https://measure.example/'; var s = new Image(); s.src = base + 'p.gif';", MENU],
        # A part of an object of the site's own.
        [
            "window.app = {}; app.id = 7;",
            "-app.ads = (function () { " + LOAD + " return { show: f } })();",
            "app.go();",
        ],
        # Settings of an object that another script of the vendor has made.
        ["-m.page = 'a'; m.b.c = 1; m.measure(new Image().src = '//measure.example/p');", "document.title = 'a';"],
        # The globals of the service.
        ["-window.measureLayer = window.measureLayer || []; measureLayer.push({ a: 1 });\n" + LOAD, MENU],
        ["-" + LOAD + " function measure() { measureLayer.push(arguments) }", MENU],
        # A function that calls the service later.
        ["function buy(b) { measure('buy'); b.disabled = true }", "-" + LOAD + "measure('view');"],
        ["-" + LOAD, "addEventListener('load', function () { measure('ready'); start() });"],
        ["-" + LOAD, "window.app = { buy() { window.measure('buy') }, open: () => { measure('open') } };"],
        # A function of the site's own that has a stand-in.
        [
            "-function ping() { new Image().src = 'https://measure.example/p' }",
            "addEventListener('x', () => { ping() });",
        ],
        # Declarations that other scripts use.
        ["var hideAd = true;", "-" + LOAD],
        # A function of the site's own that asks whether something is there needs no stand-in for it.
        ["-var m = { src: 'https://measure.example/m.js' }; load(m.src);", "go.onclick = () => { window.x && x(1) };"],
        # Settings of a service, without an address.
        ["-measure_client = 1;", "if (wide) { var hideAd = true } else { var hideAd = false }", "-measureLayer[0]++;"],
        # Imports and labels.
        ["import('/own.js').then(go);", "-" + LOAD, "a: for (;;) { break a }"],
        # Comments go with what follows them; they and the end of the line stay where they are.
        ["// https://measure.example is good\n" + MENU, "-/* measure(1) */ " + LOAD + " //-->"],
        ["-let [a] = ['//measure.example/a.js']; fetch(a); use(a);", "const t = `${ `}` }`, r = /[;'\"]/;"],
    ],
    ids=str,
)
def test_own_statements_go_on(parts: list[str]) -> None:
    """The vendor's statements are held, with what needs them at once, and nothing else."""
    assert cut("\n".join(part.removeprefix("-") for part in parts)) == parts


OWN = "menu();"
#: Statements with both in a block, each with its halves if "%s" is not enough.
BLOCKS = [
    "addEventListener('load', function () {%s});",
    "document.addEventListener('DOMContentLoaded', (e) => {%s}, { once: true });",
    "$(function () {%s});",
    "jQuery(document).ready(function ($) {%s})",
    "$('.menu').on('click', '.a', async function (e) {%s});",
    "document.querySelector('.a').addEventListener('click', e => {%s});",
    "(function (w, d) {%s})(window, document);",
    "!function () {%s}.call(this)",
    "(async () => {%s})();",
    "window.setTimeout(function () {%s}, 3000);",
    "requestIdleCallback(() => {%s}, { timeout: 9 });",
    "/* } */ $(function () { // it's {\n%s\n})",
    # Directives, declarations without effect and a check without one are in both halves.
    "(function () { 'use strict'; %s})();",
    "(function () { if (a.b) return; %s})();",
    "addEventListener('load', () => { setTimeout(function () {%s}, 9) });",
]
#: The same without a function. A name that is declared in one is not told from one of the script.
PLAIN_BLOCKS = [
    "if (location.protocol.indexOf('http') === 0 && !(a.b || c)) {%s}",
    "try {%s} catch (e) { console.log(e) }",
    "{%s}",
]
#: What is in a block, the own statements of it, and those that are held.
INSIDE = [
    (OWN + LOAD, OWN, LOAD),
    (LOAD + OWN, OWN, LOAD),
    ("menu('}');\n" + LOAD + "\nopen()", "menu('}');open()", LOAD),
    (
        "const d = document;menu(d);d.images[0].src = '//measure.example/p';",
        "const d = document;menu(d);",
        "const d = document;d.images[0].src = '//measure.example/p';",
    ),
    (
        "function put(u) { fetch(u) } put('/own.js');put('//measure.example/m.js');",
        "function put(u) { fetch(u) } put('/own.js');",
        "function put(u) { fetch(u) } put('//measure.example/m.js');",
    ),
    (
        "const u = 'https://measure.example/m.js';later(u);menu()",
        "menu()",
        "const u = 'https://measure.example/m.js';later(u);",
    ),
    # What uses a function that is held.
    (
        "function go() { fetch('//measure.example/m.js') } menu();if (a) { a(go) }",
        OWN,
        "function go() { fetch('//measure.example/m.js') } if (a) { a(go) }",
    ),
]


@pytest.mark.parametrize(
    ("around", "both", "own", "held"),
    [
        (around, *inside)
        for blocks, most in ((BLOCKS, 7), (PLAIN_BLOCKS, 3))
        for around in blocks
        for inside in INSIDE[:most]
    ],
    ids=lambda one: one[:30],
)
def test_a_block_with_both_is_divided(around: str, both: str, own: str, held: str) -> None:
    """The statement is there twice: with the site's own statements in its block, and with those that are held."""
    found = cut(around.replace("%s", both))
    assert found is not None
    assert list(map(plain, found)) == [plain(around.replace("%s", own)), "-" + plain(around.replace("%s", held))]


@pytest.mark.parametrize(
    ("code", "held"),
    [
        ("window.onload = function (e) {%s}", 'window.addEventListener("load", function (e) {%s});'),
        ("onload=()=>{%s};", 'window.addEventListener("load",()=>{%s});'),
        ("$(window).on('load', function () {%s});", 'window.addEventListener("load", function () {%s});'),
        ("jQuery(window).load(function () {%s});", 'window.addEventListener("load",function () {%s});'),
    ],
)
def test_a_held_half_listens_for_the_load(code: str, held: str) -> None:
    """Set a second time, a handler would replace the first half."""
    found = cut(code.replace("%s", OWN + LOAD))
    assert found is not None
    assert plain(found[1]) == plain("-" + held.replace("%s", ";" + LOAD))


def test_a_divided_script_is_replaced_by_its_parts() -> None:
    """The parts have the attributes of the script, and a page that comes in pieces or again is the same."""
    code = "first(); $(function () { menu(); " + LOAD + " }); last();"
    page = f"<p>x</p><script id=a nonce=b>{code}</script><p>y</p>"
    out = rewritten(page)
    assert out == (
        "<p>x</p><script id=a nonce=b>first(); $(function () { menu();;});\n;</script>"
        "[measure]<script data-cmw-held=measure type=text/plain nonce=b> $(function () {; " + LOAD + " });</script>"
        "<script nonce=b> last();</script><p>y</p>"
    )
    assert rewritten(page, 1) == out
    assert rewritten(page + page) == out + out


def test_each_held_part_of_a_divided_script_has_a_key_of_its_own() -> None:
    """A release trusts no key that is in a page twice."""
    code = ("$(function () { menu(); " + LOAD + " });") * 2
    out = rewritten(f"<p>x</p><script>{code}</script>", prepare=lambda rewriter: setattr(rewriter, "key", "k"))
    assert re.findall(r"data-cmw-key=k\.(\d+)", out) == ["1", "2"]


@pytest.mark.parametrize(
    "code",
    [
        LOAD,
        MENU,
        LOAD + "measure('view');",
        # Nothing but calls.
        "measure('view');" + MENU,
        "window.ran = 1; measure(1)",
        "window.ran = 1; trackNow(1)",
        "window.ran = 1; window.trackNow(1)",
        # One statement has both, and one of the vendor's needs what the site's own change or compute.
        "onload = function () { var n = next(); menu(n); load('https://measure.example/m.js?' + n) };",
        "onload = function () { var n = 0; n++; menu(n); load('https://measure.example/m.js?' + n) };",
        "onload = function () { var n = 0; each(() => { n = 1 }); load('https://measure.example/m.js?' + n) };",
        "(function (n) { n = n || 1; menu(n); load('https://measure.example/m.js?' + n) })(go);",
        "onload = function () { var s = 'https://measure.example/m.js'; load(s); menu(s) };",
        # It leaves the function, or the own ones do on a condition that they change.
        "(function () { if (done) return; done = true; menu(); " + LOAD + " })();",
        "(function () { if (!window.done) { window.done = true; menu(); " + LOAD + " } })();",
        "(function () { if (check()) return; menu(); " + LOAD + " })();",
        "(function () { menu(); return load('https://measure.example/m.js') })();",
        # What is around it may not be done twice.
        "addEventListener('scroll', function f() { removeEventListener('scroll', f); menu(); " + LOAD + " });",
        "each(list, function () { menu(); " + LOAD + " });",
        "if (next()) { menu(); " + LOAD + " }",
        "if (wide) { menu(); " + LOAD + " } else go();",
        "try { menu(); " + LOAD + " } catch (e) { report(function () { e }) }",
        "a.onclick = function () { menu(); " + LOAD + " };",
        "(function* () { menu(); " + LOAD + " })();",
        # The address is an argument, or nothing but the setting of a name is the site's own.
        "(function (u) { menu(); load(u) })('https://measure.example/m.js');",
        "(function () { d = document; d.images[0].src = 'https://measure.example/p' })();",
        "(function () { var d = document; load('https://measure.example/m.js') })();",
        # A part would need at once what a later part declares.
        "start();" + LOAD + "function start() { " + MENU + " }",
        "function start() { menu() } start();" + LOAD + "function menu() { " + MENU + " }",
        # The value of a variable when the held part runs would be another one.
        "var e = new Image(); e.src = 'https://measure.example/p'; e = menu(); e.onclick = open;",
        # The address is in no single statement, or the rest would load it.
        "var a = ['https://measure', '.example/']; " + "load(a.join(''));" + MENU,
        "var u = unescape('https%3A//measure'); load(u + unescape('.example/m.js'));" + MENU,
        # Nobody knows which globals the held statement makes.
        "Object.assign(window, { u: 'https://measure.example/m.js' });" + MENU + "fetch(u);",
        # A piece of a tag would take in the markup after it.
        "document.write('<script src=\"'); document.write('https://measure.example/m.js\"><\\/script>');" + MENU,
        # It depends on its own element, or on what cannot be read.
        LOAD + "document.currentScript.remove();" + MENU,
        LOAD + "var all = document.scripts; all[document.scripts.length - 1].after(x);" + MENU,
        LOAD + MENU + "if (a) /b/.test(c);",
        "<!--\n" + LOAD + MENU + "var t = '<script>';",
        # Too many parts.
        (LOAD + MENU) * 5,
        LOAD + MENU + "a();" * 16_400,
    ],
    ids=lambda code: code[:60],
)
def test_a_doubtful_script_stays_whole(code: str) -> None:
    """Whatever is not certain is held as one script, like before."""
    assert cut(code) is None


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("var u = 'https://measure.example/m.js'; if (x) { fetch(u) } " + MENU, MENU),
        (
            "const c = { u: '//measure.example/', m: '.menu' }; document.querySelector(c.m).focus(); fetch(c.u); "
            + MENU,
            MENU,
        ),
        ("function url() { return '//measure.example/m.js' } fetch(url()); " + MENU, MENU),
        ("window['u'] = '//measure.example/m.js'; fetch(window['u'].trim()); " + MENU, MENU),
        ("this.u = '//measure.example/m.js'; fetch(u); " + MENU, MENU),
        ("app.u = '//measure.example/m.js'; fetch(app.u.trim()); app.open(); " + MENU, "app.open(); " + MENU),
        ("app.u = '//measure.example/m.js'; app.go = function () { fetch(app.u) }; " + MENU, MENU),
        # Also in a function that is called later.
        ("var u = '//measure.example/m.js'; addEventListener('load', function () { fetch(u) }); " + MENU, MENU),
        (
            "var u = '//measure.example/m.js'; function go() { fetch(u) } go(); " + MENU,
            "go(); " + MENU,
        ),
    ],
)
def test_what_needs_a_held_statement_is_held_with_it(code: str, left: str) -> None:
    """It would only throw an error, and take the statements after it along."""
    parts = cut(code)
    assert parts is not None
    assert " | ".join(part for part in parts if part[:1] != "-") == left


def test_the_page_gets_several_scripts() -> None:
    """With the attributes of the one, except its id; the globals of the service come before the held part."""
    page = f'<p><script id="a" nonce="n" type=text/javascript>{MENU}{LOAD}var b = 1;</script>'
    assert rewritten(page) == (
        f'<p><script id="a" nonce="n" type=text/javascript>{MENU}</script>[measure]'
        f'<script data-cmw-held=measure type=text/plain nonce="n" data-cmw-type=text/javascript>{LOAD}</script>'
        f'<script nonce="n" type=text/javascript>var b = 1;</script>'
    )
    page = f"<p><SCRIPT\n>{LOAD}{MENU}</script >"
    held = f"[measure]<SCRIPT data-cmw-held=measure type=text/plain\n>{LOAD}</script><script>{MENU}</script >"
    assert rewritten(page) == "<p>" + held
    # Also where the same script came before.
    assert rewritten(page * 2) == ("<p>" + held) * 2


def test_strict_code_stays_strict() -> None:
    """A directive at the start of a script is repeated in each part."""
    page = f"<script>'use strict';{LOAD}{MENU}</script>"
    assert f'</script><script>"use strict";{MENU}</script>' in rewritten(page)
    page = f"<script>'use strict';{MENU}{LOAD}</script>"
    assert f'type=text/plain>"use strict";{LOAD}</script>' in rewritten(page)


HASH = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
HASHES = f'<meta http-equiv=Content-Security-Policy content="script-src {HASH}">'


@pytest.mark.parametrize(
    "page",
    [
        "<template><script>%s</script></template>",
        "<noscript><script>%s</script></noscript>",
        "<script data-consent=analytics>%s</script>",
        "<script data-cmw-held=x>%s</script>",
        "<script type=module>%s</script>",
        "<script type=text/delayed-script>%s</script>",
        "<script onload='a()'>%s</script>",
        "<svg><script>%s</script></svg>",
        "<script src=/own.js></script><iframe srcdoc='<script>%s</script>'></iframe>",
        HASHES + "<script>%s</script>",
        "<script>%s",
    ],
)
def test_a_script_stays_whole_where_a_cut_would_change_more(page: str) -> None:
    """Where scripts do not run as the page has them, where others read them, or where a policy knows them."""
    code = LOAD + MENU
    out = rewritten(page.replace("%s", code.replace("'", "&apos;") if "srcdoc" in page else code))
    assert out.count("</script") == page.count("</script")


def test_a_script_with_a_nonce_is_cut_beside_hashes() -> None:
    """Its parts have the nonce, too."""
    assert rewritten(HASHES + f"<script nonce=n>{LOAD}{MENU}</script>").count("<script") == 2

    def hashes_in_header(rewriter: Rewriter) -> None:
        rewriter.has_hashes = True

    assert rewritten(f"<script>{LOAD}{MENU}</script>", 0, hashes_in_header).count("<script") == 1
    assert rewritten(f"<script nonce=n>{LOAD}{MENU}</script>", 0, hashes_in_header).count("<script") == 2


def test_a_script_of_a_fragment_stays_whole() -> None:
    """A part of a page has no globals for the site's own code to call."""

    def fragment(rewriter: Rewriter) -> None:
        rewriter.queue = None

    page = f"<script>{LOAD}{MENU}</script>"
    assert rewritten(page, 0, fragment).count("<script") == 1
    assert rewritten(page, remove=True).count("<script") == 0
    assert rewritten(page, xml=True).count("<script") == 1


PIECES = [
    LOAD,
    MENU,
    "measure(1);",
    "var a = 1;",
    "function f() { measure(2) }",
    "f();",
    "\n",
    "// c\n",
    "a = `${b}`;",
    "'use strict';",
]


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.integers(0, 40))
def test_the_output_does_not_depend_on_chunks_and_loses_nothing(pieces: list[str], size: int) -> None:
    """Without the insertions, the page is the application's; and no part that runs loads or calls the service."""
    page = "<p><script>" + "".join(pieces) + "</script><p>"
    out = rewritten(page)
    assert rewritten(page, size) == out
    plain = re.sub(r"\[measure\]| data-cmw-held=measure type=text/plain", "", out)
    assert plain.replace("</script><script>", "").replace('"use strict";', "") == page
    for code in re.findall(r"<script>(.*?)</script>", out, re.S):
        assert "measure.example" not in code
        assert not re.search(r"^measure\(|;measure\(", code)
