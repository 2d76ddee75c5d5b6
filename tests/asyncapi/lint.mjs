// Reads a description as AsyncAPI's own parser does, and fails with everything that the parser remarks on.
//
//   node tests/asyncapi/lint.mjs FILE

import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

/**
 * What the parser remarks on and what is so on purpose, with the reason.
 * @type {Record<string, string>}
 */
const EXCUSED = {
  "asyncapi-latest-version": "version 3.0 is what most tools read",
};

const [file] = process.argv.slice(2);
const { document, diagnostics } = await new Parser().parse(await readFile(file, "utf8"), { source: file });
const found = diagnostics.filter(({ code }) => !(code in EXCUSED));
for (const { code, message, path } of found) console.error(`${file}: ${path.join(".")}: ${message} (${code})`);
const unused = Object.keys(EXCUSED).filter((code) => !diagnostics.some((diagnostic) => diagnostic.code === code));
for (const code of unused) console.error(`${code} is excused and not found`);
if (!document || found.length > 0 || unused.length > 0) process.exit(1);
console.log(
  `${file}: ${document.allChannels().all().length} channels, ${document.allMessages().all().length} messages`,
);
