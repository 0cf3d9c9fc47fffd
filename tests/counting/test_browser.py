"""Browser and system from the headers: real user-agents and hints, programs, prefetches, and whatever else may come."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_mw.counting import browser
from consent_mw.counting.browser import BROWSERS
from consent_mw.counting.browser import SYSTEMS
from consent_mw.counting.browser import Visitor
from consent_mw.counting.browser import visitor_of
from consent_mw.http.request import RequestHead

ROOT = Path(__file__).resolve().parent.parent.parent

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
GREASED = '"Chromium";v="131", "Not_A Brand";v="24"'
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"


def head(**headers: str) -> RequestHead:
    """Return a request with these headers; ``_`` in a name stands for a hyphen."""
    return RequestHead(
        "GET",
        "https",
        "shop.example",
        "/",
        "",
        tuple((name.replace("_", "-"), value) for name, value in headers.items()),
    )


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (CHROME, ("chrome", "windows")),
        (CHROME.replace("Windows NT 10.0; Win64; x64", "X11; Linux x86_64"), ("chrome", "linux")),
        (CHROME.replace("Windows NT 10.0; Win64; x64", "X11; CrOS x86_64 14541.0.0"), ("chrome", "chromeos")),
        (CHROME.replace("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7"), ("chrome", "macos")),
        (f"{ANDROID} Chrome/131.0.0.0 Mobile Safari/537.36", ("chrome", "android")),
        (f"{IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1", ("chrome", "ios")),
        # Chrome that asks for the desktop's pages on an iPad.
        (f"{MAC} CriOS/131 Version/11.1.1 Safari/605.1.15", ("chrome", "ios")),
        (f"{CHROME} Edg/131.0.2903.51", ("edge", "windows")),
        (f"{ANDROID} Chrome/131.0.0.0 Mobile Safari/537.36 EdgA/131.0.0.0", ("edge", "android")),
        (f"{IPHONE} Version/17.0 EdgiOS/131.0 Mobile/15E148 Safari/604.1", ("edge", "ios")),
        (f"{CHROME} Edge/18.19045", ("edge", "windows")),
        (f"{CHROME} OPR/115.0.0.0", ("opera", "windows")),
        (f"{ANDROID} Chrome/130.0.0.0 Mobile Safari/537.36 OPR/86.0.0.0", ("opera", "android")),
        (f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1 OPT/5.0.0", ("opera", "ios")),
        ("Opera/9.80 (J2ME/MIDP; Opera Mini/9.80/191.2; U; en) Presto/2.12.423 Version/12.16", ("opera", "other")),
        (
            "Mozilla/5.0 (Linux; Android 13; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 "
            "Chrome/125.0.0.0 Mobile Safari/537.36",
            ("samsung-internet", "android"),
        ),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0", ("firefox", "windows")),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", ("firefox", "linux")),
        ("Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0", ("firefox", "android")),
        ("Mozilla/5.0 (X11; FreeBSD amd64; rv:128.0) Gecko/20100101 Firefox/128.0", ("firefox", "other")),
        (f"{IPHONE} FxiOS/132.0 Mobile/15E148 Safari/605.1.15", ("firefox", "ios")),
        (f"{MAC} Version/17.5 Safari/605.1.15", ("safari", "macos")),
        (f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1", ("safari", "ios")),
        (
            f"{IPHONE.replace('iPhone; CPU iPhone', 'iPad; CPU')} Version/17.5 Mobile/15E148 Safari/604.1",
            ("safari", "ios"),
        ),
        (f"{IPHONE} Version/17.5 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15", ("duckduckgo", "ios")),
        (f"{MAC} Version/17.5 Safari/605.1.15 Ddg/17.5", ("duckduckgo", "macos")),
        # Inside apps.
        (f"{IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/490.0.0;FBDV/iPhone15,2]", ("in-app", "ios")),
        (f"{IPHONE} Mobile/15E148 Instagram 357.0.0.0 (iPhone15,2; iOS 17_5)", ("in-app", "ios")),
        (f"{IPHONE} Mobile/15E148", ("in-app", "ios")),
        (f"{MAC} Mobile/15E148", ("in-app", "ios")),
        (f"{IPHONE} GSA/343.0 Mobile/15E148 Safari/604.1", ("in-app", "ios")),
        (
            "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
            "Chrome/131.0.0.0 Mobile Safari/537.36",
            ("in-app", "android"),
        ),
        # Browsers that are not told apart, each of which takes another's name.
        (f"{CHROME} Vivaldi/7.0", ("other", "windows")),
        (f"{CHROME.replace('Chrome/', 'YaBrowser/24.10 Chrome/')}", ("other", "windows")),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15",
            ("other", "linux"),
        ),
        (
            "Mozilla/5.0 (Linux; U; Android 4.0.3; de-de) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile "
            "Safari/534.30",
            ("other", "android"),
        ),
        ("Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", ("other", "windows")),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:91.0) Gecko/20100101 Firefox/91.0 SeaMonkey/2.53.18", ("other", "linux")),
        (
            "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/3.0 "
            "Chrome/76.0.3809.146 TV Safari/537.36",
            ("other", "other"),
        ),
        (
            "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 "
            "Safari/537.36 WebAppManager",
            ("other", "other"),
        ),
        ("Mozilla/5.0 (Mobile; Nokia_2780; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/3.1", ("other", "other")),
        # A phone maker whose name ends like that of a crawler.
        (f"{ANDROID.replace('; K', '; CUBOT X30')} Chrome/131.0.0.0 Mobile Safari/537.36", ("chrome", "android")),
    ],
)
def test_a_user_agent_is_placed(agent: str, expected: tuple[str, str]) -> None:
    """Without hints the signs in the user-agent tell browser and system, whatever names it takes beside its own."""
    assert Visitor(*expected) == visitor_of(head(user_agent=agent))


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        ('"Google Chrome";v="131", "Chromium";v="131", "Not_A Brand";v="24"', "chrome"),
        ('" Not A;Brand";v="99", "Chromium";v="96", "Microsoft Edge";v="96"', "edge"),
        ('"Opera";v="115", "Chromium";v="130", "Not?A_Brand";v="99"', "opera"),
        ('"Opera GX";v="114", "Chromium";v="128", "Not;A=Brand";v="24"', "opera"),
        ('"Chromium";v="125", "Samsung Internet";v="27", "Not.A/Brand";v="24"', "samsung-internet"),
        ('"Brave";v="131", "Chromium";v="131", "Not_A Brand";v="24"', "brave"),
        ('"DuckDuckGo";v="131", "Chromium";v="131", "Not_A Brand";v="24"', "duckduckgo"),
        ('"Android WebView";v="131", "Chromium";v="131", "Not_A Brand";v="24"', "in-app"),
        ('"Microsoft Edge";v="131", "Microsoft Edge WebView2";v="131", "Chromium";v="131"', "in-app"),
        ('"Microsoft Edge";v="131", "Google Chrome";v="131", "Chromium";v="131"', "edge"),
        ('"Vivaldi";v="7", "Chromium";v="131", "Not_A Brand";v="24"', "other"),
        ('"\\\\Not\\"A;Brand";v="99", "Chromium";v="131"', "chrome"),
        (GREASED, "chrome"),
        ('"Brave"; v=131;beta ;x=?0', "chrome"),
        ('"Brave"; v=131;beta;x=?0', "brave"),
        # Not a list of strings: the field is ignored, and the user-agent speaks.
        ('"Brave";v="131",', "chrome"),
        ("Brave", "chrome"),
        ('"Brave', "chrome"),
        ('"Brave" "Chromium"', "chrome"),
        ('"Brave", ' * 17 + '"Brave"', "chrome"),
        ('"Brave";v="' + "1" * 600 + '"', "chrome"),
        ("", "chrome"),
    ],
)
def test_a_brand_goes_before_the_user_agent(brands: str, expected: str) -> None:
    """The first known brand of a well-formed hint is the browser; made-up ones say nothing, strange ones are others."""
    hints = {"sec-ch-ua": brands, "sec-ch-ua-platform": '"Windows"'}
    assert expected == visitor_of(head(user_agent=CHROME, **hints)).browser


@pytest.mark.parametrize(
    ("platform", "mobile", "expected"),
    [
        ('"Windows"', "?0", "windows"),
        ('"macOS"', "?0", "macos"),
        ('"Linux"', "?0", "linux"),
        ('"Chrome OS"', "?0", "chromeos"),
        ('"Chromium OS"', "?0", "chromeos"),
        ('"Android"', "?1", "android"),
        ('"iOS"', "?1", "ios"),
        # Names nothing that is told apart: the other hint, or the user-agent, speaks.
        ('"Unknown"', "?0", "windows"),
        ('"Unknown"', "?1", "android"),
        ("Linux", "?0", "windows"),
        ('"Linux', "?0", "windows"),
        ("", "", "windows"),
    ],
)
def test_a_platform_goes_before_the_user_agent(platform: str, mobile: str, expected: str) -> None:
    """A well-formed platform hint is the system."""
    hints = {"sec-ch-ua": GREASED, "sec-ch-ua-platform": platform, "sec-ch-ua-mobile": mobile}
    assert expected == visitor_of(head(user_agent=CHROME, **hints)).os


@pytest.mark.parametrize(
    "agent",
    [
        "",
        " ",
        "-",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        f"{ANDROID} Chrome/131.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
        f"{CHROME} GPTBot/1.2",
        f"{CHROME} (compatible; ChatGPT-User/1.0)",
        f"{CHROME} (compatible; Perplexity-User/1.0)",
        "facebookexternalhit/1.1",
        "WhatsApp/2.24.20 A",
        "TelegramBot (like TwitterBot)",
        "Slackbot-LinkExpanding 1.0",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
        CHROME.replace("Chrome/", "HeadlessChrome/"),
        f"{CHROME} Chrome-Lighthouse",
        "Mozilla/5.0 (compatible; UptimeRobot/2.0)",
        "Pingdom.com_bot_version_1.4",
        "Mozilla/5.0 (compatible; StatusCake)",
        "check_http/v2.3.3 (monitoring-plugins 2.3.3)",
        "curl/8.10.1",
        "Wget/1.24.5",
        "python-requests/2.32.3",
        "Python/3.12 aiohttp/3.10.5",
        "Go-http-client/2.0",
        "okhttp/4.12.0",
        "Java/17.0.2",
        "Apache-HttpClient/4.5.14 (Java/17.0.2)",
        "axios/1.7.7",
        "node",
        "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A)",
        "Feedly/1.0 (poller)",
        "SomethingNobodyKnows/1.0",
        # Known to the library alone.
        "Mozilla/5.0 (compatible; heritrix/3)",
        "Nutch/1.19",
    ],
)
def test_a_program_is_no_visitor(agent: str) -> None:
    """Crawlers, previews, monitors, libraries, headless browsers, and who gives no name, are bots."""
    assert Visitor("other", "other", bot=True) == visitor_of(head(user_agent=agent))


def test_a_request_without_a_user_agent_is_a_program() -> None:
    """Every browser sends a user-agent."""
    assert visitor_of(head(accept="text/html")).bot


def test_a_headless_brand_is_a_program() -> None:
    """A browser that says only in its hint that nobody looks is a bot, too."""
    assert visitor_of(head(user_agent=CHROME, sec_ch_ua='"HeadlessChrome";v="131", "Chromium";v="131"')).bot


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sec-purpose", "prefetch", True),
        ("sec-purpose", "prefetch;prerender", True),
        ("sec-purpose", "prefetch;anonymous-client-ip", True),
        ("purpose", "prefetch", True),
        ("x-purpose", "preview", True),
        ("x-moz", "prefetch", True),
        ("purpose", "navigate", False),
        ("sec-purpose", "", False),
        ("x-reason", "prefetch", False),
    ],
)
def test_a_page_in_advance_is_told(name: str, value: str, expected: bool) -> None:
    """Each header by which browsers say that they fetch in advance is heeded, and no other."""
    assert Visitor("chrome", "windows", prefetch=expected) == visitor_of(head(user_agent=CHROME, **{name: value}))


def test_the_first_of_repeated_headers_counts() -> None:
    """A header that comes twice is read as :meth:`RequestHead.header` reads it."""
    twice = RequestHead("GET", "https", "h", "/", "", (("user-agent", CHROME), ("user-agent", "curl/8")))
    assert Visitor("chrome", "windows") == visitor_of(twice)


def test_the_library_places_the_tail() -> None:
    """A system that the table does not know is what the library makes of it, in the words of the closed list."""
    assert Visitor("other", "linux") == visitor_of(head(user_agent="Mozilla/5.0 (X11; Fedora; rv:1) Gecko Strange/1"))


def test_the_library_is_loaded_for_the_tail_only() -> None:
    """Whoever comes with a common browser does not make the process load half a megabyte of patterns."""
    program = (
        "import sys\n"
        "from tests.counting.test_browser import CHROME, head\n"
        "from consent_mw.counting.browser import visitor_of\n"
        "visitor_of(head(user_agent=CHROME)); visitor_of(head(user_agent='curl/8'))\n"
        "before = 'user_agents' in sys.modules\n"
        "visitor_of(head(user_agent='Strange/1'))\n"
        "print(before, 'user_agents' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "False True" == done.stdout.strip()


def test_a_library_that_fails_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library stumbles over is a visitor of another kind."""
    import user_agents

    def fail(agent: str) -> None:
        raise RecursionError(agent)

    monkeypatch.setattr(user_agents, "parse", fail)
    assert Visitor("other", "other") == visitor_of(head(user_agent="Mozilla/5.0 (Stumble) Block/1"))


def test_the_library_is_not_given_long_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time grows with the length, which a stranger chooses."""
    import user_agents

    given_texts: list[str] = []
    monkeypatch.setattr(user_agents, "parse", given_texts.append)
    visitor_of(head(user_agent="Mozilla/5.0 Long/" + "1" * 300))
    assert [] == given_texts


HEADERS = st.dictionaries(
    st.sampled_from(
        ["user-agent", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-purpose", "purpose", "x-moz"]
    ),
    st.text(max_size=40)
    | st.lists(
        st.sampled_from(
            [
                '"',
                ";",
                ",",
                "\\",
                " ",
                "=",
                "Brave",
                "Chromium",
                "v",
                "1",
                "(",
                "iPhone",
                "Version/",
                "Safari/",
                "Mobile/",
            ]
            + ["Mozilla/5.0 ", "Macintosh", "Android ", "X11;", "AppleWebKit/", "Windows", "Linux", "\udcff", "\x00"]
        ),
        max_size=300,
    ).map("".join),
)


@given(HEADERS)
def test_any_header_gives_words_of_the_closed_lists(headers: dict[str, str]) -> None:
    """Whatever a stranger sends, the answer is one of few, and nothing is raised."""
    found = visitor_of(head(**headers))
    assert (found.browser in BROWSERS, found.os in SYSTEMS) == (True, True)


def test_the_closed_lists_have_no_doubles() -> None:
    """Each word stands once, and the last is for the rest."""
    assert (len(set(BROWSERS)), len(set(SYSTEMS))) == (len(BROWSERS), len(SYSTEMS))
    assert ("other", "other") == (BROWSERS[-1], SYSTEMS[-1])


def test_what_is_remembered_is_bounded() -> None:
    """Many user-agents, and long ones, do not fill the memory."""
    for number in range(3 * browser.REMEMBERED):
        visitor_of(head(user_agent=f"{CHROME} {number}"))
    full = browser._remembered.cache_info().currsize
    before = browser._remembered.cache_info().misses
    visitor_of(head(user_agent=CHROME + "x" * 10_000, sec_ch_ua="x" * 10_000))
    assert (browser.REMEMBERED, before) == (full, browser._remembered.cache_info().misses)


def test_threads_agree() -> None:
    """Threads that ask at the same time all get the right answer."""
    found: list[Visitor] = []

    def ask() -> None:
        found.extend(visitor_of(head(user_agent=f"{CHROME} Edg/{number}")) for number in range(200))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [Visitor("edge", "windows")] * 800 == found
