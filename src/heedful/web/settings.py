"""What the server is told: where it listens, under which address people reach it, and how much it takes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from heedful.errors import Problem


@dataclass(frozen=True)
class ServerSettings:
    """Settings of one server."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8000
    """The port to listen on."""
    public_url: str = ""
    """The address under which people reach the server: https://feedback.example.org, with the path before which a
    proxy puts it, if any. Empty: they are on the same machine."""
    database: str = ""
    """A file in the project or a URL; empty: what the project says. For messages only."""
    session_days: float = 14.0
    """How long a login lasts without being used."""
    max_body_mb: int = 64
    """The largest request."""
    login_rate: str = "10 per minute; 100 per day"
    """How often one address may try to log in, join, or set a password; a network of IPv6 (/64) counts as one."""
    api_rate: str = "1200 per minute"
    """How often one key or person may call the API."""
    private_webhooks: bool = False
    """Whether webhooks may go to addresses of this machine and of private networks."""

    def __post_init__(self) -> None:
        if not self.public_url:
            return
        parts = urlsplit(self.public_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise Problem(
                f"{self.public_url!r} is not an address that people can open",
                where="public_url",
                mend="write it as https://feedback.example.org",
            )

    @property
    def origin(self) -> str:
        """Scheme, host and port of `public_url` as browsers send them; empty without one."""
        if not self.public_url:
            return ""
        parts = urlsplit(self.public_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        usual = {"http": 80, "https": 443}[parts.scheme]
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, usual) else "")

    @property
    def prefix(self) -> str:
        """The path before every page: `/feedback`, or empty."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def secure(self) -> bool:
        """Whether people come by https."""
        return self.public_url.startswith("https://")

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; servers on one machine differ in it."""
        if self.secure and not self.prefix:
            return "__Host-heedful"
        return "__Secure-heedful" if self.secure else f"heedful_{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a host name or address stands for this machine alone."""
    host = host.strip("[]").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
