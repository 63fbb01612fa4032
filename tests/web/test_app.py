from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from heedful.web import site


def test_what_browsers_may_keep_changes_its_address_when_it_changes(client: Any) -> None:
    page = client.get("/login").text
    kept = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(kept) >= 3
    for address in kept:
        response = client.get(address)
        assert response.status_code == 200
        assert response.headers["Cache-Control"].endswith("immutable")
    plain = client.get("/static/style.css")
    assert plain.headers["Cache-Control"] == "no-cache"
    assert client.get("/static/style.css", headers={"If-None-Match": plain.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("path", sorted(p.name for p in site.STATIC.rglob("*") if p.suffix in (".css", ".js", ".svg")))
def test_our_own_files_load_nothing_from_elsewhere(path: str) -> None:
    for file in site.STATIC.rglob(path):
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert not re.search(r"""(?:url\(|from |import\(?|@import|src=|href=)\s*["']?(?:https?:)?//""", text), file


BLOCKED = """
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {'torch', 'transformers', 'tokenizers', 'safetensors', 'peft', 'tensorboard'}:
            raise ModuleNotFoundError(f'{name} is blocked', name=name)
sys.meta_path.insert(0, Blocker())
"""

SERVED = """
import sys
from pathlib import Path
from heedful import serve
from heedful.web import running
from heedful.web.settings import ServerSettings
from heedful.feedback.accounts import invitations
import httpx, signal, threading, time

asked = []
made = running.server
def server(app, settings, proxies):
    found = made(app, settings, proxies)
    def ask():
        base = f'http://127.0.0.1:{settings.port}'
        while not found.started:
            time.sleep(0.05)
        token = invitations.open_setup(app.state.heedful.store)
        with httpx.Client(base_url=base, headers={'Origin': base}) as browser:
            asked.append(browser.get('/health').json())
            form = {'login': 'olga', 'name': 'Olga', 'password': 'four unrelated words'}
            asked.append(browser.post(f'/setup/{token}', data=form).status_code)
            asked.append('What shall people judge?' in browser.get('/').text)
        signal.raise_signal(signal.SIGINT)
    threading.Thread(target=ask).start()
    return found
running.server = server
serve.run(serve.Config(Path(sys.argv[1]), port=0))
assert asked == [{'status': 'ok'}, 303, True], asked
loaded = {'torch', 'transformers'} & set(sys.modules)
assert not loaded, loaded
print('served without torch')
"""


def test_a_project_is_served_where_there_is_no_torch(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BLOCKED + SERVED, str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("served without torch"), done.stdout + done.stderr
    assert (tmp_path / "demo" / "heedful.toml").is_file()
