"""The certificate of a server is checked for the name of the request, although the connection is made to an address."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sidecar.http.client import CertificateUntrusted, HttpRequest, HttpResponse
from sidecar.http.transport import HttpxTransport
from tests.process.raw_client import ROOT

HOST: Final = "calendar.example.com"
ADDRESS: Final = "93.184.215.14"
NOW: Final = datetime.now(UTC)
DAY: Final = timedelta(days=1)
ANSWER: Final = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """Issues certificates.  A computer trusts them whose store has the file `root`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.root = folder / "root.pem"
        is_authority = x509.BasicConstraints(ca=True, path_length=0)
        self.root.write_bytes(self._signed("The authority", self._key, NOW + DAY, is_authority))

    def _signed(
        self,
        subject: str,
        key: ec.EllipticCurvePrivateKey,
        expires: datetime,
        extension: x509.ExtensionType,
        *,
        self_signed: bool = False,
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named(subject if self_signed else "The authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 2 * DAY)
            .not_valid_after(expires)
            .add_extension(extension, critical=False)
        )
        return builder.sign(key if self_signed else self._key, SHA256()).public_bytes(Encoding.PEM)

    def issue(self, name: str = HOST, *, expires: datetime = NOW + DAY, self_signed: bool = False) -> ssl.SSLContext:
        """Returns the TLS of a server with a new certificate for this name."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        file = self._folder / "server.pem"
        file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + self._signed("A server", key, expires, names, self_signed=self_signed)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


class Dialer(httpcore.AnyIOBackend):
    """Connects to the server of the test, whatever the address, and records the address."""

    def __init__(self) -> None:
        self.dialled: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore calls it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.dialled.append(host)
        return await super().connect_tcp("127.0.0.1", port, timeout, local_address, socket_options)


class Client:
    """Requests from HOST, whose name leads to ADDRESS; records what a server with this TLS received."""

    def __init__(self) -> None:
        self.dialer = Dialer()
        self.server_names: list[str | None] = []
        self.requests: list[bytes] = []

    async def get(self, tls: ssl.SSLContext) -> HttpResponse:
        tls.sni_callback = lambda _, name, __: self.server_names.append(name)
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        transport = HttpxTransport(1024, dialer=self.dialer, resolve=self._resolve)
        try:
            return await transport.exchange(HttpRequest("GET", f"https://{HOST}:{port}/key-3f", "The calendar"))
        finally:
            await transport.close()
            server.close()

    async def _resolve(self, host: str, port: int) -> list[str]:
        del port
        assert host == HOST
        return [ADDRESS]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ANSWER)
        await writer.drain()
        writer.close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this process trusts: OpenSSL reads the variable when a store is opened."""
    if sys.platform != "linux":
        pytest.skip("the stores of other systems cannot be replaced by a file")
    found = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(found.root))
    return found


@pytest.mark.anyio
async def test_the_name_is_checked_and_sent_and_the_address_is_dialled(authority: Authority) -> None:
    client = Client()
    response = await client.get(authority.issue())
    assert (response.status, response.is_from_internet) == (200, True)
    assert client.dialer.dialled == [ADDRESS]
    assert client.server_names == [HOST]
    assert f"\r\nHost: {HOST}:".encode() in client.requests[0]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("issue", "reason"),
    [
        ({"name": "calendar.example.net"}, "Hostname mismatch"),
        ({"name": ADDRESS}, "Hostname mismatch"),
        ({"expires": NOW - DAY}, "certificate has expired"),
        ({"self_signed": True}, "self-signed certificate"),
    ],
    ids=["another name", "the address", "expired", "self-signed"],
)
async def test_a_wrong_certificate_is_refused_before_anything_is_sent(
    authority: Authority, issue: dict[str, object], reason: str
) -> None:
    client = Client()
    with pytest.raises(CertificateUntrusted) as refused:
        await client.get(authority.issue(**issue))  # type: ignore[arg-type]
    assert refused.value.reason.startswith(f"the certificate of {HOST} is not trusted (")
    assert reason in refused.value.reason
    assert "key-3f" not in str(refused.value), "the path can be secret"
    assert client.requests == []


@pytest.mark.anyio
async def test_an_authority_that_the_computer_does_not_know_is_refused(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(CertificateUntrusted, match=f"the certificate of {HOST} is not trusted"):
        await Client().get(Authority(tmp_path / "other").issue())


def test_the_process_checks_certificates_although_its_asyncio_has_no_tls(authority: Authority) -> None:
    script = """
from sidecar.http.lean_imports import import_asyncio_and_pydantic
import_asyncio_and_pydantic()
import asyncio, sys, asyncio.sslproto, httpcore, anyio
assert asyncio.sslproto.ssl is None
from sidecar.http.client import HttpRequest
from sidecar.http.transport import HttpxTransport
class Dialer(httpcore.AnyIOBackend):
    def connect_tcp(self, host, *more): return super().connect_tcp("127.0.0.1", *more)
async def resolve(host, port): return ["93.184.215.14"]
async def main():
    transport = HttpxTransport(1024, dialer=Dialer(), resolve=resolve)
    for name in ("calendar.example.com", "calendar.example.net"):
        try:
            print((await transport.exchange(HttpRequest("GET", f"https://{name}:{sys.argv[1]}/", "It"))).status)
        except Exception as error:
            print(type(error).__name__)
asyncio.run(main())
"""

    async def run() -> str:
        tls = authority.issue()
        server = await asyncio.start_server(Client().answer, "127.0.0.1", 0, ssl=tls)
        port = str(server.sockets[0].getsockname()[1])
        command = [sys.executable, "-c", script, port]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
        printed, _ = await process.communicate()
        server.close()
        return printed.decode()

    assert asyncio.run(run()).split() == ["200", "CertificateUntrusted"]
