"""Faults in the network path between a client and a broker, by Toxiproxy.

Toxiproxy (https://github.com/Shopify/toxiproxy) forwards TCP connections and hurts them as it is
told over HTTP: https://github.com/Shopify/toxiproxy#http-api.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

import orjson

from stream_cl.testing.kafka_process import free_ports
from stream_cl.testing.kafka_properties import HOST

_FOLDER: Final = Path(__file__).resolve().parents[2] / "var" / "bin"
_NAME: Final = "toxiproxy-server"
_MODULE: Final = "github.com/Shopify/toxiproxy/v2/cmd/server@latest"
_INSTALL_S: Final = 300
_START_S: Final = 20.0
_ANSWER_S: Final = 10.0
_LAUNCH: Final = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""On Linux it ends with the process that started it, however that one ends."""


class NoToxiproxy(Exception):
    """It is not on this machine and cannot be had; says how to get it."""


def find_toxiproxy() -> Path:
    """The program: on the PATH, or in var/bin, where it is built by Go if need be.

    Raises:
        NoToxiproxy: there is none, nor a Go that builds one.
    """
    if found := shutil.which(_NAME):
        return Path(found)
    built = _FOLDER / _NAME
    if not built.exists():
        _build(built)
    return built


def _build(program: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise NoToxiproxy(
            f"there is no {_NAME} and no Go to build it: put either on the PATH, or leave the cuts"
            " out with --cuts 0"
        )
    with TemporaryDirectory() as folder:
        try:
            subprocess.run(
                [go, "install", _MODULE],
                env={**os.environ, "GOBIN": folder},
                check=True,
                capture_output=True,
                timeout=_INSTALL_S,
            )
        except (subprocess.SubprocessError, OSError) as error:
            said = (getattr(error, "stderr", None) or str(error).encode()).decode().strip()
            raise NoToxiproxy(
                f"`go install {_MODULE}` failed ({said.splitlines()[-1:]}): install {_NAME}, or"
                " leave the cuts out with --cuts 0"
            ) from None
        program.parent.mkdir(parents=True, exist_ok=True)
        # Copied beside it first: two at once must not run half a program.
        beside = program.with_name(f"{program.name}.{os.getpid()}")
        shutil.copy2(Path(folder) / "server", beside)
        beside.replace(program)


class Toxiproxy:
    """A running Toxiproxy with one proxy, which forwards `address` to what `aim` names.

    Args:
        program: see `find_toxiproxy`.
    """

    def __init__(self, program: Path) -> None:
        api_port, port = free_ports(2)
        self.address = f"{HOST}:{port}"
        self._api = f"http://{HOST}:{api_port}"
        self._toxics: list[str] = []
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(program)),
                *("-host", HOST, "-port", str(api_port)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def aim(self, upstream: str) -> None:
        """Forward to `host:port` from now on; called once.

        Raises:
            NoToxiproxy: it does not start.
        """
        until_s = time.monotonic() + _START_S
        while True:
            try:
                self._call("GET", "/version")
                break
            except (URLError, OSError):
                if time.monotonic() > until_s or self._process.poll() is not None:
                    self.close()
                    raise NoToxiproxy(f"{_NAME} does not answer at {self._api}") from None
                time.sleep(0.05)
        proxy = {"name": "kafka", "listen": self.address, "upstream": upstream, "enabled": True}
        self._call("POST", "/proxies", proxy)

    def connect(self, connected: bool) -> None:
        """Drop all connections and refuse new ones; or let them through again."""
        self._call("POST", "/proxies/kafka", {"enabled": connected})

    def add(self, kind: str, stream: str, **attributes: int) -> None:
        """Put a toxic on all connections: `upstream` is towards the broker, `downstream` back."""
        name = f"{kind}-{stream}"
        toxic = {"name": name, "type": kind, "stream": stream, "attributes": attributes}
        self._call("POST", "/proxies/kafka/toxics", toxic)
        self._toxics.append(name)

    def heal(self) -> None:
        """Take all toxics away, and let connections through."""
        for name in self._toxics:
            self._call("DELETE", f"/proxies/kafka/toxics/{name}")
        self._toxics.clear()
        self.connect(True)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        data = None if body is None else orjson.dumps(body)
        request = Request(self._api + path, data, method=method)
        with urlopen(request, timeout=_ANSWER_S) as answer:
            answer.read()
