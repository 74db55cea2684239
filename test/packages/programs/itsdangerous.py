from datetime import datetime, timezone

from itsdangerous import BadSignature, BadTimeSignature, SignatureExpired, Signer, TimestampSigner, URLSafeSerializer, URLSafeTimedSerializer


class Clocked(TimestampSigner):
    now = 1_700_000_000

    def get_timestamp(self):
        return self.now


def main(args, context):
    serializer = URLSafeSerializer("secret", salt="activate")
    token = serializer.dumps({"id": 5, "name": "é" * 100})
    errors = []
    for key, value in (("secret", token[:-1] + ("A" if token[-1] != "A" else "B")), ("other", token)):
        try:
            URLSafeSerializer(key, salt="activate").loads(value)
        except BadSignature as error:
            errors.append([type(error).__name__, str(error)[:9]])
    timed = URLSafeTimedSerializer("secret", signer=Clocked)
    signed = timed.dumps([1, "a"])
    value, when = timed.loads(signed, return_timestamp=True)
    Clocked.now += 61
    try:
        timed.loads(signed, max_age=60)
    except SignatureExpired as error:
        errors.append([str(error), error.date_signed.astimezone(timezone.utc).isoformat()])
    try:
        TimestampSigner("k").unsign("no.signature.at all")
    except BadTimeSignature as error:
        errors.append(type(error).__name__)
    rotated = Signer(["old", "new"])
    return [
        token, serializer.loads(token), signed, value, when == datetime.fromtimestamp(1_700_000_000, timezone.utc), errors,
        rotated.sign("v").decode(), Signer("old").validate(Signer(["old"]).sign("v")), rotated.unsign(Signer("old").sign("v")).decode(),
        serializer.loads_unsafe("x.y")[0],
    ]
