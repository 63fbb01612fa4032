"""The command line in processes of its own that need not import everything anew.

Importing PyTorch and transformers takes several seconds, more than most runs of a tiny model. Here one process imports
them once, runs nothing itself, and forks for each command line: a process that can be killed like any other.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Forks:
    """The process that forks, spoken to in lines of JSON: one request, one answer."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def start(self, arguments: Sequence[str], stdout: Path | str, stderr: Path | str) -> int:
        """Start a command line in the present environment and folder; the number of its process."""
        about = {"folder": str(Path.cwd()), "environment": dict(os.environ)}
        pid: int = self._ask({"start": list(arguments), **about, "stdout": str(stdout), "stderr": str(stderr)})
        return pid

    def poll(self, pid: int) -> int | None:
        """Its exit status, negative for a signal; None while it runs. Asked once more after the end, it is an error."""
        status: int | None = self._ask({"poll": pid})
        return status

    def close(self) -> None:
        """End the process that forks."""
        if self.process is not None:
            self.process.communicate(timeout=30)

    def _ask(self, request: dict[str, Any]) -> Any:
        if self.process is None:
            command = [sys.executable, str(Path(__file__))]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def serve() -> None:
    """Import everything, then answer until nobody asks any more."""
    stages = importlib.import_module("heedful.stages")
    for module in pkgutil.iter_modules(stages.__path__):
        importlib.import_module(f"heedful.stages.{module.name}")
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if not answer:
                become(request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def become(request: dict[str, Any]) -> None:
    """Run a command line, and end the process as an interpreter would."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    status: Any = 1
    try:
        sys.argv = ["heedful", *request["start"]]
        status = importlib.import_module("heedful.cli").main(request["start"])
    except SystemExit as end:
        status = end.code
    except KeyboardInterrupt:
        os.kill(os.getpid(), signal.SIGINT)
    except Exception:  # noqa: BLE001 - printed, as an interpreter does
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    serve()
