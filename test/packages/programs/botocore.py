# differs: without an allow list, a connection raises what the package raises if it cannot connect
import datetime

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

session = botocore.session.Session()
session.set_credentials("AKIATEST", "secret")


class Body:
    def __init__(self, data):
        self.data = data

    def stream(self, **kwargs):
        yield self.data


def client(answer):
    """Return a client of SQS whose requests are answered by a function."""
    made = session.create_client("sqs", region_name="eu-west-1", config=Config(retries={"max_attempts": 2, "mode": "standard"}))
    made.meta.events.register("before-send.sqs", answer)
    return made


def main(args, context):
    seen = []

    def answer(request, **kwargs):
        seen.append([request.method, request.url, request.headers["X-Amz-Target"].decode(), request.body.decode()])
        if len(seen) == 1:
            return AWSResponse(request.url, 500, {}, Body(b"{}"))
        if "none" in seen[-1][3]:
            return AWSResponse(request.url, 400, {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"}, Body(b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"gone"}'))
        return AWSResponse(request.url, 200, {}, Body(b'{"QueueUrl":"https://q","Messages":[{"Body":"b","MessageId":"1"}]}'))

    sqs = client(answer)
    messages = sqs.receive_message(QueueUrl="https://sqs.eu-west-1.amazonaws.com/1/q", MaxNumberOfMessages=2)["Messages"]
    try:
        sqs.get_queue_url(QueueName="none")
    except ClientError as error:
        gone = [type(error).__name__, error.response["Error"]["Code"]]
    try:
        sqs.send_message(QueueUrl=1)
    except ParamValidationError as error:
        invalid = str(error)
    request = AWSRequest("GET", "https://s3.amazonaws.com/b/k", headers={"X-Amz-Date": "20240101T000000Z"})
    SigV4Auth(Credentials("AKIATEST", "secret"), "s3", "eu-west-1").add_auth(request)
    signed = request.headers["Authorization"].partition("Signature=")[0]
    try:
        session.create_client("sts", region_name="eu-west-1", endpoint_url="http://h.invalid", config=Config(retries={"total_max_attempts": 1})).get_caller_identity()
        offline = "connected"
    except EndpointConnectionError:
        offline = "offline"
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d")
    return [messages, gone, invalid, seen, signed.replace(stamp, "DAY"), offline, len(session.get_available_services()) > 300]
