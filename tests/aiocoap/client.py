"""A client that knows nothing of the gateway: python client.py ADDRESS PATH

Reads a property in two formats, observes it, writes it, and waits until it is told of the new value.
Prints one line for each step.
"""

import asyncio
import json
import sys

import aiocoap
from aiocoap import Code, ContentFormat, Message


async def proven(context, make):
    """Repeats an Echo option (RFC 9175), which aiocoap leaves to its user."""
    response = await context.request(make()).response
    if response.code == Code.UNAUTHORIZED and response.opt.echo is not None:
        again = make()
        again.opt.echo = response.opt.echo
        response = await context.request(again).response
    return response


async def main(address, path):
    uri = f"coap://{address}{path}"
    context = await aiocoap.Context.create_client_context()
    try:
        well_known = f"coap://{address}/.well-known/core"
        core = await proven(context, lambda: Message(code=Code.GET, uri=well_known))
        print("core", path in core.payload.decode())
        state = await context.request(Message(code=Code.GET, uri=uri)).response
        print("read", state.code.dotted, state.opt.content_format.name, state.payload.decode())
        again = Message(code=Code.GET, uri=uri)
        again.opt.etags = [state.opt.etag]
        print("again", (await context.request(again).response).code.dotted)
        packed = Message(code=Code.GET, uri=uri, accept=ContentFormat(110))
        pack = json.loads((await context.request(packed).response).payload)
        print("senml", pack[0]["n"], pack[0]["u"], pack[0]["v"])
        observing = context.request(Message(code=Code.GET, uri=uri, observe=0))
        first = await observing.response
        print("observed", first.opt.observe is not None, first.payload.decode())
        written = Message(code=Code.PUT, uri=uri, payload=b"23.5", content_format=ContentFormat.JSON)
        print("wrote", (await context.request(written).response).code.dotted)
        async for notification in observing.observation:
            print("notified", notification.payload.decode(), flush=True)
            if notification.payload == b"23.5":
                break
        observing.observation.cancel()
    finally:
        await context.shutdown()


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 60))
