"""The embedded server's life: start, address, stop."""

from __future__ import annotations

import http.client
import socket
import threading

import pytest

from smviz.errors import BadSetting
from smviz.local import EmbeddedServer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/", b"{}", {"X-Amz-Target": "SageMaker.ListEndpoints"})
    code = connection.getresponse().status
    connection.close()
    return code


class TestStart:
    def test_takes_a_free_port_and_answers_at_once(self):
        """Without a port it takes a free one; when start returns, requests are answered."""
        with EmbeddedServer() as one, EmbeddedServer() as two:
            ports = [int(server.url.rpartition(":")[2]) for server in (one, two)]
            assert ports[0] != ports[1]
            assert [status(port) for port in ports] == [200, 200]

    def test_listens_on_the_port_asked_for(self):
        """A port that is given is the one in the URL."""
        port = free_port()
        with EmbeddedServer(port) as server:
            assert server.url == f"http://127.0.0.1:{port}"
            assert status(port) == 200

    def test_listens_on_loopback_only(self):
        """It cannot be reached by another address of the machine than 127.0.0.1."""
        with EmbeddedServer() as server, socket.socket() as elsewhere:
            port = int(server.url.rpartition(":")[2])
            elsewhere.settimeout(2)
            assert elsewhere.connect_ex(("127.0.0.2", port)) != 0

    def test_environment_points_both_services_here(self):
        """The variables name the services of SageMaker and no others."""
        with EmbeddedServer() as server:
            assert server.environment == {
                "AWS_ENDPOINT_URL_SAGEMAKER": server.url,
                "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": server.url,
            }

    def test_a_port_that_is_taken(self):
        """A port in use is a BadSetting that names it."""
        with EmbeddedServer() as server:
            port = int(server.url.rpartition(":")[2])
            with pytest.raises(BadSetting, match=f"Port {port} cannot be used"):
                EmbeddedServer(port).start()
            assert status(port) == 200

    @pytest.mark.parametrize(
        "wrong",
        [
            {"port": -1},
            {"port": 65536},
            {"delay": -1.0},
            {"latency": -0.1},
            {"latency": float("nan")},
            {"cold_start": -1.0},
        ],
    )
    def test_values_out_of_range(self, wrong):
        """A port, delay, latency or cold start that cannot be is a BadSetting."""
        with pytest.raises(BadSetting):
            EmbeddedServer(**wrong)

    def test_missing_network_files(self, tmp_path):
        """Without its network files the server does not start, and says which one is missing."""
        with pytest.raises(BadSetting, match=r"highway-a\.onnx"):
            EmbeddedServer(models=tmp_path)

    def test_no_url_before_it_is_started(self):
        """A free port is known only after the start."""
        with pytest.raises(BadSetting, match="before it is started"):
            _ = EmbeddedServer().url


class TestStop:
    def test_leaves_no_thread_and_frees_the_port(self):
        """After the stop there are the same threads as before, and the port can be used again at once."""
        before = set(threading.enumerate())
        with EmbeddedServer() as server:
            port = int(server.url.rpartition(":")[2])
            status(port)
        assert set(threading.enumerate()) == before
        with EmbeddedServer(port):
            assert status(port) == 200

    def test_open_connections_do_not_hold_it_up(self):
        """A client that keeps its connection open is disconnected."""
        server = EmbeddedServer().start()
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=5)
        connection.request("POST", "/", b"{}", {"X-Amz-Target": "SageMaker.ListEndpoints"})
        assert connection.getresponse().read()
        server.stop()
        assert connection.sock.recv(1) == b""

    def test_twice_or_without_a_start(self):
        """Stopping a server that does not run does no harm."""
        server = EmbeddedServer()
        server.stop()
        server.stop()

    def test_wait_returns_when_it_stops(self):
        """wait() lasts as long as the server."""
        server = EmbeddedServer().start()
        threading.Timer(0.2, server.stop).start()
        server.wait()
        with pytest.raises(ConnectionRefusedError):
            status(int(server.url.rpartition(":")[2]))

    def test_an_instance_starts_once(self):
        """Starting it again, running or stopped, is a BadSetting."""
        with EmbeddedServer() as server, pytest.raises(BadSetting, match="started before"):
            server.start()
        with pytest.raises(BadSetting, match="started before"):
            server.start()
