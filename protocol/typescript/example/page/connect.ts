// Forms that connect an account by what a person knows: an address, or a token.
import type { PageSidecar } from "sidecar-electron/renderer";
import { h, link } from "./dom.ts";
import { NoticeArea } from "./notice.ts";

const TOKENS = "https://id.atlassian.com/manage-profile/security/api-tokens";

interface Field {
  name: string;
  label: string;
  type?: "text" | "email" | "url" | "password";
  placeholder?: string;
  hint?: Node | string;
}

/** A form over `fields`; `submit` gets what was entered, trimmed.  What fails is said in it, and nothing is lost. */
function form(
  fields: readonly Field[],
  more: readonly Node[],
  words: string,
  submit: (values: Record<string, string>) => Promise<unknown>,
  done: () => void,
): HTMLFormElement {
  const notices = new NoticeArea();
  const send = h("button", { type: "submit", class: "primary" }, words);
  const made = h(
    "form",
    { class: "form" },
    ...fields.map(fieldOf),
    ...more,
    notices.element,
    h("div", { class: "form-actions" }, send),
  );
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...new FormData(made)].map(([name, value]) => [name, String(value).trim()]));
    send.disabled = true;
    const isDone = await notices.attempt(async () => (await submit(values), true));
    send.disabled = false;
    if (isDone) done();
  });
  return made;
}

function fieldOf({ name, label, type = "text", placeholder, hint }: Field): HTMLElement {
  const id = `field-${crypto.randomUUID()}`;
  const input = h("input", {
    id,
    name,
    type,
    placeholder,
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": hint === undefined ? null : `${id}-hint`,
  });
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    input,
    hint !== undefined && h("p", { class: "hint", id: `${id}-hint` }, hint),
  );
}

const EMAIL: Field = { name: "email", label: "E-mail address", type: "email", placeholder: "you@example.com" };
const token = (): Field => ({
  name: "api_token",
  label: "API token",
  type: "password",
  hint: h("span", {}, "From ", link(TOKENS, "your Atlassian account"), ". It is stored encrypted."),
});

/** One token serves both products; each becomes an account of its own. */
export function siteForm(sidecar: PageSidecar, done: () => void): HTMLElement {
  const fields: Field[] = [
    { name: "org", label: "Name", placeholder: "What you call it" },
    { name: "base_url", label: "Site", placeholder: "https://example.atlassian.net" },
    EMAIL,
    token(),
  ];
  const product = (name: "jira" | "confluence", words: string): HTMLElement =>
    h("label", { class: "choice" }, h("input", { type: "checkbox", name, checked: true }), h("span", {}, words));
  const products = h(
    "fieldset",
    { class: "products" },
    h("legend", {}, "Products"),
    product("jira", "Jira"),
    product("confluence", "Confluence"),
  );
  const connect = async ({ jira, confluence, ...site }: Record<string, string>): Promise<void> => {
    const params = site as { org: string; base_url: string; email: string; api_token: string };
    if (jira === undefined && confluence === undefined) throw new Error("Choose Jira, Confluence or both.");
    if (jira !== undefined) await sidecar.jira.accounts.create(params);
    if (confluence !== undefined) await sidecar.confluence.accounts.create(params);
  };
  return form(fields, [products], "Connect", connect, done);
}

/** A new token for an account that has lost its own. */
export function tokenForm({ accounts }: PageSidecar["jira"], accountId: string): HTMLElement {
  return form(
    [token()],
    [],
    "Connect again",
    ({ api_token = "" }) => accounts.update({ account_id: accountId, api_token }),
    () => undefined,
  );
}

/** A calendar's secret address, as every provider has one. */
export function addressForm(sidecar: PageSidecar, provider: string, done: () => void): HTMLElement {
  const field: Field = {
    name: "address",
    label: "Address",
    type: "password",
    placeholder: "https://…/basic.ics",
    hint: "The secret address in iCal format, from your calendar's settings. It is stored encrypted.",
  };
  const create = ({ address = "", email = "" }: Record<string, string>): Promise<unknown> =>
    sidecar.calendar.accounts.create({ provider, email, credentials: { address } });
  return form([field, EMAIL], [], "Connect", create, done);
}
