# wheels: stripe requests urllib3 idna certifi charset-normalizer typing-extensions
import stripe

import servers

stripe.ca_bundle_path = servers.ca


def client(args):
    url = "https://localhost:%d" % servers.stripe_tls if args["tls"] else "http://localhost:%d" % servers.stripe
    return stripe.StripeClient("sk_test_1", base_addresses={"api": url}, http_client=stripe.RequestsClient(), max_network_retries=0)


def main(args, context):
    c = client(args)
    created = c.v1.customers.create({"name": "Jenny Rosen", "email": "jennyrosen@example.com", "metadata": {"order": "6735"}})
    got = c.v1.customers.retrieve("cus_NffrFeUfNV2Hib")
    page = c.v1.customers.list({"limit": 2})
    everybody = [customer.id for customer in page.auto_paging_iter()]
    intent = c.v1.payment_intents.create({"amount": 2000, "currency": "usd", "automatic_payment_methods": {"enabled": True}})
    try:
        c.v1.charges.create({"amount": 2000, "currency": "usd", "source": "tok_chargeDeclined"})
    except stripe.CardError as e:
        declined = [e.http_status, e.code, e.error.decline_code, e.request_id]
    try:
        stripe.StripeClient("sk_wrong", base_addresses={"api": client(args)._requestor._options.base_addresses["api"]}).v1.customers.retrieve("cus_NffrFeUfNV2Hib")
    except stripe.AuthenticationError as e:
        refused = e.http_status
    deleted = c.v1.customers.delete("cus_NffrFeUfNV2Hib")
    payload = '{"id": "evt_1", "object": "event", "type": "customer.created", "data": {"object": {"id": "cus_1", "object": "customer"}}}'
    signature = "t=1735689600,v1=" + stripe.WebhookSignature._compute_signature("1735689600." + payload, "whsec_1")
    hook = stripe.Webhook.construct_event(payload, signature, "whsec_1", tolerance=None)
    return [created.id, created.metadata["order"], got.email, everybody, intent.status, declined, refused, deleted.deleted, hook.data.object.id]
