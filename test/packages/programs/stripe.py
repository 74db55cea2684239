# differs: without an allow list, a connection raises what the package raises if it cannot connect
import hashlib
import hmac
import time

import stripe


def main(args, context):
    stripe.api_key = "sk_test_x"
    payload = '{"id": "evt_1", "object": "event", "type": "charge.succeeded", "data": {"object": {"id": "ch_1", "object": "charge", "amount": 5}}}'
    now = int(time.time())
    signature = hmac.new(b"whsec", b"%d.%s" % (now, payload.encode()), hashlib.sha256).hexdigest()
    event = stripe.Webhook.construct_event(payload, "t=%d,v1=%s" % (now, signature), "whsec")
    try:
        stripe.Webhook.construct_event(payload, "t=%d,v1=00" % now, "whsec")
    except stripe.SignatureVerificationError as error:
        refused = str(error)[:60]
    return [event.type, event.data.object.amount, type(event.data.object).__name__, refused]
