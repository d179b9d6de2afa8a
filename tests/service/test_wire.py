"""Rubbish, reach and leaks: what a client sends can end no more than its own connection."""

from __future__ import annotations

import random
import struct
import tempfile
from typing import Any

import pytest
import rpyc
from rpyc.core import brine, consts
from rpyc.core.stream import SocketStream
from service_support import LONG, BackendProcess, closed_by_peer, eventually, knock, serve_command

from plugin.client.protocol import FRAME_LIMIT, MAX_BUFFER, PROTOCOL


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("wire") / "home"


@pytest.fixture(scope="module")
def backend(home):
    """One for all tests here: none of them may harm it, that is what they check."""
    process = BackendProcess(home, serve_command(kinds=True))
    process.wait_ready()
    yield process
    process.end()


def frame(payload: bytes, length: int | None = None, compressed: int = 0, end: bytes = b"\n"):
    size = len(payload) if length is None else length
    return struct.pack("!LB", size, compressed) + payload + end


def request(sequence: int, handler: Any, arguments: Any) -> bytes:
    return frame(b"\x01" + brine.dump((sequence, (handler, arguments))))


def plain_client(run: dict[str, Any], **config: Any) -> rpyc.Connection:
    """rpyc as it comes, over a socket that has shown the token."""
    return rpyc.connect_stream(SocketStream(knock(run)), config=config)


def test_the_plain_rpyc_client_can_say_hello(backend):
    connection = plain_client(backend.run())
    hello = connection.root.hello(PROTOCOL)
    assert type(hello) is tuple and hello[0] == PROTOCOL and hello[2] == backend.ready["pid"]
    assert all(type(value) in (int, str) for value in hello)
    connection.close()


def test_other_protocols_are_told_what_to_do(backend):
    connection = plain_client(backend.run())
    with pytest.raises(ValueError, match=r"install\.py"):
        connection.root.hello(PROTOCOL + 1)
    with pytest.raises(ValueError, match="hello"):
        connection.root.buffer_new(100)
    connection.close()


@pytest.mark.parametrize(
    "sent",
    [
        frame(b"x" * 10, length=0xFFFFFFFF),
        frame(b"x" * 10, length=FRAME_LIMIT + 1),
        frame(b"\x78\x9c\x03\x00\x00\x00\x00\x01", compressed=1),
        frame(b"\x01\x12", end=b"\0"),
        frame(b""),
        frame(b"\x09rubbish"),
        frame(b"\x01" + b"\x10" * 100_000),
        frame(b"\x01" + b"\x15\xff\xff\xff\xff"),
        frame(b"\x01" + b"\x17\x00\x0f\x00\x00" + b"9" * 983040),
        request(1, 99, (1, ())),
        request(1, "no number", (1, ())),
        request(1, consts.HANDLE_GETROOT, (3, ("x", 1, 2))),
        request(1, consts.HANDLE_PICKLE, (1, (b"", 2))),
        frame(b"\x02" + brine.dump((7, (1, None)))),
        frame(b"\x03" + brine.dump((7, (("builtins", "SystemExit"), (), (), "")))),
    ],
)  # fmt: skip
def test_malformed_frames(backend, connect, sent):
    before = backend.memory()
    with knock(backend.run()) as sock:
        sock.sendall(sent)
        closed_by_peer(sock, 0.5)
    assert connect().ping()
    assert backend.memory() - before < 16 << 20


def test_frames_that_must_close_the_connection(backend):
    for sent in (
        frame(b"x", length=0xFFFFFFFF),
        frame(b"x" * 8, compressed=1),
        frame(b"x", end=b"x"),
    ):
        with knock(backend.run()) as sock:
            sock.sendall(sent)
            assert closed_by_peer(sock, LONG)


def test_rubbish(backend, connect):
    """Random bytes, raw and in well-formed frames, with a fixed seed."""
    dice = random.Random(20261121)
    before = backend.memory()
    for round_number in range(300):
        payload = dice.randbytes(dice.randint(1, 400))
        if round_number % 3:
            payload = frame(bytes([dice.randint(1, 3)]) + payload)
        with knock(backend.run()) as sock:
            try:
                sock.sendall(payload)
                sock.shutdown(1)
                closed_by_peer(sock, 2.0)
            except OSError:
                continue  # closed while we still talked: as it should
    assert connect().ping()
    assert backend.memory() - before < 16 << 20
    assert backend.process.poll() is None
    assert eventually(lambda: backend.threads() < 12)


def test_nothing_but_the_named_functions_can_be_reached(backend):
    connection = plain_client(backend.run())
    root = connection.root
    root.hello(PROTOCOL)
    names = (
        "_session", "_jobs", "__class__", "__dict__", "__init__", "EXPOSED", "calling",
        "on_disconnect", "exposed_get_service_name", "get_service_name", "_protocol", "_stop",
    )  # fmt: skip
    for name in names:
        with pytest.raises(ValueError, match="no such function"):
            connection.sync_request(consts.HANDLE_GETATTR, root, name)
        with pytest.raises(ValueError, match="no such function"):
            connection.sync_request(consts.HANDLE_CALLATTR, root, name, (), ())
    hello = root.hello
    for handler, arguments in (
        (consts.HANDLE_SETATTR, (root, "hello", 1)),
        (consts.HANDLE_DELATTR, (root, "hello")),
        (consts.HANDLE_DIR, (root,)),
        (consts.HANDLE_STR, (root,)),
        (consts.HANDLE_REPR, (hello,)),
        (consts.HANDLE_HASH, (root,)),
        (consts.HANDLE_CMP, (root, root, "__eq__")),
        (consts.HANDLE_PICKLE, (root, 2)),
        (consts.HANDLE_BUFFITER, (root, 1)),
        (consts.HANDLE_CTXEXIT, (root, None)),
        (consts.HANDLE_INSTANCECHECK, (root, ("x", 1, 2))),
        (consts.HANDLE_GETATTR, (hello, "__globals__")),
        (consts.HANDLE_GETATTR, (hello, "__func__")),
        (consts.HANDLE_CALL, (root, ())),
    ):
        with pytest.raises(ValueError):
            connection.sync_request(handler, *arguments)
    connection.close()


class _Liar(int):
    """A subclass of int is no int on the wire: it would go by reference."""


@pytest.mark.parametrize(
    "size",
    [[1], {"a": 1}, bytearray(4), _Liar(4), None, 1.5, "4", b"4", True, 2j, range(3), slice(2)],
)  # fmt: skip
def test_only_exact_plain_types(backend, size):
    connection = plain_client(backend.run())
    connection.root.hello(PROTOCOL)
    with pytest.raises(ValueError):
        connection.root.buffer_new(size)
    with pytest.raises(ValueError):
        connection.root.submit("echo", (("image", size),))
    with pytest.raises(ValueError):
        connection.root.buffer_new(size=4)
    connection.close()


def test_ranges_are_checked_before_memory_is_taken(backend, connect):
    client = connect()
    link, _ = client._connected()
    before = backend.memory()
    for size in (0, -1, 1 << 40, 1 << 62, 10**400):
        with pytest.raises(Exception, match="size"):
            link.call("buffer_new", size)
    huge = ("pixels", 1, 65536, 65536, 4, "f32", "RGBA", False)
    with pytest.raises(Exception, match="million pixels"):
        link.call("image_put", huge)
    assert backend.memory() - before < 8 << 20


def test_more_memory_than_one_connection_may_have(backend, connect):
    link, _ = connect(share_files=False)._connected()
    before = backend.memory()
    with pytest.raises(Exception, match="Too many buffers"):
        for _ in range(33):
            link.call("buffer_new", 1000)
    other, _ = connect(share_files=False)._connected()
    with pytest.raises(Exception, match="[Mm]emory"):
        for _ in range(30):
            other.call("buffer_new", MAX_BUFFER)
    assert backend.memory() - before < 8 << 20, "memory was taken before anything was sent"


@pytest.mark.parametrize("how", ["told", "file", "exit", "memory"])
def test_failures_tell_no_path_and_no_traceback(backend, connect, how):
    client = connect()
    job = client.submit("fail", how=how)
    status = job.wait(LONG)
    assert status.state == "failed"
    assert "/home" not in status.text and "secret" not in status.text
    assert "Traceback" not in status.text and ".py" not in status.text
    if how == "told":
        assert status.text == "The file picture.png is not a picture."
    if how == "memory":
        assert "memory" in status.text
    if how == "file":
        assert "Traceback" in backend.log() and "weights.bin" in backend.log()
    assert client.submit("quick", name="after").result().values["order"]


def test_raw_exceptions_carry_nothing_else(backend):
    """The exception as it lies on the wire, not only what our client shows of it."""
    with knock(backend.run()) as sock:
        sock.sendall(request(1, consts.HANDLE_GETROOT, (1, ())))
        stream = SocketStream(sock)
        channel = rpyc.Channel(stream, compress=False)
        _, (_, id_pack) = brine.load(channel.recv()[1:])
        wrong = (2, ((3, id_pack), (1, "submit"), (1, (["x"] and "fail", 5)), (1, ())))
        sock.sendall(request(2, consts.HANDLE_CALLATTR, wrong))
        answer = bytes(channel.recv())
        assert answer[0] == consts.MSG_EXCEPTION
        _, ((module, name), arguments, attributes, traceback) = brine.load(answer[1:])
        assert (module, name) == ("builtins", "ValueError")
        assert len(arguments) == 1 and attributes == () and traceback == ""


def test_an_answer_that_cannot_be_sent_fails_only_its_call(backend, connect):
    client = connect()
    job = client.submit("unsendable")
    assert job.wait(LONG).state == "done"
    with pytest.raises(Exception, match="log"):
        job.result()
    assert client.ping()


def test_paths_of_this_backend_are_not_in_any_refusal(backend, connect):
    client = connect()
    home, temporary = str(backend.home), tempfile.gettempdir()
    for arguments in ({"how": 1, "x": (1, (2,))}, {"name": home + "/models/x.bin"}):
        for kind in ("nothing", "clean", "click", "models_install", "steps", home):
            try:
                client.submit(kind, **arguments).wait(LONG)
            except Exception as error:
                assert home not in str(error) or kind == home
                assert temporary not in str(error) or kind == home
