"""The gRPC stubs of Python as a plugin of buf: grpcio-tools has them only inside its protoc."""

import pathlib
import sys
import tempfile

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    descriptors = folder / "descriptors"
    descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
    out = folder / "out"
    out.mkdir()
    arguments = ["protoc", f"--descriptor_set_in={descriptors}", f"--grpc_python_out={out}", *request.file_to_generate]
    if protoc.main(arguments) != 0:
        sys.exit(1)
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL,
        file=[
            plugin_pb2.CodeGeneratorResponse.File(name=str(path.relative_to(out)), content=path.read_text())
            for path in sorted(out.rglob("*.py"))
        ],
    )
sys.stdout.buffer.write(response.SerializeToString())
