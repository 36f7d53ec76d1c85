"""A device that registers with a resource directory: python device.py DIRECTORY NAME [simple]

It has a temperature that can be observed and rises each 0.2 s, a lamp that can be written, and a
buzzer that only takes POST. It registers, updates its registration, and when its standard input
says `leave`, removes it. Prints what it is asked to do.
"""

import asyncio
import sys

import aiocoap
from aiocoap import Code, ContentFormat, Message, resource

LINKS = '</temp>;rt="temperature-c";if="core.s";ct=110;obs,</lamp>;title="Lamp";ct=50,</buzzer>'


class Temperature(resource.ObservableResource):
    value = 20

    async def render_get(self, request):
        pack = f'[{{"n":"temp","u":"Cel","v":{self.value}}}]'.encode()
        return Message(payload=pack, content_format=ContentFormat(110))


class Lamp(resource.Resource):
    state = b"false"

    async def render_get(self, request):
        return Message(payload=self.state, content_format=ContentFormat.JSON)

    async def render_put(self, request):
        self.state = request.payload
        print("lamp", self.state.decode(), flush=True)
        return Message(code=Code.CHANGED)


class Buzzer(resource.Resource):
    async def render_post(self, request):
        print("buzz", request.payload.decode(), flush=True)
        return Message(code=Code.CHANGED)


class Core(resource.Resource):
    async def render_get(self, request):
        return Message(payload=LINKS.encode(), content_format=ContentFormat.LINKFORMAT)


async def main(directory, name, simple=None):
    site = resource.Site()
    temperature = Temperature()
    site.add_resource(["temp"], temperature)
    site.add_resource(["lamp"], Lamp())
    site.add_resource(["buzzer"], Buzzer())
    site.add_resource([".well-known", "core"], Core())
    context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", 0))

    async def post(path, links=b""):
        def make():
            request = Message(code=Code.POST, uri=f"coap://{directory}{path}", payload=links)
            if links:
                request.opt.content_format = ContentFormat.LINKFORMAT
            return request

        # aiocoap leaves Echo options (RFC 9175) to its user.
        response = await context.request(make()).response
        if response.code == Code.UNAUTHORIZED and response.opt.echo is not None:
            again = make()
            again.opt.echo = response.opt.echo
            response = await context.request(again).response
        return response

    if simple:
        answer = await post(f"/.well-known/rd?ep={name}&lt=60")
        print("registered", answer.code.dotted, flush=True)
        location = None
    else:
        answer = await post(f"/rd?ep={name}&lt=60", LINKS.encode())
        location = "/" + "/".join(answer.opt.location_path)
        print("registered", answer.code.dotted, location, flush=True)

    async def warm_up():
        while True:
            await asyncio.sleep(0.2)
            temperature.value += 1
            temperature.updated_state()

    warming = asyncio.create_task(warm_up())
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        if line.strip() == b"update" and location:
            print("updated", (await post(location)).code.dotted, flush=True)
        if line.strip() == b"leave" and location:
            request = Message(code=Code.DELETE, uri=f"coap://{directory}{location}")
            print("left", (await context.request(request).response).code.dotted, flush=True)
    warming.cancel()
    await context.shutdown()


asyncio.run(main(*sys.argv[1:]))
