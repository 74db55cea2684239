# wheels: twilio requests urllib3 idna certifi charset-normalizer pyjwt aiohttp aiohttp-retry aiohappyeyeballs aiosignal attrs frozenlist multidict propcache yarl typing-extensions
import os

from twilio.base.exceptions import TwilioRestException
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VideoGrant
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse

import servers

account = "AC00000000000000000000000000000001"
os.environ["REQUESTS_CA_BUNDLE"] = servers.ca


def main(args, context):
    client = Client(account, "secret")
    client.api.base_url = "https://localhost:%d" % servers.twilio_tls if args["tls"] else "http://localhost:%d" % servers.twilio
    sent = client.messages.create(to="+15558675310", from_="+15017122661", body="Hi there")
    got = client.messages(sent.sid).fetch()
    listed = [m.sid for m in client.messages.list(limit=3, page_size=2)]
    call = client.calls.create(to="+15558675310", from_="+15017122661", url="http://demo.twilio.com/docs/voice.xml")
    try:
        client.messages.create(to="+1", from_="+15017122661", body="Hi there")
    except TwilioRestException as e:
        refused = [e.status, e.code, e.msg]
    answer = VoiceResponse()
    answer.say("Hello")
    token = AccessToken(account, "SK1", "secret" * 8, identity="user", nbf=1)
    token.add_grant(VideoGrant(room="room"))
    validator = RequestValidator("secret")
    signature = validator.compute_signature("https://example.com/", {"a": "b"})
    return [
        sent.sid, sent.status, got.date_sent.isoformat(), str(got.price), listed, call.status, refused, str(answer),
        token.to_jwt().count("."), validator.validate("https://example.com/", {"a": "b"}, signature),
    ]
