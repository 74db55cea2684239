# wheels: paho-mqtt
import select
import ssl
import time

import paho.mqtt.client as mqtt
import paho.mqtt.publish
import paho.mqtt.subscribe

import servers


def address(args):
    return {"hostname": "localhost", "port": servers.mqtt_tls if args["tls"] else servers.mqtt}


def tls(args):
    return {"ca_certs": servers.ca, "tls_version": ssl.PROTOCOL_TLS_CLIENT} if args["tls"] else None


def client(args, name):
    c = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
    if args["tls"]:
        c.tls_set(**tls(args))
    c.connect(*address(args).values(), keepalive=30)
    return c


def until(condition, *clients):
    """Runs the loops of clients until a condition holds."""
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not come true")
        writers = [c.socket() for c in clients if c.want_write()]
        select.select([c.socket() for c in clients], writers, [], 0.01)
        for c in clients:
            c.loop_read()
            c.loop_write()
            c.loop_misc()


def qualities(args):
    """Sends messages of each quality of service from one client to another."""
    heard, codes, granted = [], [], []
    subscriber, publisher = client(args, "subscriber"), client(args, "publisher")
    subscriber.on_message = lambda c, _, m: heard.append([m.topic, m.qos, len(m.payload), m.payload[:20].decode()])
    subscriber.on_connect = lambda c, _, flags, code, properties: codes.append(str(code))
    subscriber.on_subscribe = lambda c, _, mid, codes, properties: granted.append([str(g) for g in codes])
    until(lambda: codes and publisher.is_connected(), subscriber, publisher)
    subscriber.subscribe([("news/#", 2), ("plain/+", 0)])
    until(lambda: granted, subscriber)
    sent = [publisher.publish("news/%d" % qos, "message %d" % qos, qos=qos) for qos in range(3)]
    sent.append(publisher.publish("news/big", b"x" * 500_000, qos=1))
    until(lambda: len(heard) == 4 and all(s.is_published() for s in sent), subscriber, publisher)
    for c in (subscriber, publisher):
        c.disconnect()
    return [sorted(heard), codes, granted]


def forever(args):
    """Runs the loop of one client until it disconnects."""
    c = client(args, "forever")
    heard = []

    def connected(c, *_):
        c.subscribe("echo", qos=1)

    def message(c, _, m):
        heard.append(m.payload.decode())
        c.disconnect()

    c.on_connect, c.on_message = connected, message
    c.on_subscribe = lambda c, *_: c.publish("echo", "back", qos=1)
    c.loop_forever()
    return heard


def main(args, context):
    answers = [qualities(args), forever(args)]
    kept = [{"topic": "kept/%d" % n, "payload": str(n), "qos": 1, "retain": True} for n in range(3)]
    paho.mqtt.publish.multiple(kept, **address(args), tls=tls(args))
    messages = paho.mqtt.subscribe.simple("kept/#", qos=1, msg_count=3, retained=True, **address(args), tls=tls(args))
    answers.append(sorted([m.topic, m.retain, m.payload.decode()] for m in messages))
    paho.mqtt.publish.multiple([{**m, "payload": None} for m in kept], **address(args), tls=tls(args))
    return answers
