from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, json_format, message_factory, struct_pb2, text_format, timestamp_pb2
from google.protobuf.message import DecodeError

F = descriptor_pb2.FieldDescriptorProto
file = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop", syntax="proto3")
order = file.message_type.add(name="Order")
for number, (name, kind, repeated) in enumerate(
    [("id", F.TYPE_UINT64, False), ("items", F.TYPE_STRING, True), ("price", F.TYPE_DOUBLE, False), ("codes", F.TYPE_SINT32, True), ("data", F.TYPE_BYTES, False)], 1
):
    order.field.add(name=name, number=number, type=kind, label=F.LABEL_REPEATED if repeated else F.LABEL_OPTIONAL)
pool = descriptor_pool.DescriptorPool()
pool.AddSerializedFile(file.SerializeToString())
Order = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))


def main(args, context):
    message = Order(id=1 << 60, items=["a", "ü"], price=0.5, codes=[-1, 300], data=b"\x00\xff")
    wire = message.SerializeToString()
    copy = Order.FromString(wire)
    copy.items.append("c")
    copy.MergeFrom(Order(codes=[7]))
    errors = []
    try:
        Order.FromString(wire[:-1])
    except DecodeError as error:
        errors.append(type(error).__name__)
    for value in ("x", -1, 1 << 64):
        try:
            message.id = value
        except (TypeError, ValueError) as error:
            errors.append(type(error).__name__)
    moment = timestamp_pb2.Timestamp(seconds=1_700_000_000, nanos=5000)
    packed = any_pb2.Any()
    packed.Pack(duration_pb2.Duration(seconds=90))
    struct = struct_pb2.Struct()
    struct.update({"a": [1, None, {"b": True}], "c": "x"})
    return [
        wire.hex(), json_format.MessageToDict(copy), json_format.MessageToJson(copy, indent=None), json_format.Parse('{"id": "5", "data": "AP8="}', Order()).data.hex(),
        text_format.MessageToString(copy, as_utf8=True), message == Order.FromString(wire), copy.ByteSize(), errors, moment.ToJsonString(), moment.ToDatetime().isoformat(),
        packed.TypeName(), json_format.MessageToDict(struct), [f.name for f, _ in message.ListFields()], str(Order(id=3)).strip(),
    ]
