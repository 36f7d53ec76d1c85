// A client that knows nothing but a URL: it fetches the Thing Description there and reads, writes
// and observes by it, with node-wot as it comes.
import core from "@node-wot/core";
import http from "@node-wot/binding-http";

const OBSERVED = 5;

async function main(url) {
    const servient = new core.Servient();
    servient.addClientFactory(new http.HttpClientFactory());
    const wot = await servient.start();
    const thing = await wot.consume(await wot.requestThingDescription(url));
    for (const name of ["temperature", "mode", "mixed"]) {
        console.log("read", name, await (await thing.readProperty(name)).value());
    }

    await thing.writeProperty("setpoint", 22.5);
    const setpoint = await (await thing.readProperty("setpoint")).value();
    if (setpoint !== 22.5) throw new Error(`setpoint reads ${setpoint} after it was written`);
    console.log("wrote setpoint", setpoint);

    let last = -Infinity;
    let seen = 0;
    await new Promise((resolve, reject) => {
        thing
            .observeProperty(
                "temperature",
                async (output) => {
                    const value = await output.value();
                    if (value < last) reject(new Error(`${value} after ${last}`));
                    last = value;
                    seen += 1;
                    if (seen === OBSERVED) resolve();
                },
                reject,
            )
            .catch(reject);
    });
    console.log("observed temperature", seen, "times");
}

main(process.argv[2]).then(
    () => process.exit(0),
    (error) => {
        console.error(error);
        process.exit(1);
    },
);
setTimeout(() => {
    console.error("not done after a minute");
    process.exit(1);
}, 60_000);
