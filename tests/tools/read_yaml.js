// Reads YAML with npm's `yaml`, the reader notes are checked against.
// stdin: a JSON list of YAML texts. stdout: a JSON list of {"value": …} or {"errors": [message, …]}, in order.
// A warning counts as an error: a reader's note must give no cause for one.
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";

const answers = JSON.parse(readFileSync(0, "utf8")).map((text) => {
  const document = parseDocument(text, { prettyErrors: false });
  const problems = [...document.errors, ...document.warnings].map((problem) => problem.message);
  return problems.length > 0 ? { errors: problems } : { value: document.toJS() ?? null };
});
process.stdout.write(JSON.stringify(answers));
