// Makes the JavaScript client from the description of the HTTP API: `index.js` and `index.d.ts` in `events/client`.
//
//   node tests/client/generate.mjs          fails if the committed files are not what the description makes
//   node tests/client/generate.mjs --write  writes them
//
// Every operation for integrators becomes a method, and every schema that it uses a type. What this script does not
// know, in a schema or in an operation, is an error and never left out silently. Biome, which formats them, has to be
// in tests/scripts already.

import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const HEAD = "// Made from events/openapi.json by tests/client/run --write.\n";
const METHODS = ["get", "put", "post", "delete", "patch"];
/** The longest line, as .editorconfig and biome.jsonc promise. */
const COLUMNS = 120;

/** Keywords of JSON Schema that say which values are valid, and not of which type they are. */
const CONSTRAINTS = new Set([
  ...[
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "uniqueItems",
    "maxItems",
    "maxProperties",
  ],
  ...["propertyNames", "default", "examples", "description", "title"],
]);

/** Returns the words of a text as lines that fit behind an indentation and the sign of a comment. */
function wrapped(text, indentation) {
  const lines = [];
  for (const paragraph of text.replaceAll("*/", "*\\/").split("\n\n")) {
    if (lines.length > 0) lines.push("");
    // A list has an item on each line; everything else is one paragraph.
    const parts = paragraph.startsWith("- ") ? paragraph.split("\n") : [paragraph.replaceAll("\n", " ")];
    for (const part of parts) {
      let line = "";
      for (const word of part.split(" ")) {
        if (line !== "" && indentation.length + 3 + line.length + 1 + word.length > COLUMNS) {
          lines.push(line);
          line = word;
        } else {
          line = line === "" ? word : `${line} ${word}`;
        }
      }
      lines.push(line);
    }
  }
  return lines;
}

/** Returns a comment above a declaration, or nothing if there is nothing to say. */
function comment(text, indentation = "") {
  if (!text) return "";
  const single = `${indentation}/** ${text} */\n`;
  if (!text.includes("\n") && single.length <= COLUMNS + 1) return single;
  const lines = wrapped(text, indentation).map((line) => `${indentation} *${line && ` ${line}`}\n`);
  return `${indentation}/**\n${lines.join("")}${indentation} */\n`;
}

/** Returns a type with several alternatives. */
function union(parts) {
  return [...new Set(parts)].join(" | ");
}

/** The types that a schema uses by their names. */
class Types {
  #schemas;
  #used = new Set();

  constructor(schemas) {
    this.#schemas = schemas;
  }

  /** Returns the declarations of every schema that was used, in alphabetical order. */
  declarations() {
    const declared = new Map();
    while (declared.size < this.#used.size) {
      for (const name of this.#used) if (!declared.has(name)) declared.set(name, this.#declaration(name));
    }
    return [...declared.keys()].sort().map((name) => declared.get(name));
  }

  #declaration(name) {
    const schema = this.#schemas[name];
    const about = comment(schema.description);
    if (schema.type === "object" && schema.properties) {
      return `${about}export interface ${name} ${this.of(schema)}\n`;
    }
    return `${about}export type ${name} = ${this.of(schema)};\n`;
  }

  /** Returns the type of a schema. */
  of(schema, indentation = "") {
    const { $ref, type, enum: values, const: constant, anyOf, oneOf, properties, required, items, ...rest } = schema;
    const { additionalProperties, ...others } = rest;
    const unknown = Object.keys(others).filter((keyword) => !CONSTRAINTS.has(keyword) && !keyword.startsWith("x-"));
    if (unknown.length > 0) throw new Error(`unknown in a schema: ${unknown.join(", ")}`);
    if ($ref) return this.#named($ref);
    if (constant !== undefined) return JSON.stringify(constant);
    // A later version of the API may add a value, which a client has to expect.
    if (values) return union([...values.map((value) => JSON.stringify(value)), "(string & {})"]);
    const alternatives = anyOf ?? oneOf;
    if (alternatives) return union(alternatives.map((alternative) => this.of(alternative, indentation)));
    const kinds = [type ?? []].flat();
    if (kinds.length === 0) throw new Error(`a schema without a type: ${JSON.stringify(schema)}`);
    const parts = kinds.map((kind) => {
      if (kind === "string" || kind === "boolean" || kind === "null") return kind;
      if (kind === "integer" || kind === "number") return "number";
      if (kind === "array") return array(this.of(items, indentation));
      if (kind === "object") return this.#object(properties, required, additionalProperties, indentation);
      throw new Error(`unknown type: ${kind}`);
    });
    return union(parts);
  }

  #object(properties, required = [], additional, indentation) {
    if (!properties) {
      if (!additional) throw new Error("an object without members");
      return `Record<string, ${this.of(additional, indentation)}>`;
    }
    const inner = `${indentation}  `;
    const members = Object.entries(properties).map(([name, schema]) => {
      const type = this.of(schema, inner);
      return `${comment(schema.description, inner)}${inner}${name}${required.includes(name) ? "" : "?"}: ${type};\n`;
    });
    return `{\n${members.join("")}${indentation}}`;
  }

  #named(reference) {
    const name = reference.replace("#/components/schemas/", "");
    if (!this.#schemas[name]) throw new Error(`unknown reference: ${reference}`);
    this.#used.add(name);
    return name;
  }
}

/** Returns the type of an array of a type. */
function array(type) {
  return type.includes(" | ") ? `(${type})[]` : `${type}[]`;
}

/** Returns the name of a parameter in JavaScript: `Idempotency-Key` is `idempotencyKey`. */
function memberName({ in: place, name }) {
  if (place !== "header") {
    if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new Error(`${name} cannot be a member's name`);
    return name;
  }
  const [first, ...words] = name.toLowerCase().split("-");
  return first + words.map((word) => word[0].toUpperCase() + word.slice(1)).join("");
}

/** Returns every operation for integrators: its method, its path, and what it takes and answers. */
function operations(description) {
  const found = [];
  for (const [path, item] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      if (!["integrator", "supervisor"].includes(operation["x-audience"])) continue;
      if (!METHODS.includes(method)) throw new Error(`unknown in the path ${path}: ${method}`);
      const { operationId: name, summary, description: about, parameters = [], requestBody, responses } = operation;
      const members = parameters.map((parameter) => ({ ...parameter, member: memberName(parameter) }));
      for (const { in: place } of members) {
        if (!["path", "query", "header"].includes(place)) throw new Error(`${name} has a parameter in its ${place}`);
      }
      const body = requestBody?.content["application/json"].schema;
      // A body without members is as good as none.
      const isEmpty = body?.type === "object" && !body.properties && body.additionalProperties === false;
      if (body && !isEmpty) {
        members.push({
          in: "body",
          member: "body",
          required: requestBody.required ?? false,
          schema: body,
          description: requestBody.description,
        });
      }
      const names = members.map(({ member }) => member);
      if (new Set(names).size < names.length) throw new Error(`${name} has two parameters of one name`);
      const answers = Object.entries(responses).filter(([status]) => status.startsWith("2"));
      if (answers.length !== 1) throw new Error(`${name} has not exactly one answer`);
      const answer = answers[0][1].content?.["application/json"].schema;
      const problems = Object.entries(responses).flatMap(([status, { content = {} }]) =>
        (content["application/problem+json"]?.["x-codes"] ?? []).map((code) => ({ status, code })),
      );
      // The gateway's own answers have no code. A status that has only one code means that code.
      const byGateway = Object.entries(responses).filter(
        ([, { content = {} }]) => content["application/problem+json"] && content["application/json"],
      );
      found.push({ name, method, path, summary, about, members, answer, problems, byGateway });
    }
  }
  return found;
}

/** Returns the codes of the gateway's own answers: for each of its statuses that has one code. */
function gatewayCodes(all) {
  const codes = new Map();
  for (const [status, { content }] of all.flatMap(({ byGateway }) => byGateway)) {
    const known = codes.get(status) ?? new Set();
    for (const code of content["application/problem+json"]["x-codes"]) known.add(code);
    codes.set(status, known);
  }
  return [...codes].filter(([, known]) => known.size === 1).map(([status, [code]]) => [status, code]);
}

/** Returns the name of the type of an operation's parameters. */
function parametersType(name) {
  return `${name[0].toUpperCase()}${name.slice(1)}Parameters`;
}

function isOptional({ members }) {
  return members.every(({ required }) => !required);
}

/** Returns an operation's method. */
function method(operation) {
  const { name, method, path, members, answer, summary } = operation;
  const named = (place) => members.filter((member) => member.in === place);
  const address = path
    .slice(1)
    .replaceAll(/\{(\w+)\}/g, (_, parameter) => `$\{segment(${memberName({ in: "path", name: parameter })})}`);
  const headers = named("header").map((header) => `${quoted(header.name.toLowerCase())}: ${header.member}`);
  const sent = [
    named("query").length > 0 && "query",
    headers.length > 0 && `headers: { ${headers.join(", ")} }`,
    named("body").length > 0 && "body",
    !answer && "empty: true",
  ].filter(Boolean);
  // What is neither in the path nor in a header nor the body is the query, whose names are those of the API.
  const others = members.filter((member) => member.in !== "query").map(({ member }) => member);
  const taken = [...others, ...(named("query").length > 0 ? ["...query"] : [])];
  const pattern = taken.join(", ") === "...query" ? "query" : `{ ${taken.join(", ")} }`;
  const first = taken.length > 0 ? `${pattern}${isOptional(operation) ? " = {}" : ""}, ` : "";
  const quote = address.includes("${") ? "`" : '"';
  const passed = sent.length > 0 ? `{ ${sent.join(", ")} }` : "{}";
  const call = `this.call("${method.toUpperCase()}", ${quote}${address}${quote}, ${passed}, options)`;
  return `${comment(`${summary}.`, "  ")}  async ${name}(${first}options) {\n    return ${call};\n  }\n`;
}

function quoted(name) {
  return /^[a-z]+$/.test(name) ? name : JSON.stringify(name);
}

/** Returns the declaration of an operation's parameters. */
function parametersDeclaration({ name, members }, types) {
  const lines = members.map(({ member, required, schema, description }) => {
    const type = types.of(schema, "  ");
    return `${comment(description, "  ")}  ${member}${required ? "" : "?"}: ${type};\n`;
  });
  return `/** What \`${name}\` takes. */\nexport interface ${parametersType(name)} {\n${lines.join("")}}\n`;
}

/** Returns the declaration of an operation's method. */
function methodDeclaration(operation, types) {
  const { name, summary, about, members, answer, problems } = operation;
  const codes = problems.map(({ status, code }) => `\`${code}\` (${status})`);
  const text = [`${summary}.`, about, `Problems: ${codes.join(", ")}.`].filter(Boolean).join("\n\n");
  const first = members.length > 0 ? `parameters${isOptional(operation) ? "?" : ""}: ${parametersType(name)}, ` : "";
  const returned = answer ? types.of(answer) : "void";
  return `${comment(text, "  ")}  ${name}(${first}options?: CallOptions): Promise<${returned}>;\n`;
}

/** The declarations that are the same for every description. */
const DECLARATIONS = `/**
 * Returns an access token. It is asked at every call, and again, with \`renew\`, when the API did not accept its token.
 */
export type TokenSource = (options: { renew: boolean }) => string | Promise<string>;

export interface ClientOptions {
  /** The API's address, such as \`https://pay.example.com\`. */
  baseUrl: string | URL;
  token: TokenSource;
  /** Takes the place of \`fetch\`. */
  fetch?: typeof fetch;
  /** The time limit of one attempt in milliseconds, by default 32,000: longer than the API's own. */
  timeout?: number;
}

export interface CallOptions {
  /** Aborts the call. The call then fails with the signal's reason. */
  signal?: AbortSignal;
  /** The time limit of one attempt in milliseconds. The time that the token takes is not part of it. */
  timeout?: number;
}

/** The API refused the call. Distinguish problems by \`code\`. */
export class ProblemError extends Error {
  constructor(status: number, body: Problem | { message: string } | undefined, retryAfter: number | null);
  /** The status of the answer. */
  readonly status: number;
  /** The problem's code. It is \`unknown\` if the answer cannot be read. */
  readonly code: Problem["code"];
  /** A sentence that can be shown to a person; null if the answer came from a gateway, and not from the API. */
  readonly detail: string | null;
  /** Every invalid field, if the code is \`validation_failed\`. */
  readonly errors: FieldError[];
  /** The seconds after which a repeat is useful, if the answer says so. */
  readonly retryAfter: number | null;
}

/** The API did not answer. It is unknown whether it carried out the call: \`cause\` says more. */
export class UnreachableError extends Error {
  constructor(cause: unknown);
}
`;

/**
 * Returns the client's files by their names, before they are formatted. `caller` is the source of what all operations
 * have in common.
 */
export function client(description, caller) {
  const all = operations(description);
  const codes = gatewayCodes(all).map(([status, code]) => `  ${status}: ${JSON.stringify(code)},\n`);
  const shared = [
    ["const GATEWAY_CODES = {};", `const GATEWAY_CODES = {\n${codes.join("")}};`],
    // Only the client and its errors are exported.
    ["export class Caller", "class Caller"],
    ["export function segment", "function segment"],
  ].reduce((source, [placeholder, text]) => {
    if (!source.includes(placeholder)) throw new Error(`caller.js has no ${placeholder}`);
    return source.replace(placeholder, text);
  }, caller);
  const about = "/** The HTTP API, with a method for each operation. */\n";
  const methods = all.map(method).join("\n");
  const types = new Types(description.components.schemas);
  types.of({ $ref: "#/components/schemas/Problem" });
  const members = all.map((operation) => methodDeclaration(operation, types)).join("\n");
  const taken = all.filter((operation) => operation.members.length > 0);
  const parameters = taken.map((operation) => parametersDeclaration(operation, types));
  const declared = `${about}export class Client {\n  constructor(options: ClientOptions);\n\n${members}}\n`;
  return {
    "index.js": `${HEAD}\n${shared}\n${about}export class Client extends Caller {\n${methods}}\n`,
    "index.d.ts": [HEAD, DECLARATIONS, declared, ...parameters, ...types.declarations()].join("\n"),
  };
}

/** Returns a file as biome.jsonc says that it is written. */
function formatted(name, text) {
  const biome = fileURLToPath(new URL("../scripts/node_modules/.bin/biome", import.meta.url));
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const options = { input: text, encoding: "utf8", cwd: root };
  const { status, stdout, stderr } = spawnSync(biome, ["format", `--stdin-file-path=events/client/${name}`], options);
  if (status !== 0) throw new Error(`biome cannot format ${name}: ${stderr}`);
  return stdout;
}

async function main() {
  const read = (path) => readFile(new URL(path, import.meta.url), "utf8");
  const description = JSON.parse(await read("../../events/openapi.json"));
  const files = client(description, await read("caller.js"));
  const { version } = JSON.parse(await read("../../events/client/package.json"));
  if (version !== description.info.version) throw new Error(`events/client/package.json has the version ${version}`);
  for (const [name, source] of Object.entries(files)) {
    const path = new URL(`../../events/client/${name}`, import.meta.url);
    const text = formatted(name, source);
    if (process.argv.includes("--write")) await writeFile(path, text);
    else if ((await readFile(path, "utf8").catch(() => "")) !== text) {
      console.error(`events/client/${name} is not what events/openapi.json makes: run tests/client/run --write`);
      process.exitCode = 1;
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
