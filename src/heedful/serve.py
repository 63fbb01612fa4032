"""`heedful serve`: the feedback app on a project, where the web and the stages meet.

One process, one port. The project is made when there is none. Nothing here needs torch: a model is loaded when
somebody begins a live chat, and only where the extra `train` is installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from heedful.errors import Problem
from heedful.feedback.accounts import accounts, invitations
from heedful.feedback.store import Store
from heedful.files import write_text
from heedful.settings import FILE
from heedful.stages import init
from heedful.stages.console import console, say
from heedful.stages.project import Project
from heedful.web import running
from heedful.web.app import create_app
from heedful.web.settings import ServerSettings

if TYPE_CHECKING:
    from heedful.web.sampler import ChatSampler

PASSWORD = "HEEDFUL_OWNER_PASSWORD"
"""The environment variable that `--owner` reads the password from."""


@dataclass(frozen=True)
class Config:
    """Serve the feedback app: people judge in their browsers, the owner steers. Makes the project if there is none."""

    project: Path
    """The project's folder; made if it is not there."""
    port: int = 8000
    """The port to listen on; 0 takes any that is free."""
    host: str = "127.0.0.1"
    """The address to listen on. Beyond this machine (0.0.0.0) only with an account and --public-url."""
    public_url: str = ""
    """The address under which people reach the server, such as https://feedback.example.org, where that is not this
    machine's own."""
    database: str = ""
    """A file in the project or a URL such as postgresql+psycopg://user@host/name; empty: what the project says. Of a
    new project it is kept in heedful.toml."""
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses of the proxies whose X-Forwarded-For is believed."""
    owner: str = ""
    """Make the first account with this login before listening, for machines without a browser; its password is read
    from the environment variable HEEDFUL_OWNER_PASSWORD."""
    device: str = "auto"
    """Where the models of the live chat run: cpu, cuda, or auto."""
    chat_tokens: int = 256
    """The longest answer in the live chat."""
    chat_temperature: float = 1.0
    """Sampling temperature of the live chat."""
    session_days: float = 14.0
    """How long a login lasts without being used."""
    max_body_mb: int = 64
    """The largest request."""
    api_rate: str = "1200 per minute"
    """How often one key or person may call the API."""
    private_webhooks: bool = False
    """Let webhooks go to addresses of this machine and of private networks."""


def run(config: Config) -> None:
    """Serve until Ctrl-C.

    Raises:
        Problem: the folder holds something else, the port is taken, or the server would be open to others without
            an account or without a public URL.
    """
    settings = ServerSettings(
        host=config.host,
        port=config.port,
        public_url=config.public_url.rstrip("/"),
        session_days=config.session_days,
        max_body_mb=config.max_body_mb,
        api_rate=config.api_rate,
        private_webhooks=config.private_webhooks,
    )
    project = open_project(config)
    if config.owner:
        make_owner(project.store, config.owner)
    refuse_to_be_open(project.store, settings)
    listening = running.listen(settings)
    with project.store as store, listening:
        settings = replace(settings, port=listening.getsockname()[1])  # 0 asked for any
        app = create_app(store, settings, config.project, sampler(project, config))
        announce(store, settings, config.project)
        running.write_down_faults()
        with suppress(KeyboardInterrupt):
            running.server(app, settings, config.proxies).run(sockets=[listening])
    say("Stopped. Everything that was sent is stored.")


def open_project(config: Config) -> Project:
    """The project in the folder, made when the folder is not there or empty.

    Raises:
        Problem: the folder holds something else.
    """
    path = config.project / FILE
    if not path.is_file():
        if config.project.is_dir() and any(config.project.iterdir()):
            raise Problem(
                "this folder is not empty and holds no heedful project",
                where=str(config.project),
                mend="choose another folder",
            )
        settings = init.SETTINGS
        if config.database:
            settings = settings.replace('database = "heedful.db" ', f"database = {json.dumps(config.database)} ")
        write_text(path, settings)
        say(f"Made the project {config.project}.")
    return Project.open(config.project, config.database)


def refuse_to_be_open(store: Store, settings: ServerSettings) -> None:
    """Stay on this machine while others could do harm.

    Raises:
        Problem: others can reach the server, and there is no account or no public URL.
    """
    if settings.loopback:
        return
    where = f"--host {settings.host}"
    if not settings.public_url:
        raise Problem(
            "beyond this machine the server must know under which address people reach it",
            where=where,
            mend="add --public-url https://feedback.example.org, with the address that people type",
        )
    if not accounts.any_account(store):
        raise Problem(
            "there is no account yet, and others could reach the server",
            where=where,
            mend=f"start it once without --host and make the first account, or give --owner LOGIN and set {PASSWORD}",
        )


def announce(store: Store, settings: ServerSettings, folder: Path) -> None:
    """Say where the app is and, while there is no account, how to make the first one."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = settings.public_url or f"http://{host}:{settings.port}"
    token = invitations.open_setup(store)
    say(f"{folder} is served at {base}")
    if token is not None:
        console.print("\nMake the first account, the owner's, with this link; it works once:", markup=False)
        console.print(f"\n    {base}/setup/{token}\n", style="bold", markup=False, soft_wrap=True)
    if settings.public_url and not settings.secure and not settings.loopback:
        say("Passwords travel unencrypted: put a proxy with https in front (docs/web.md).", style="yellow")
    say("Ctrl-C stops it.", style="dim")


def sampler(project: Project, config: Config) -> ChatSampler | None:
    """What samples answers for the live chat: nothing where there is no model, or nothing to run it with."""
    if not (_installed("torch") and _installed("transformers") and project.store.models("policy")):
        return None
    from heedful.stages.chatting import PolicySampler

    return PolicySampler(project, config.device, config.chat_tokens, config.chat_temperature)


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:
        return False


def make_owner(store: Store, login: str) -> None:
    """Make the first account, unless there is one.

    Raises:
        Problem: no password is set in the environment, or login or password are not fit.
    """
    if accounts.any_account(store):
        return
    password = os.environ.get(PASSWORD, "")
    if not password:
        raise Problem(f"the environment variable {PASSWORD} is not set", where="--owner", mend="put the password there")
    accounts.create(store, login, login, password, "owner")
    say(f"Made the owner's account {login}.")
