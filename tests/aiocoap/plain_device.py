"""A CoAP device made with aiocoap: `plain_device.py PORT`. Says `ready` when it answers."""

import asyncio
import json
import sys

import aiocoap
from aiocoap import resource


class Text(resource.ObservableResource):
    """A state as text, that is observable and can be written."""

    def __init__(self, text):
        super().__init__()
        self.text = text

    async def render_get(self, request):
        return aiocoap.Message(payload=self.text.encode(), content_format=0)


class Ticks(Text):
    """Counts, four times a second."""

    def __init__(self):
        super().__init__("0")
        self.task = asyncio.get_event_loop().create_task(self.count())

    async def count(self):
        while True:
            await asyncio.sleep(0.25)
            self.text = str(int(self.text) + 1)
            self.updated_state()


class Relay(Text):
    async def render_put(self, request):
        if request.payload not in (b"on", b"off"):
            raise aiocoap.error.BadRequest("on or off")
        self.text = request.payload.decode()
        self.updated_state()
        return aiocoap.Message(code=aiocoap.CHANGED)


class Restart(resource.Resource):
    """Refuses GET and takes POST."""

    async def render_post(self, request):
        return aiocoap.Message(code=aiocoap.CHANGED, payload=b'{"restarts":1}', content_format=50)


class Pack(resource.Resource):
    """SenML: two records of one sensor."""

    def get_link_description(self):
        return dict(super().get_link_description(), ct="110")

    async def render_get(self, request):
        pack = [{"bn": "lab:", "n": "temp", "u": "Cel", "v": 21.5}, {"n": "hum", "u": "%RH", "v": 40}]
        return aiocoap.Message(payload=json.dumps(pack).encode(), content_format=110)


class Long(resource.Resource):
    """Takes several blocks."""

    async def render_get(self, request):
        return aiocoap.Message(payload=b"0123456789" * 300, content_format=0)


async def main():
    site = resource.Site()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    site.add_resource(["ticks"], Ticks())
    site.add_resource(["relay"], Relay("off"))
    site.add_resource(["restart"], Restart())
    site.add_resource(["pack"], Pack())
    site.add_resource(["long"], Long())
    await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", int(sys.argv[1])))
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


asyncio.run(main())
