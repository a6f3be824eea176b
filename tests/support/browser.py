"""Pages in headless Chromium, which may load nothing but the page itself."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NO_CHROMIUM = "needs Chromium; install it with apt-get install -y --no-install-recommends chromium"
DESKTOP, PHONE = (1280, 900), (390, 844)


@dataclass
class Opened:
    """A page, and what it did that no report may do."""

    page: Page
    address: str
    offences: list[str] = field(default_factory=list)

    def route(self, route: Route) -> None:
        """Let the page itself through, once."""
        if route.request.url == self.address and route.request.is_navigation_request():
            route.continue_()
        else:
            self.offences.append(f"asked for {route.request.url}")
            route.abort()

    def draw_all(self) -> None:
        """Scroll through all figures, and wait until each is drawn."""
        for figure in self.page.locator("[data-figure]").all():
            figure.scroll_into_view_if_needed()
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('[data-figure]')].every(f => 'drawn' in f.dataset)"
        )


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, size: tuple[int, int] = DESKTOP, **options: Any) -> Iterator[Opened]:
    """The page of a file in a context of its own; ``options`` are those of Playwright's contexts."""
    viewport = {"width": size[0], "height": size[1]}
    with browser.new_context(viewport=viewport, **options) as context:
        context.set_default_timeout(60_000)  # other tests keep the cores busy
        found = Opened(context.new_page(), path.as_uri())
        context.route("**/*", found.route)
        found.page.on("console", lambda message: _note(found, message.type, message.text))
        found.page.on("pageerror", lambda error: found.offences.append(f"error: {error}"))
        found.page.on("dialog", lambda dialog: (found.offences.append("a dialog"), dialog.dismiss()))
        found.page.goto(found.address)
        yield found


def _note(found: Opened, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        found.offences.append(f"{kind}: {text}")
