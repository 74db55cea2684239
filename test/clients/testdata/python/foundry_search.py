# Searches executions with the transport, the pages and the errors of Palantir's SDK for Python. The SDK
# has no module for the endpoint yet, so the request is described here as its modules describe theirs.
# Prints ok at the end, or fails at the first difference.
import json
import os
import typing
import urllib.error
import urllib.request

import pydantic
import typing_extensions
from foundry_sdk import _core as core
from foundry_sdk import _errors as errors
from foundry_sdk._core.hostname_supplier import StaticHostnameSupplier

SERVER, TOKEN = os.environ["SERVER"], os.environ["TOKEN"]


class Duration(pydantic.BaseModel):
    value: int
    unit: typing.Literal["MILLISECONDS", "SECONDS", "MINUTES", "HOURS"]


class Execution(pydantic.BaseModel):
    resourceRid: str
    resourceVersion: str
    foundryTraceId: str
    traceOwningRid: str
    status: typing.Literal["SUCCEEDED", "FAILED"]
    startTime: pydantic.AwareDatetime
    duration: Duration
    failureReason: typing.Optional[str] = None
    callerRid: typing.Optional[str] = None


class Page(pydantic.BaseModel):
    data: typing.List[Execution] = []
    next_page_token: typing.Optional[str] = pydantic.Field(alias="nextPageToken", default=None)


class InvalidExecutionFilterParameters(typing_extensions.TypedDict):
    pass


class InvalidExecutionFilter(errors.BadRequestError):
    parameters: InvalidExecutionFilterParameters

    def __init__(self, name, parameters, error_instance_id):
        super().__init__({"errorName": name, "parameters": parameters, "errorInstanceId": error_instance_id})


client = core.ApiClient(core.UserTokenAuth(token=TOKEN), StaticHostnameSupplier(SERVER, True))


def search(rid, **body):
    return client.call_api(
        core.RequestInfo.with_defaults(
            "POST",
            "/v2/observability/resources/{resourceRid}/listExecutions",
            response_type=Page,
            query_params={"preview": body.pop("preview", True)},
            path_params={"resourceRid": rid},
            header_params={"Content-Type": "application/json", "Accept": "application/json"},
            body=body,
            throwable_errors={"InvalidExecutionFilter": InvalidExecutionFilter},
        )
    )


def ask(path, body=None):
    request = urllib.request.Request(SERVER + path, body and json.dumps(body).encode(), {"Authorization": "Bearer " + TOKEN})
    try:
        return json.load(urllib.request.urlopen(request))
    except urllib.error.HTTPError as failure:
        return json.load(failure)


rid = ask("/v1/functions/work")["rid"]
for args in [{"n": 1}, {"n": 2}, {"fail": True}]:
    ask("/v1/sync/functions/work/rpc/", args)

found = search(rid).data
assert [x.status for x in found] == ["FAILED", "SUCCEEDED", "SUCCEEDED"], found
assert found[0].failureReason == "error" and found[0].resourceRid == rid


def page(page_size, next_page_token):
    answer = search(rid, pageSize=page_size, pageToken=next_page_token)
    return answer.next_page_token, answer.data


paged = core.ResourceIterator(page, page_size=1)
assert [x.foundryTraceId for x in paged] == [x.foundryTraceId for x in found]
assert len(search(rid, where={"type": "eq", "field": "status", "value": "FAILED"}).data) == 1
assert len(search(rid, startTime=found[1].startTime.isoformat()).data) == 2

try:
    search(rid, where={"type": "gte", "field": "status", "value": 1})
    raise AssertionError("no error")
except InvalidExecutionFilter as error:
    assert error.name == "InvalidExecutionFilter" and len(error.error_instance_id) == 36
for call, kind, name in [
    (lambda: search("ri.function-registry.main.function.c26f11c8-cdb3-4f44-9f5d-9816ea1c82da"), errors.NotFoundError, "ResourceNotFound"),
    (lambda: search(rid, preview=False), errors.BadRequestError, "ApiFeaturePreviewUsageOnly"),
]:
    try:
        call()
        raise AssertionError("no error")
    except kind as error:
        assert error.name == name and len(error.error_description) > 10, error
print("ok")
