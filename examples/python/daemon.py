"""Finds the daemon of this machine, its token too, and follows tasks across broken connections."""

import json
import os
import pathlib
import time
from collections import namedtuple
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from singletree.v1.task_event_pb2 import TaskEvent
from singletree.v1.task_service_pb2 import WatchTaskRequest
from singletree.v1.task_service_pb2_grpc import TaskServiceStub


class Daemon(NamedTuple):
    """`address` is `unix:` and a path, `http://host:port` or `https://host:port`."""

    address: str
    token: str | None = None
    ca_file: str | None = None


def state_folder() -> pathlib.Path:
    if given := os.environ.get("SINGLETREE_STATE"):
        return pathlib.Path(given)
    state_home = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification has relative paths ignored.
    base = pathlib.Path(state_home) if os.path.isabs(state_home) else pathlib.Path.home() / ".local" / "state"
    return base / "singletree"


def find_daemon() -> Daemon:
    """By $SINGLETREE_ADDRESS, else by the address file that the daemon leaves in its state folder."""
    folder = state_folder()
    try:
        left = json.loads((folder / "address.json").read_text())
    except FileNotFoundError:
        left = {}
    address = os.environ.get("SINGLETREE_ADDRESS") or left.get("address")
    if not address:
        raise SystemExit(f"no daemon runs for the state folder {folder}: singletree up --detach")
    token = os.environ.get("SINGLETREE_TOKEN")
    # Nobody but the daemon of this folder is shown its token; over the socket none is asked for.
    if not token and "token_file" in left and _here(address) == _here(left["tcp"]):
        token = pathlib.Path(left["token_file"]).read_text().strip()
    return Daemon(address, token, os.environ.get("SINGLETREE_CA_FILE"))


def _here(address: str) -> str:
    return address.replace("//localhost:", "//127.0.0.1:")


OPTIONS = [
    # A daemon that is started again is back in a second; grpcio would look after it every two minutes in the end.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A machine that is switched off says no word.
    ("grpc.keepalive_time_ms", 20_000),
]


def connect(daemon: Daemon) -> grpc.Channel:
    if daemon.address.startswith("unix:"):
        return grpc.insecure_channel(daemon.address, OPTIONS)
    url = urlsplit(daemon.address)
    if url.scheme == "https":
        ca = pathlib.Path(daemon.ca_file).read_bytes() if daemon.ca_file else None
        credentials = grpc.ssl_channel_credentials(ca)
        if daemon.token:
            credentials = grpc.composite_channel_credentials(credentials, grpc.access_token_call_credentials(daemon.token))
        return grpc.secure_channel(url.netloc, credentials, OPTIONS)
    if url.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise SystemExit(f"{daemon.address} would be sent the token in the clear: https, or a tunnel")
    channel = grpc.insecure_channel(url.netloc, OPTIONS)
    return grpc.intercept_channel(channel, _Bearer(daemon.token)) if daemon.token else channel


class _Details(namedtuple("_Details", "method timeout metadata credentials wait_for_ready compression"), grpc.ClientCallDetails):
    pass


class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """grpcio gives call credentials to TLS channels only."""

    def __init__(self, token: str) -> None:
        self._entry = ("authorization", f"Bearer {token}")

    def _with_token(self, call):
        metadata = [*(call.metadata or ()), self._entry]
        return _Details(call.method, call.timeout, metadata, call.credentials, call.wait_for_ready, call.compression)

    def intercept_unary_unary(self, continuation, call, request):
        return continuation(self._with_token(call), request)

    def intercept_unary_stream(self, continuation, call, request):
        return continuation(self._with_token(call), request)


def watch(tasks: TaskServiceStub, task_id: str, deadline: float | None = None) -> Iterator[TaskEvent]:
    """The events of a task, each once and in order, up to the final one. `deadline` is a time of time.monotonic()."""
    after = 0
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        request = WatchTaskRequest(task_id=task_id, after_sequence=after)
        try:
            for message in tasks.WatchTask(request, timeout=left):
                for event in message.events:
                    after = event.sequence
                    yield event
                    if event.HasField("completed"):
                        return
        except grpc.RpcError as error:
            # The daemon is gone or going: the next one has the same events.
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED):
                raise
        time.sleep(0.2)


def error_info(error: grpc.RpcError) -> ErrorInfo:
    """Why the daemon refused. Empty if the error is not the daemon's: no connection, a deadline."""
    status = rpc_status.from_call(error)
    info = ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            break
    return info
