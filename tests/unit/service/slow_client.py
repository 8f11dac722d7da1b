"""A web socket's client, by hand, that sends frames and never reads."""

import base64
import json
import socket
import struct


def _message(opcode: int, data: bytes) -> bytes:
    head = bytes([0x80 | opcode, 0xFF]) + struct.pack(">Q", len(data))
    return head + bytes(4) + data  # masked with nothing


def open_stream(site: str, side: int) -> socket.socket:
    """A connection on which the stream was asked for; little of what comes fits into its buffer."""
    host, port = site.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect((host, int(port)))
    head = ["GET /v1/stream HTTP/1.1", f"Host: {host}:{port}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}", "Sec-WebSocket-Version: 13",
            "", ""]  # fmt: skip
    connection.sendall("\r\n".join(head).encode())
    assert connection.recv(12) == b"HTTP/1.1 101"
    connection.sendall(_message(1, json.dumps({"width": side, "height": side}).encode()))
    return connection


def send_frames(connection: socket.socket, side: int, count: int) -> None:
    """Send black frames."""
    for _ in range(count):
        connection.sendall(_message(2, bytes(side * side * 3)))
