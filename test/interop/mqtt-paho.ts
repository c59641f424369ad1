// What Python's paho does, unchanged: the 3.1.1 cases of the Eclipse Paho interoperability suite as far as these topic rules let them be.

/** argv: port, case. Prints one JSON line. */
export const pahoScript = String.raw`
import json, sys, threading, time
import paho.mqtt.client as mqtt

port, case = int(sys.argv[1]), sys.argv[2]
result = {"connack": [], "messages": [], "granted": [], "published": [], "closed": []}
done = threading.Event()

def client(client_id="", clean=True, protocol=mqtt.MQTTv311):
    c = mqtt.Client(client_id=client_id, clean_session=clean, protocol=protocol)
    c.ready, c.acked, c.subbed, c.gone = (threading.Event() for _ in range(4))
    def on_connect(c, u, flags, rc, *more):
        result["connack"].append([flags.get("session present", 0), int(rc)])
        c.ready.set()
    def on_publish(c, u, mid):
        result["published"].append(mid)
        c.acked.set()
    def on_subscribe(c, u, mid, granted, *more):
        result["granted"] += list(granted)
        c.subbed.set()
    def on_disconnect(c, u, rc, *more):
        result["closed"].append(int(rc))
        c.gone.set()
    c.on_connect, c.on_publish, c.on_subscribe, c.on_disconnect = on_connect, on_publish, on_subscribe, on_disconnect
    c.on_message = lambda c, u, m: result["messages"].append([m.topic, m.payload.decode(), m.qos, m.retain])
    return c

def connect(c, keepalive=60):
    c.connect("127.0.0.1", port, keepalive)
    c.loop_start()
    if not c.ready.wait(10): raise Exception("no CONNACK")

def publish(c, topic, payload, qos):
    c.publish(topic, payload, qos).wait_for_publish(10)

# Another id each time: the same one again gets no second answer.
def said(sender): return json.dumps({"id": "%s-%d" % (sender, time.time_ns()), "from": sender, "text": "hello"})

def finish(c):
    c.disconnect()
    c.gone.wait(10)
    c.loop_stop()

if case == "basic":
    c = client("myclientid")
    connect(c)
    for qos in (0, 1, 2): publish(c, "TopicA", json.dumps({"id": "qos %d" % qos}), qos)
    finish(c)
elif case == "v31":
    c = client("myclientid", protocol=mqtt.MQTTv31)
    connect(c)
    publish(c, "TopicA", '{"id":"v31"}', 1)
    finish(c)
elif case == "v5":
    c = mqtt.Client(client_id="five", protocol=mqtt.MQTTv5)
    c.on_connect = lambda c, u, flags, rc, *more: (result["connack"].append([0, rc if isinstance(rc, int) else rc.value]), done.set())
    c.connect("127.0.0.1", port)
    c.loop_start()
    done.wait(10)
    c.loop_stop()
elif case == "subscribe-failure":
    c = client("myclientid")
    connect(c)
    c.subscribe([("test/nosubscribe", 2), ("TopicA/display", 1), ("#", 0)])
    c.subbed.wait(10)
    finish(c)
elif case == "keepalive":
    c = client("myclientid")
    connect(c, keepalive=1)
    time.sleep(2.5)
    publish(c, "TopicA", '{"id":"still here"}', 1)
    finish(c)
elif case == "silent":
    # Paho pings by itself: who says nothing is made by hand, with its will.
    import socket
    def text(b): return len(b).to_bytes(2, "big") + b
    body = text(b"MQTT") + bytes([4, 0x0e, 0, 1]) + text(b"silent") + text(b"TopicA/C") + text(b'{"id":"keepalive expiry"}')
    s = socket.create_connection(("127.0.0.1", port))
    s.settimeout(10)
    s.sendall(bytes([0x10, len(body)]) + body)
    result["connack"].append(list(s.recv(4)[2:4]))
    begun = time.time()
    while s.recv(100): pass
    result["closed"].append(int((time.time() - begun) * 1000))
elif case == "overlapping":
    c = client("myclientid")
    connect(c)
    c.subscribe([("TopicA/display", 2), ("TopicA/+", 1)])
    c.subbed.wait(10)
    publish(c, "TopicA/say", said("overlapping"), 2)
    for _ in range(500):
        if result["messages"]: break
        time.sleep(0.05)
    time.sleep(0.3)
    finish(c)
elif case == "retained":
    c = client("myclientid")
    connect(c)
    c.publish("TopicA", '{"id":"retained"}', 1, True).wait_for_publish(10)
    c.subscribe("TopicA/display", 1)
    c.subbed.wait(10)
    time.sleep(0.3)
    finish(c)
elif case == "zero-length":
    c = client("")
    connect(c)
    publish(c, "TopicA", '{"id":"nameless"}', 1)
    finish(c)
elif case == "will":
    c = client("myclientid")
    c.will_set("TopicA/C", '{"id":"client not disconnected"}', 1)
    connect(c)
    c._sock.close()
    time.sleep(0.5)
elif case == "dollar":
    c = client("myclientid")
    connect(c)
    c.publish("$TopicA/B", "", 1)
    c.gone.wait(10)
    c.loop_stop()
elif case == "offline":
    c = client("myclientid", clean=False)
    connect(c)
    c.subscribe("TopicA/display", 1)
    c.subbed.wait(10)
    finish(c)
    c = client("myclientid", clean=False)
    connect(c)
    finish(c)
elif case == "unsubscribe":
    c = client("myclientid")
    connect(c)
    c.subscribe("TopicA/display", 1)
    c.subbed.wait(10)
    c.unsubscribe("TopicA/display")
    publish(c, "TopicA/say", said("gone"), 1)
    time.sleep(0.5)
    finish(c)
elif case == "reply":
    c = client("myclientid")
    connect(c)
    c.subscribe([("TopicA/display", 0), ("TopicA/+", 1)])
    c.subbed.wait(10)
    publish(c, "TopicA/say", said("ann"), 1)
    for _ in range(500):
        if result["messages"]: break
        time.sleep(0.05)
    finish(c)
print(json.dumps(result))
`
