# differs: without an allow list, a connection raises what the package raises if it cannot connect
import io
import os
import tempfile

import botocore.session
from botocore.awsrequest import AWSResponse
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber

session = botocore.session.Session()
session.set_credentials("AKIATEST", "secret")
objects = {}
requests = []


class Body:
    def __init__(self, data):
        self.file = io.BytesIO(data)

    def stream(self, **kwargs):
        yield self.file.read()

    def read(self, size=None, **kwargs):
        return self.file.read(size)


def answer(request, **kwargs):
    """Answer as S3 does, from a dictionary."""
    path, _, query = request.url.partition("?")
    key = path.rpartition("/")[2]
    requests.append([request.method, key, query])
    if request.method == "PUT":
        body = request.body.read() if hasattr(request.body, "read") else request.body
        objects.setdefault(key, {})[query] = body  # parts are sent in any order
        return AWSResponse(request.url, 200, {"ETag": '"e"'}, Body(b""))
    if request.method == "POST":
        name = "InitiateMultipartUploadResult" if query == "uploads" else "CompleteMultipartUploadResult"
        return AWSResponse(request.url, 200, {}, Body(b"<%s><UploadId>u</UploadId></%s>" % (name.encode(), name.encode())))
    data = b"".join(part for _, part in sorted(objects[key].items()))
    status = 200
    if "Range" in request.headers:
        first, _, last = request.headers["Range"].decode().partition("=")[2].partition("-")
        data, status = data[int(first) : int(last) + 1 if last else None], 206
    headers = {"Content-Length": str(len(data)), "ETag": '"e"'}
    return AWSResponse(request.url, status, headers, Body(b"" if request.method == "HEAD" else data))


class Progress(BaseSubscriber):
    def __init__(self):
        self.total = 0

    def on_progress(self, future, bytes_transferred, **kwargs):
        self.total += bytes_transferred


def main(args, context):
    objects.clear()
    requests.clear()
    client = session.create_client("s3", region_name="eu-west-1", endpoint_url="http://s3.invalid")
    client.meta.events.register("before-send.s3", answer)
    config = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20, max_request_concurrency=4)
    data = bytes(range(256)) * (11 << 12)
    progress, got = Progress(), io.BytesIO()
    path = os.path.join(tempfile.mkdtemp(), "file")
    with TransferManager(client, config) as manager:
        manager.upload(io.BytesIO(b"small"), "b", "small", subscribers=[progress]).result()
        manager.upload(io.BytesIO(data), "b", "large", subscribers=[progress]).result()
        manager.download("b", "small", path).result()
        manager.download("b", "large", got).result()
    with open(path, "rb") as file:
        small = file.read().decode()
    return [small, got.getvalue() == data, progress.total == len(data) + 5, [len(part) for _, part in sorted(objects["large"].items())], sorted(set(map(tuple, requests)))]
