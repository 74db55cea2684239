# differs: without an allow list, a connection raises what the package raises if it cannot connect
import io

import boto3
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

session = boto3.Session("AKIATEST", "secret", region_name="eu-west-1")
s3 = session.client("s3")
table = session.resource("dynamodb").Table("t")


def main(args, context):
    stub = Stubber(s3)
    stub.add_response("list_objects_v2", {"Contents": [{"Key": "a", "Size": 3}]}, {"Bucket": "b", "Prefix": ANY})
    stub.add_response("put_object", {"ETag": "e"}, {"Bucket": "b", "Key": "k", "Body": ANY})
    stub.add_client_error("get_object", "NoSuchKey", "no such key", 404)
    with stub:
        listed = [o["Key"] for o in s3.list_objects_v2(Bucket="b", Prefix="")["Contents"]]
        put = s3.put_object(Bucket="b", Key="k", Body=io.BytesIO(b"x"))["ETag"]
        try:
            s3.get_object(Bucket="b", Key="k")
        except ClientError as error:
            refused = str(error)
    db = Stubber(table.meta.client)
    db.add_response("get_item", {"Item": {"id": {"S": "1"}, "n": {"N": "5"}}})
    with db:
        item = {k: str(v) for k, v in table.get_item(Key={"id": "1"})["Item"].items()}
    url = s3.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}).partition("?")[0]
    return [listed, put, refused, item, url]
