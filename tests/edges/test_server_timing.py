"""``server_timing``: every edge says our share, where the owner asks for it, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.edges.contract import SITES
from tests.edges.contract import asking

pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("name", SITES)
def test_every_edge_says_our_share_where_it_is_asked(name: str, asked: bool, tmp_path: Path) -> None:
    """Pages, streams, what is no page and what is refused carry one figure in milliseconds, or none."""
    site = {"records": f"sqlite:///{tmp_path}/consent.db", "server_timing": asked}
    ask = asking(name, {"site": site, "services": [{"use": "google-analytics"}]})
    told = [
        ask(f"/{vector}", "GET", {"sec-fetch-dest": "document"}, b"").headers.get("server-timing", [])
        for vector in ("page", "stream", "json", "events", "unreadable")
    ]
    shown = [[bool(re.fullmatch(r"cmw;dur=\d+\.\d\d", value)) for value in values] for values in told]
    assert shown == [[True] if asked else []] * 5
