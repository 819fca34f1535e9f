"""Makes each case of the protocol matrix with grpcio. Settings as JSON on standard input; one line of JSON a cell on standard output."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from daemon import Daemon, connect
from singletree.v1.task_pb2 import TASK_STATE_COMPLETED, Workspace
from singletree.v1.task_service_pb2 import CreateTaskRequest, GetTaskRequest, WatchTaskRequest
from singletree.v1.task_service_pb2_grpc import TaskServiceStub

# gRPC is HTTP/2 by its definition, and grpcio speaks nothing else.
TRANSPORTS = {"socket": "socket h2c", "tcp": "tcp h2c", "tls": "tls h2"}


class Wrong(Exception):
    """What was seen instead of what the case says."""


def expect(what: str, seen, wanted) -> None:
    if seen != wanted:
        raise Wrong(f"{what} is {seen!r}, not {wanted!r}")


def failure(call) -> grpc.RpcError:
    try:
        answer = call()
    except grpc.RpcError as error:
        return error
    raise Wrong(f"it was not refused: {answer}")


def unary(tasks: TaskServiceStub, target: dict, case: dict) -> None:
    task = tasks.GetTask(GetTaskRequest(task_id=target["finished_task"])).task
    expect("the id", task.id, target["finished_task"])
    expect("the state", task.state, TASK_STATE_COMPLETED)


def stream(tasks: TaskServiceStub, target: dict, case: dict) -> None:
    first = tasks.WatchTask(WatchTaskRequest(task_id=target["finished_task"]))
    events = []
    for message in first:
        events += message.events
        if len(events) >= case["resumeAfter"]:
            break
    first.cancel()
    events = events[: case["resumeAfter"]]
    rest = tasks.WatchTask(WatchTaskRequest(task_id=target["finished_task"], after_sequence=events[-1].sequence))
    events += [event for message in rest for event in message.events]
    expect("the sequences", [event.sequence for event in events], list(range(1, target["last_sequence"] + 1)))
    expect("the last event", events[-1].WhichOneof("kind"), "completed")


def error(tasks: TaskServiceStub, target: dict, case: dict) -> None:
    request = CreateTaskRequest(instructions=case["instructions"], workspace=Workspace(path=target["workspace"]))
    refused = failure(lambda: tasks.CreateTask(request))
    expect("the code", refused.code().name, case["code"])
    details = rpc_status.from_call(refused).details
    expect("the number of details", len(details), 1)
    info = ErrorInfo()
    expect("that it is an ErrorInfo", details[0].Unpack(info), True)
    expect("the reason", info.reason, case["reason"])
    expect("the domain", info.domain, case["domain"])
    for key, value in case["metadata"].items():
        expect(f"the metadata {key}", info.metadata[key], value)


def deadline(tasks: TaskServiceStub, target: dict, case: dict) -> None:
    begin = time.monotonic()
    watch = tasks.WatchTask(WatchTaskRequest(task_id=target["running_task"]), timeout=case["timeoutMs"] / 1000)
    ended = failure(lambda: list(watch))
    took = (time.monotonic() - begin) * 1000
    expect("the code", ended.code().name, case["code"])
    expect(f"that {took:.0f} ms are in time", case["timeoutMs"] - 5 <= took <= case["atMostMs"], True)


def cancel(tasks: TaskServiceStub, target: dict, case: dict) -> None:
    watch = tasks.WatchTask(WatchTaskRequest(task_id=target["running_task"]))
    next(watch)
    watch.cancel()
    expect("the code", failure(lambda: list(watch)).code().name, case["code"])
    unary(tasks, target, case)


def oversize(tasks: TaskServiceStub, target: dict, case: dict) -> None:
    request = CreateTaskRequest(instructions="x" * case["instructionsBytes"], workspace=Workspace(path=target["workspace"]))
    expect("the code", failure(lambda: tasks.CreateTask(request)).code().name, case["code"])
    unary(tasks, target, case)


CASES = {case.__name__: case for case in (unary, stream, error, deadline, cancel, oversize)}


def cell(target: dict, name: str, case: dict) -> dict:
    made = {"client": "grpcio", "protocol": "grpc", "transport": TRANSPORTS[target["name"]], "case": name}
    try:
        with connect(Daemon(target["address"], target.get("token"), target.get("ca_file"))) as channel:
            CASES[name](TaskServiceStub(channel), target, case)
    except (Wrong, grpc.RpcError) as error:
        return {**made, "ok": False, "detail": str(error)}
    return {**made, "ok": True}


settings = json.load(sys.stdin)
with ThreadPoolExecutor() as pool:
    cells = [pool.submit(cell, target, name, case) for target in settings["targets"] for name, case in settings["cases"].items()]
    for each in cells:
        print(json.dumps(each.result()))
