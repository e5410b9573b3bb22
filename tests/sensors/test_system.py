"""Meters of the whole machine: real programs and a real server on this machine's loopback."""

import json
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from joulemark.failures import ReadFailure
from joulemark.measurement import Component, Provenance, Quantity
from joulemark.sensors import SensorError, Setup
from joulemark.sensors.system import ANSWER_MAX_BYTE, ANSWER_MAX_S, ASK_PERIOD_S, power_in, system

IPMI = """
    Instantaneous power reading:                   123 Watts
    Minimum during sampling period:                 11 Watts
    Power reading state is:                   activated
"""


@pytest.mark.parametrize(
    ("answer", "power_w"),
    [
        ("123.5\n", 123.5),
        ("1.5e2", 150.0),
        (" 98 W\n", 98.0),
        ("98 Watts", 98.0),
        (IPMI, 123.0),
        (json.dumps({"PowerControl": [{"PowerConsumedWatts": 344}, {"PowerConsumedWatts": 60}]}), 344.0),
        (json.dumps({"PowerConsumedWatts": 590, "PowerControl": []}), 590.0),
        (json.dumps({"PowerWatts": {"Reading": 374.25}, "EnergykWh": {"Reading": 9}}), 374.25),
        (json.dumps({"StatusSNS": {"ENERGY": {"Power": 61, "Today": 2.5}}}), 61.0),
        (json.dumps({"ENERGY": {"Power": 61}}), 61.0),
        (json.dumps({"id": 0, "output": True, "apower": 12.5}), 12.5),
        (json.dumps({"switch:0": {"apower": 12.5}}), 12.5),
        (json.dumps({"meters": [{"power": 8.25}], "uptime": 5}), 8.25),
        (json.dumps({"power": 8.25, "is_valid": True}), 8.25),
        ("", None),
        ("0", None),  # a machine that answers draws power
        ("-5", None),
        ("12 kW", None),
        ("12 34", None),
        ("nan", None),
        ("1e999", None),
        ("1.2.3", None),
        ('{"apower": NaN}', None),
        ('{"apower": true}', None),
        ('{"apower": "much"}', None),
        ('{"PowerControl": "none"}', None),
        ('{"temperature": 40}', None),
        ("[" * 100_000, None),
        ("Instantaneous power reading: ... Watts", None),
    ],
)
def test_answers_of_meters(answer: str, power_w: float | None) -> None:
    assert power_in(answer) == power_w


def script(folder: Path, program: str) -> Setup:
    """A meter that is a Python program of its own."""
    file = folder / "meter with a space"
    file.write_text(f"#!{sys.executable} -S\n{program}\n")
    file.chmod(0o755)
    return Setup(requests=(f"system:command='{file}' --secret hunter2",))


def test_a_command_is_asked_and_its_arguments_are_not_shown(tmp_path: Path) -> None:
    with system(
        script(tmp_path, "import sys\nassert sys.argv[1:] == ['--secret', 'hunter2']\nprint('250 W')")
    ) as found:
        (channel,) = found.channels
        assert channel.read() == 250.0
        assert (channel.name, channel.component) == ("system", Component.SYSTEM)
        assert (channel.provenance, channel.quantity) == (Provenance.SAMPLED, Quantity.POWER)
        assert (channel.update_period_s or 0) >= ASK_PERIOD_S
        assert "hunter2" not in channel.device


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    setup = Setup(requests=(f"system:command=echo 5; touch {tmp_path}/made",))
    with system(setup) as found:
        assert found.absences[0].why == "command echo: no-power-in-answer"
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit('no such sensor')", "read-failed"),
        ("print('250'); raise SystemExit(3)", "read-failed"),
        ("print('hello')", "no-power-in-answer"),
        (f"import sys; sys.stdout.write('1' * {ANSWER_MAX_BYTE + 1})", "no-power-in-answer"),
        ("while True: print('spam' * 1000)", "no-power-in-answer"),
    ],
)
def test_a_command_that_gives_no_power_is_an_absence(tmp_path: Path, program: str, reason: str) -> None:
    with system(script(tmp_path, program)) as found:
        assert found.channels == ()
        assert found.absences[0].why.endswith(reason)
        assert "hunter2" not in found.absences[0].why


def running(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait for somebody to notice."""
    deadline_s = time.monotonic() + 2
    while time.monotonic() < deadline_s:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    "argument",
    ["", ":", ":command=", ":command=  ", ":url=", ":power=1", ":http://127.0.0.1/", ":command=no-such-program-here",
     ":command='unbalanced", ":url=file:///etc/passwd", ":url=ftp://127.0.0.1/power", ":url=http://",
     ":url=http://me:secret@127.0.0.1/", ":url=http://127.0.0.1:port/", ":url=http://[::1/"],
)  # fmt: skip
def test_a_request_without_a_meter_is_refused(argument: str) -> None:
    with pytest.raises(SensorError, match=r"^system") as refused, system(Setup(requests=(f"system{argument}",))):
        pass
    assert "secret" not in str(refused.value)


class Server(ThreadingHTTPServer):
    """Answers by path; ``power_w`` is what the meter shows."""

    power_w = 100.0
    asked_n = 0
    daemon_threads = True

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked_n += 1
        path, _, query = self.path.partition("?")
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", self.server.root + "/power")
            self.end_headers()
        elif path == "/hangs":
            time.sleep(ANSWER_MAX_S + 1)
        elif path == "/garbage":
            self.wfile.write(b"\x00\x01\x02 not HTTP at all\r\n\r\n")
        elif path == "/drips":
            self.send_response(200)
            self.end_headers()
            for _ in range(round((ANSWER_MAX_S + 1) / 0.1)):
                self.wfile.write(b" ")
                time.sleep(0.1)
        elif path == "/endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"1" * 65536)
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"12")
        elif path == "/power" and query == "unit=W":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"apower": self.server.power_w}).encode())
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the library's)
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # the reader had enough
            super().handle()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def at(server: Server, path: str) -> Setup:
    return Setup(requests=(f"system:url={server.root}{path}",))


def test_an_address_is_fetched_and_its_query_is_not_shown(server: Server) -> None:
    with system(at(server, "/power?unit=W")) as found:
        assert found.channels[0].read() == 100.0
        assert found.channels[0].device == f"{server.root}/power"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/none", "read-failed"),
        ("/moved", "read-failed"),
        ("/garbage", "read-failed"),
        ("/cut", "read-failed"),
        ("/endless", "no-power-in-answer"),
    ],
)
def test_an_address_that_gives_no_power_is_an_absence(server: Server, path: str, reason: str) -> None:
    assert why_absent(at(server, path)).endswith(reason)


def test_nobody_at_the_address_is_an_absence(server: Server) -> None:
    setup = at(server, "/power")
    server.server_close()
    assert why_absent(setup).endswith("read-failed")


def why_absent(setup: Setup) -> str:
    with system(setup) as found:
        assert found.channels == ()
        (absence,) = found.absences
    return absence.why


def test_meters_that_take_too_long_are_given_up_and_commands_ended_with_their_children(
    server: Server, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    program = (
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(60)"
    )
    late = [at(server, "/hangs"), at(server, "/drips"), script(tmp_path, program)]
    began_s = time.monotonic()
    with ThreadPoolExecutor() as pool:
        assert [why.split(": ")[-1] for why in pool.map(why_absent, late)] == ["answer-late"] * 3
    assert time.monotonic() - began_s < 2 * ANSWER_MAX_S
    for pid in pids.read_text().split():
        assert not running(int(pid))


def test_the_meter_is_asked_once_a_second_and_only_when_wanted(server: Server) -> None:
    with system(at(server, "/power?unit=W")) as found:
        time.sleep(0.3)
        assert server.asked_n == 1
        server.power_w = 300.0
        read = found.channels[0].read
        began_s = time.monotonic()
        assert read() == 300.0  # what it said at opening is old
        server.power_w = 500.0
        while read() == 300.0:
            time.sleep(0.01)
        assert ASK_PERIOD_S * 0.8 < time.monotonic() - began_s < ASK_PERIOD_S * 2
        assert server.asked_n == 3
    asked_n = server.asked_n
    time.sleep(0.1)
    assert server.asked_n == asked_n


def test_a_meter_that_turns_silent_is_a_read_failure(server: Server) -> None:
    with system(at(server, "/power?unit=W")) as found:
        read = found.channels[0].read
        assert read() == 100.0
        server.power_w = 0.0
        time.sleep(1.2 * ASK_PERIOD_S)
        with pytest.raises(ReadFailure, match="no-power-in-answer"):
            read()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed but itself; its key is beside it."""
    file = tmp_path / "meter.pem"
    names = ("-subj", "/CN=meter", "-addext", "subjectAltName=IP:127.0.0.1")
    usage = ("-addext", "keyUsage=critical,digitalSignature,keyCertSign")
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    command = ["openssl", "req", *kind, *names, *usage, "-keyout", str(file.with_suffix(".key")), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return file


@pytest.fixture
def secure_server(server: Server, certificate: Path) -> Server:
    """The same meter behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl, to make a certificate")
def test_a_certificate_has_to_be_trusted(
    secure_server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = secure_server.server_address[1]
    setup = Setup(requests=(f"system:url=https://127.0.0.1:{port}/power?unit=W",))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with system(setup) as found:
        assert found.channels == ()
        (absence,) = found.absences
    assert absence.why == f"https://127.0.0.1:{port}/power: certificate-not-trusted"
    assert absence.remedy is not None
    assert "SSL_CERT_FILE" in absence.remedy
    assert secure_server.asked_n == 0
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with system(setup) as found:
        assert found.channels[0].read() == 100.0
    # It is trusted for its own name alone.
    assert why_absent(Setup(requests=(f"system:url=https://localhost:{port}/power?unit=W",))).endswith(
        "certificate-not-trusted"
    )


def test_an_address_that_no_request_can_be_made_of_is_told_at_once() -> None:
    began_s = time.monotonic()
    assert why_absent(Setup(requests=("system:url=http://127.0.0.1:9/größe",))).endswith("read-failed")
    assert time.monotonic() - began_s < 4  # of the 5 s that a meter may take
