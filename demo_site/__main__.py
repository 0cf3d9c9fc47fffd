"""Start the shop and the tracker farm: ``python -m demo_site``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from demo_site.farm import Farm
from demo_site.servers import serve_near
from demo_site.shop import create_app
from demo_site.shop import create_held_app
from demo_site.shop import make_visits

SHOP_PORT = 8000
FARM_PORT = 8001
#: The number of days for which visits are generated, to fill the consent rates.
MADE_UP_DAYS = 28


def main(arguments: list[str] | None = None) -> int:
    """Serve both until Ctrl-C; return the exit status."""
    options = _parse(arguments)
    logging.getLogger("consent_mw").setLevel(logging.ERROR)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with ExitStack() as stack:
        farm = Farm()
        try:
            farm_server = stack.enter_context(serve_near(farm, options.farm))
            stack.callback(farm.close)
            if options.bare:
                shop = create_app(farm_server.port)
            else:
                records = _records(options.records, stack)
                make_visits(records, MADE_UP_DAYS)
                shop = create_held_app(farm_server.port, records)
                # Close the store before its folder is removed.
                stack.callback(shop.extensions["consent_mw"].close)
            shop_server = stack.enter_context(serve_near(shop, options.shop))
        except OSError as error:
            print(f"The demo could not start: {error}", file=sys.stderr)
            return 1
        print(_welcome(shop_server.port, farm_server.port, options.bare), flush=True)
        stopping.wait()
    print(_faint("\n  Both have stopped."))
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo_site", description="A shop with trackers, held by consent_mw."
    )
    parser.add_argument("--shop", type=int, default=SHOP_PORT, metavar="PORT", help=f"the shop's port ({SHOP_PORT})")
    parser.add_argument("--farm", type=int, default=FARM_PORT, metavar="PORT", help=f"the farm's port ({FARM_PORT})")
    parser.add_argument("--records", type=Path, metavar="FOLDER", help="keep the consent records here after the end")
    parser.add_argument("--bare", action="store_true", help="leave consent_mw out, to see what the tags do without it")
    return parser.parse_args(arguments)


def _records(folder: Path | None, stack: ExitStack) -> Path:
    """Return the folder for records: the given one, or a temporary one that is removed at the end."""
    if folder is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="consent-demo-")))
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _welcome(shop_port: int, farm_port: int, bare: bool) -> str:
    steps = (
        ["Look around the shop. Nobody asks you, and the farm counts from the first page."]
        if bare
        else [
            "Open both, side by side.",
            "Look around the shop: the farm counts nothing.",
            "Accept in the banner: the hits arrive.",
            "Withdraw under Cookie settings: they stop.",
            "See what the shop's owner sees: consent rates, here of a made-up month.",
        ]
    )
    lines = [
        "",
        f"  {_bold('Portrait Shop')}{' without consent_mw' if bare else ', held by consent_mw'}",
        "",
        f"  The shop          {_bold(f'http://localhost:{shop_port}/')}",
        f"  The tracker farm  {_bold(f'http://farm.localhost:{farm_port}/')}",
        _faint(f"                    (or http://127.0.0.1:{farm_port}/ where that name does not resolve)"),
        *([] if bare else [f"  The consent rates {_bold(f'http://localhost:{shop_port}/_cmw/stats')}"]),
        "",
        *(f"  {number}. {step}" for number, step in enumerate(steps, 1)),
        "",
        _faint("  Ctrl-C stops both."),
    ]
    return "\n".join(lines)


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def _faint(text: str) -> str:
    return f"\033[2m{text}\033[0m" if sys.stdout.isatty() else text


if __name__ == "__main__":
    sys.exit(main())
