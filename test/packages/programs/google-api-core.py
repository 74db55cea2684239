from google.api_core import exceptions, page_iterator, path_template, protobuf_helpers, retry
from google.api_core.datetime_helpers import DatetimeWithNanoseconds, to_rfc3339
from google.api_core.iam import Policy
from google.protobuf import field_mask_pb2, struct_pb2


class Answers:
    """Raises the exceptions of a list, one a call, and then returns a value."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def main(args, context):
    flaky = Answers(exceptions.ServiceUnavailable("busy"), exceptions.TooManyRequests("slow down"))
    policy = retry.Retry(initial=0.001, maximum=0.002, timeout=60)
    answer = policy(flaky)()
    try:
        policy(Answers(exceptions.NotFound("gone")))()
    except exceptions.GoogleAPICallError as error:
        gone = [error.code, error.grpc_status_code and error.grpc_status_code.name, str(error)]
    pages = {None: {"items": [1, 2], "nextPageToken": "t"}, "t": {"items": [3]}}
    iterator = page_iterator.HTTPIterator(None, lambda method, path, query_params: pages[query_params.get("pageToken")], "/items", lambda _, item: item * 10)
    iam = Policy()
    iam.bindings = [{"role": "roles/viewer", "members": {"user:a@b.c"}}]
    before, after = struct_pb2.Value(string_value="a"), struct_pb2.Value(string_value="b")
    return [
        answer, flaky.calls, gone, list(iterator), path_template.expand("users/{name}/v1/{rest=**}", name="n", rest="a/b"),
        path_template.validate("users/*/v1", "users/1/v1"), sorted(iam["roles/viewer"]),
        list(protobuf_helpers.field_mask(before, after).paths), field_mask_pb2.FieldMask(paths=["a.b"]).ToJsonString(),
        to_rfc3339(DatetimeWithNanoseconds(2024, 1, 2, 3, 4, 5, nanosecond=678)), exceptions.from_http_status(409, "twice").__class__.__name__,
    ]
