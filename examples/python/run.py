"""Runs one task to its end: run.py WORKSPACE INSTRUCTIONS [SECONDS]. After so many seconds the task is cancelled."""

import sys
import time
import uuid

import grpc
from google.protobuf.json_format import MessageToJson

from daemon import connect, error_info, find_daemon, watch
from singletree.v1.completion_pb2 import OUTCOME_SUCCESS, TaskCompletionEvent
from singletree.v1.task_pb2 import Workspace
from singletree.v1.task_service_pb2 import CancelTaskRequest, CreateTaskRequest
from singletree.v1.task_service_pb2_grpc import TaskServiceStub


def run(workspace: str, instructions: str, seconds: float | None) -> TaskCompletionEvent:
    with connect(find_daemon()) as channel:
        tasks = TaskServiceStub(channel)
        task = tasks.CreateTask(
            CreateTaskRequest(
                request_id=str(uuid.uuid4()),
                instructions=instructions,
                workspace=Workspace(path=workspace),
            ),
            timeout=10,
        ).task
        print(task.id, file=sys.stderr)
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            for event in watch(tasks, task.id, deadline):
                print(event.sequence, event.WhichOneof("kind"), file=sys.stderr, flush=True)
            return event.completed
        except KeyboardInterrupt:
            pass
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
        # The deadline was that of the watch: the task goes on until somebody stops it.
        tasks.CancelTask(CancelTaskRequest(task_id=task.id, by="run.py", why="no longer needed"), timeout=10)
        *_, last = watch(tasks, task.id)
        return last.completed


def main() -> int:
    if len(sys.argv) not in (3, 4):
        raise SystemExit("usage: run.py WORKSPACE INSTRUCTIONS [SECONDS]")
    workspace, instructions, *rest = sys.argv[1:]
    try:
        completion = run(workspace, instructions, float(rest[0]) if rest else None)
    except grpc.RpcError as error:
        info = error_info(error)
        print(f"{info.reason or error.code().name}: {error.details()}", file=sys.stderr)
        for key, value in sorted(info.metadata.items()):
            print(f"  {key}: {value}", file=sys.stderr)
        return 2
    print(MessageToJson(completion, preserving_proto_field_name=True))
    return 0 if completion.outcome == OUTCOME_SUCCESS else 1


if __name__ == "__main__":
    sys.exit(main())
