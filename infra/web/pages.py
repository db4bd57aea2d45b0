"""Two plain pages that need no other file, and no network."""

from common.config import VERSION

_STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:3rem auto;padding:0 1.25rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
code,pre,input{font:14px/1.5 ui-monospace,monospace}
pre{overflow:auto;padding:.75rem;border:1px solid #8884;border-radius:.4rem}
summary{cursor:pointer;padding:.35rem 0}b{display:inline-block;min-width:4rem;color:#2563eb}
input{width:24rem;max-width:100%;padding:.35rem;border:1px solid #8886;border-radius:.4rem}
button{padding:.35rem .9rem}.muted{opacity:.7}.error{color:#dc2626}
"""

FRONT = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sapphire</title><style>{_STYLE}</style>
<h1>Sapphire</h1>
<p class="muted">Multi-venue trading agents. Version {VERSION}.</p>
<p>Agents decide what to trade, policies how much, the router where; every step is recorded.</p>
<ul>
<li><a href="/docs">API reference</a>: every endpoint, with an example of each body</li>
<li><a href="/health">Health</a></li>
</ul>
<p class="muted">All else needs the token: <code>Authorization: Bearer …</code>. On your machine
<code>make run</code> prints it, and keeps it in <code>.sapphire/api-token</code>.</p>
</html>
"""

DOCS = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sapphire API</title><style>{_STYLE}</style>
<h1>Sapphire API</h1>
<p class="muted">Version {VERSION}. Errors are problem documents (RFC 9457) with a stable
<code>code</code>; POSTs take an <code>Idempotency-Key</code>.
Machine-readable: <code>/openapi.json</code>.</p>
<p class="muted">On your machine <code>make run</code> prints the token, and keeps it in
<code>.sapphire/api-token</code>.</p>
<form id="f"><label>Token <input id="t" type="password" autocomplete="off"></label>
<button>Show the endpoints</button> <span id="e" class="error" role="alert"></span></form>
<main id="m"></main>
<script>
const el = (tag, text, parent) => {{
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}};
const resolve = (spec, node, depth = 0) => {{
  if (depth > 6 || node === null || typeof node !== "object") return node;
  if (node.$ref) {{
    const found = node.$ref.slice(2).split("/").reduce((at, key) => at[key], spec);
    return resolve(spec, found, depth + 1);
  }}
  if (Array.isArray(node)) return node.map((one) => resolve(spec, one, depth + 1));
  return Object.fromEntries(
    Object.entries(node).map(([key, one]) => [key, resolve(spec, one, depth + 1)]));
}};
const drawBody = (schema, box) => {{
  const {{examples, ...rest}} = schema;
  for (const one of examples || []) el("pre", JSON.stringify(one, null, 2), box);
  const full = el("details", "", box);
  full.open = !examples;
  el("summary", "Schema of the body", full);
  el("pre", JSON.stringify(rest, null, 2), full);
}};
const draw = (spec) => {{
  const main = document.getElementById("m");
  main.replaceChildren();
  for (const [path, methods] of Object.entries(spec.paths)) {{
    for (const [method, operation] of Object.entries(methods)) {{
      const box = el("details", "", main);
      const head = el("summary", "", box);
      el("b", method.toUpperCase(), head);
      el("code", path, head);
      const [first, ...more] = (operation.description || operation.summary || "").split("\\n\\n");
      el("span", " " + first, head).className = "muted";
      for (const text of more) el("p", text, box);
      for (const one of operation.parameters || [])
        el("p", one.in + " " + one.name + (one.required ? " (required)" : ""), box);
      const body = operation.requestBody;
      if (body) drawBody(resolve(spec, body.content["application/json"].schema), box);
    }}
  }}
}};
const load = async (token) => {{
  const answer = await fetch("/openapi.json", {{headers: {{Authorization: "Bearer " + token}}}});
  document.getElementById("e").textContent =
    answer.ok ? "" : answer.status === 401 ? "That is not the token." : "Error " + answer.status;
  if (!answer.ok) return;
  sessionStorage.setItem("token", token);
  draw(await answer.json());
}};
document.getElementById("f").addEventListener("submit", (event) => {{
  event.preventDefault();
  load(document.getElementById("t").value);
}});
if (sessionStorage.getItem("token")) load(sessionStorage.getItem("token"));
</script>
</html>
"""
