# wheels: boto3 botocore s3transfer jmespath python-dateutil six urllib3
import hashlib
import io

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

import servers

# The image has clients that have failed to connect, and their pools.
clients = {
    tls: boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret", verify=servers.ca,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )
    for tls, url in [(False, "http://localhost:%d" % servers.s3), (True, "https://localhost:%d" % servers.s3_tls)]
}
for client in clients.values():
    try:
        client.list_buckets()
    except EndpointConnectionError:
        pass


def main(args, context):
    s3, bucket = clients[args["tls"]], "bucket"
    s3.create_bucket(Bucket=bucket)
    put = s3.put_object(Bucket=bucket, Key="a/b", Body=b"content", Metadata={"k": "v"}, ContentType="text/plain")
    got = s3.get_object(Bucket=bucket, Key="a/b", Range="bytes=1-3")
    big = bytes(range(256)) * 50_000
    sizes = {"multipart_threshold": 6 << 20, "multipart_chunksize": 6 << 20}
    s3.upload_fileobj(io.BytesIO(big), bucket, "big", Config=TransferConfig(**sizes))
    back = io.BytesIO()
    s3.download_fileobj(bucket, "big", back, Config=TransferConfig(**sizes, use_threads=False))
    for n in range(25):
        s3.put_object(Bucket=bucket, Key="list/%02d" % n, Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="list/", PaginationConfig={"PageSize": 10})
    listed = [[o["Key"] for o in page["Contents"]] for page in pages]
    try:
        s3.get_object(Bucket=bucket, Key="none")
    except ClientError as e:
        missing = [e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]]
    lines = [line.decode() for line in s3.get_object(Bucket=bucket, Key="a/b")["Body"].iter_lines()]
    answers = [
        put["ETag"], got["Body"].read().decode(), got["ContentRange"], got["Metadata"], got["ContentType"],
        hashlib.sha256(back.getvalue()).hexdigest() == hashlib.sha256(big).hexdigest(), s3.head_object(Bucket=bucket, Key="big")["ETag"],
        listed, missing, lines,
    ]
    keys = [{"Key": o["Key"]} for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})["Deleted"]
    s3.delete_bucket(Bucket=bucket)
    return answers + [len(deleted)]
