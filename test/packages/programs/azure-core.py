# differs: without an allow list, a connection raises what the package raises if it cannot connect
import json

from azure.core import PipelineClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ServiceRequestError, map_error, ResourceNotFoundError
from azure.core.paging import ItemPaged
from azure.core.pipeline.policies import AzureKeyCredentialPolicy, HeadersPolicy, RetryPolicy
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest
from azure.core.rest._http_response_impl import HttpResponseImpl
from azure.core.utils import case_insensitive_dict


class Transport(HttpTransport):
    """Answers requests without a network: each first one is refused with status 503."""

    def __init__(self):
        self.requests = []

    def open(self):
        pass

    def close(self):
        pass

    def __exit__(self, *args):
        pass

    def send(self, request, **kwargs):
        self.requests.append([request.method, request.url, request.headers.get("api-key"), request.headers.get("x")])
        status = 503 if len(self.requests) == 1 else 404 if request.url.endswith("none") else 200
        body = json.dumps({"n": len(self.requests)}).encode()
        response = HttpResponseImpl(
            request=request, internal_response=None, block_size=1, status_code=status, reason="", content_type="application/json",
            headers=case_insensitive_dict({"content-type": "application/json"}), stream_download_generator=None,
        )  # fmt: skip
        response._content = body
        return response


def main(args, context):
    transport = Transport()
    policies = [HeadersPolicy({"x": "1"}), AzureKeyCredentialPolicy(AzureKeyCredential("k"), "api-key"), RetryPolicy(retry_backoff_factor=0)]
    client = PipelineClient("https://h.invalid", transport=transport, policies=policies)
    answer = client.send_request(HttpRequest("GET", "/a", params={"q": "ä"})).json()
    response = client.send_request(HttpRequest("PUT", "/none", json={"b": 1}))
    try:
        map_error(response.status_code, response, {404: ResourceNotFoundError})
        response.raise_for_status()
    except HttpResponseError as error:
        missing = type(error).__name__
    pages = {None: ("2", [1, 2]), "2": (None, [3])}
    paged = ItemPaged(lambda token=None: token, lambda token: (pages[token][0], iter(pages[token][1])))
    try:
        PipelineClient("", policies=[RetryPolicy(retry_total=0)]).send_request(HttpRequest("GET", "http://h.invalid/"))
        offline = "connected"
    except ServiceRequestError:
        offline = "offline"
    return [answer, transport.requests, missing, list(paged), offline]
