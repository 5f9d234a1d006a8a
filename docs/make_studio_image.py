"""Takes the screenshot of the studio in README.md: `python docs/make_studio_image.py`.

Starts the studio on a free port, opens an example clip in Inspect in a headless Chromium (the one on
the path, or of the variable CHROME) and writes docs/studio.webp.
"""

import io
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE, SECONDS = 0, 2.4
"""Which example is shown, and the moment in it."""
SIZE = (1280, 945)


@contextmanager
def studio():
    """The address of a studio that runs until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    process = subprocess.Popen([sys.executable, str(ROOT / "app.py")], env=env)
    address = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None and not answers(address):
            time.sleep(0.3)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def inspect(page: Page, address: str) -> None:
    """Open the example and show the moment, once its overlay and plots are drawn."""
    page.set_default_timeout(120_000)
    page.goto(address)
    page.wait_for_selector("#savg-go")
    page.get_by_role("tab", name="Inspect").last.click()
    page.locator("#savg-inspect-shelf .sv-thumb").nth(EXAMPLE).click()
    page.wait_for_function("window.savgPlayer && window.savgPlayer.state().ready")
    page.wait_for_selector("#savg-player .sp-downloads a[download$='-overlay.mp4']")
    page.wait_for_selector("#savg-spectrograms .main-svg")
    page.evaluate("document.activeElement.blur()")
    page.evaluate("t => window.savgPlayer.seek(t)", SECONDS)
    page.wait_for_timeout(2_000)


def main() -> None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    chrome = os.environ.get("CHROME") or next(filter(None, map(shutil.which, names)))
    with studio() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chrome, args=["--no-sandbox", "--disable-gpu"]
        )
        width, height = SIZE
        page = browser.new_page(viewport={"width": width, "height": height})
        inspect(page, address)
        image = Image.open(io.BytesIO(page.screenshot()))
        browser.close()
    target = ROOT / "docs" / "studio.webp"
    image.convert("RGB").save(target, quality=82, method=6)
    print(f"{target}: {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
