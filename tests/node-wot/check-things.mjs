// Checks an array of Thing Descriptions with the Thing Description Playground: the JSON schema and
// what goes beyond it. JSON-LD expansion is left out: it fetches contexts from the web.
import { readFileSync } from "node:fs";
import playground from "@thing-description-playground/core";

const things = JSON.parse(readFileSync(process.argv[2], "utf8"));
const options = { checkDefaults: false, checkJsonLd: false, checkTmConformance: false };
let failed = 0;
for (const thing of things) {
    const log = [];
    const { report, details, detailComments } = await playground.tdValidator(
        JSON.stringify(thing),
        (line) => log.push(line),
        options,
    );
    // Advice, not a rule: units and titles are not for the gateway to invent.
    const verdicts = { ...report, ...details };
    const bad = Object.entries(verdicts).filter(([, verdict]) => verdict === "failed");
    if (bad.length > 0) {
        failed += 1;
        console.error(thing.id ?? thing.title, bad, detailComments, log.join("\n"));
    }
}
if (things.length === 0 || failed > 0) {
    console.error(`${failed} of ${things.length} descriptions are not valid`);
    process.exit(1);
}
console.log(`${things.length} descriptions are valid`);
