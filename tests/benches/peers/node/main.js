// What AWS's runtime for Node.js does, and no more: asks for an event, and answers it.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

import http from "node:http";
import { handler } from "./cancel.js";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const request = http.request({ host, port, agent, method, path, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts).toString() }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function run() {
  for (;;) {
    const next = await call("GET", "/2018-06-01/runtime/invocation/next");
    const path = `/2018-06-01/runtime/invocation/${next.headers["lambda-runtime-aws-request-id"]}`;
    try {
      await call("POST", `${path}/response`, JSON.stringify(await handler(JSON.parse(next.body))));
    } catch (error) {
      await call("POST", `${path}/error`, JSON.stringify({ errorType: error.name, errorMessage: error.message }));
    }
  }
}

run();
