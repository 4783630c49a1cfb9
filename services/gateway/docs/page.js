// Shows openapi.json, and sends requests to the API that it describes. No libraries, nothing from elsewhere.
"use strict";

const docs = location.pathname.replace(/\/+$/, "");
const api = docs.replace(/\/docs$/, "");
const METHODS = ["get", "post", "put", "patch", "delete"];
const MAX_DEPTH = 6;

/** What fields of these names start with, also those that may be left out. */
const EXAMPLES = {
  to: "ada@example.com",
  email: "ada@example.com",
  from: "team@example.com",
  subject: "Welcome, {{ firstName }}",
  body: "<p>Hello {{ firstName }}</p>",
  data: { firstName: "Ada", plan: "pro" },
  "SegmentBody.condition": { logic: "AND", groups: [{ filters: [{ field: "data.plan", operator: "equals", value: "pro" }] }] },
};

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Follows a reference into the components of the description. */
function resolved(schema, description) {
  if (!schema?.$ref) return schema ?? {};
  return description.components.schemas[schema.$ref.split("/").pop()] ?? {};
}

/** The first choice that is not null: what an optional field holds when it holds something. */
function chosen(schema, description) {
  const plain = resolved(schema, description);
  const choices = plain.oneOf ?? plain.anyOf;
  if (!choices) return plain;
  return chosen(choices.find((choice) => choice.type !== "null") ?? choices[0], description);
}

/** A value of the kind that the schema asks for, to start from. */
function example(schema, description, depth = 0) {
  const plain = chosen(schema, description);
  if (plain.examples?.length) return plain.examples[0];
  if (plain.default !== undefined && plain.default !== null) return plain.default;
  if (plain.enum) return plain.enum[0];
  if (depth > MAX_DEPTH) return null;
  if (plain.type === "array") return plain.items ? [example(plain.items, description, depth + 1)] : [];
  if (plain.type === "object" || plain.properties) return exampleObject(plain, description, depth);
  if (plain.type === "string") return plain.format === "uuid" ? "00000000-0000-0000-0000-000000000000" : "text";
  return { integer: 1, number: 1, boolean: true }[plain.type] ?? null;
}

function exampleObject(schema, description, depth) {
  const required = new Set(schema.required ?? []);
  const known = (name) => EXAMPLES[`${schema.title}.${name}`] ?? EXAMPLES[name];
  const shown = Object.entries(schema.properties ?? {}).filter(
    ([name]) => required.has(name) || (depth === 0 && known(name)),
  );
  return Object.fromEntries(
    shown.map(([name, field]) => [name, known(name) ?? example(field, description, depth + 1)]),
  );
}

/** One line for each field of a body: its name, its type, whether it must be there. */
function fields(schema, description) {
  const plain = chosen(schema, description);
  const required = new Set(plain.required ?? []);
  const rows = Object.entries(plain.properties ?? {}).map(([name, field]) =>
    element(
      "tr",
      {},
      element("td", {}, element("code", { textContent: name })),
      element("td", { textContent: typeName(field, description) }),
      element("td", { textContent: required.has(name) ? "required" : "" }),
    ),
  );
  return element("table", {}, ...rows);
}

function typeName(schema, description) {
  const plain = resolved(schema, description);
  const choices = plain.oneOf ?? plain.anyOf;
  if (choices) return choices.map((choice) => typeName(choice, description)).join(" or ");
  if (plain.enum) return plain.enum.map((each) => JSON.stringify(each)).join(", ");
  if (plain.type === "array") return `list of ${typeName(plain.items ?? {}, description)}`;
  return plain.title ?? plain.format ?? [plain.type ?? "anything"].flat().join(" or ");
}

function inputs(operation) {
  return (operation.parameters ?? []).map((parameter) => {
    const says = [parameter.required ? "required" : "", parameter.description ?? ""].filter(Boolean).join(", ");
    const input = element("input", { spellcheck: false, value: "" });
    const label = element("label", {}, `${parameter.name} `, element("small", { textContent: says }), input);
    return { parameter, input, label };
  });
}

function address(path, given) {
  const query = new URLSearchParams();
  let target = path;
  for (const { parameter, input } of given) {
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value !== "") query.append(parameter.name, input.value);
  }
  return api + target + (query.size ? `?${query}` : "");
}

async function send(method, url, body, shown) {
  const headers = {};
  const key = document.getElementById("key").value.trim();
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers["Content-Type"] = "application/json";
  shown.replaceChildren(element("p", { textContent: "…" }));
  try {
    const began = performance.now();
    const answer = await fetch(url, { method, headers, body: body || undefined, credentials: "omit" });
    const text = await answer.text();
    const took = Math.round(performance.now() - began);
    const line = `${answer.status} ${answer.statusText}, ${took} ms`;
    shown.replaceChildren(
      element("p", { textContent: line, className: answer.ok ? "" : "failed" }),
      element("pre", { textContent: pretty(text), tabIndex: 0 }),
    );
  } catch (failure) {
    shown.replaceChildren(element("p", { textContent: String(failure), className: "failed" }));
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function answers(operation, description) {
  const rows = Object.entries(operation.responses).map(([status, response]) => {
    const shape = response.content?.["application/json"]?.schema;
    return element(
      "tr",
      {},
      element("td", {}, element("code", { textContent: status })),
      element("td", { textContent: response.description }),
      element("td", { textContent: shape ? typeName(shape, description) : "" }),
    );
  });
  return element("table", {}, ...rows);
}

function show(method, path, operation, description) {
  const verb = method.toUpperCase();
  const given = inputs(operation);
  const shape = operation.requestBody?.content?.["application/json"]?.schema;
  const body = element("textarea", { spellcheck: false, ariaLabel: "Body" });
  if (shape) body.value = JSON.stringify(example(shape, description), null, 2);
  const shown = element("div", { role: "status" });
  const button = element("button", { type: "button", textContent: "Send" });
  button.addEventListener("click", () => send(verb, address(path, given), shape ? body.value : "", shown));
  const parts = [element("p", { className: "about", textContent: operation.description ?? "" })];
  if (given.length) parts.push(element("h3", { textContent: "Parameters" }), ...given.map(({ label }) => label));
  if (shape) parts.push(element("h3", { textContent: "Body" }), fields(shape, description), body);
  parts.push(button, shown, element("h3", { textContent: "Answers" }), answers(operation, description));
  return element(
    "details",
    { className: "operation", id: operation.operationId },
    element(
      "summary",
      {},
      element("span", { className: `method ${verb}`, textContent: verb }),
      element("code", { textContent: path }),
      element("span", { className: "says", textContent: operation.summary }),
    ),
    element("div", { className: "inside" }, ...parts),
  );
}

function section(tag, description) {
  const found = Object.entries(description.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]?.tags?.includes(tag.name)).map((method) =>
      show(method, path, methods[method], description),
    ),
  );
  const heading = element("h2", {}, tag.name, element("small", { textContent: tag.description ?? "" }));
  return element("section", {}, heading, ...found);
}

async function start() {
  const description = await (await fetch(`${docs}/openapi.json`)).json();
  document.getElementById("about").textContent = description.info.description;
  document.getElementById("operations").append(...description.tags.map((tag) => section(tag, description)));
  document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
}

start();
