"""A Sparkplug B edge node made with pysparkplug: `edge_node.py PORT`. Says `ready` after its birth,
measures five times a second, obeys commands, and is born again when it is asked to."""

import sys
import time

from pysparkplug import (
    DataType,
    DBirth,
    Device,
    EdgeNode,
    Message,
    MessageType,
    Metric,
    NBirth,
    QoS,
    Topic,
)

NODE = {"group_id": "Plant", "edge_node_id": "Line1"}
# It connects once, so this is its first session: what its will says, too.
SESSION = ("bdSeq", DataType.INT64, 0)
REBIRTH = ("Node Control/Rebirth", DataType.BOOLEAN, False)


def metric(name, datatype, value):
    return Metric(int(time.time() * 1000), name, datatype, value=value)


def publish(node, topic, payload):
    node._client.publish(
        Message(topic=topic, payload=payload, qos=QoS.AT_MOST_ONCE, retain=False),
        include_dtypes=True,
    )


def be_born(node):
    now = int(time.time() * 1000)
    metrics = (*node.metrics.values(), metric(*SESSION))
    topic = Topic(message_type=MessageType.NBIRTH, **NODE)
    publish(node, topic, NBirth(timestamp=now, seq=node._seq, metrics=metrics))
    for device in node.devices.values():
        metrics = tuple(device.metrics.values())
        topic = Topic(message_type=MessageType.DBIRTH, device_id=device.device_id, **NODE)
        publish(node, topic, DBirth(timestamp=now, seq=node._seq, metrics=metrics))


def on_node_command(node, message):
    for wanted in message.payload.metrics:
        if wanted.name == "Node Control/Rebirth" and wanted.value:
            be_born(node)


def on_device_command(node, message):
    for wanted in message.payload.metrics:
        known = node.devices["Press"].metrics[wanted.name]
        node.update_device("Press", [metric(known.name, known.datatype, wanted.value)])


node = EdgeNode(
    metrics=[metric(*REBIRTH), metric("Properties/Firmware", DataType.STRING, "1.4.0")],
    cmd_callback=on_node_command,
    **NODE,
)
press = Device(
    "Press",
    metrics=[
        metric("Inputs/Temperature", DataType.DOUBLE, 21.5),
        metric("Outputs/Speed", DataType.INT16, -300),
        metric("Outputs/Valve", DataType.BOOLEAN, False),
    ],
    cmd_callback=on_device_command,
)
node.register(press)
node.connect("127.0.0.1", port=int(sys.argv[1]))
while not node._connected:
    time.sleep(0.05)
print("ready", flush=True)
while True:
    time.sleep(0.2)
    node.update_device("Press", [metric("Inputs/Temperature", DataType.DOUBLE, 22.25)])
