// Forms that connect an account with an address or a token.
import type { CalendarProvider, PageSidecar } from "sidecar-electron/renderer";
import { h, link } from "./dom.ts";
import { NoticeArea } from "./notice.ts";

const TOKEN_PAGE = "https://id.atlassian.com/manage-profile/security/api-tokens";

interface Field {
  name: string;
  label: string;
  type?: "text" | "email" | "url" | "password";
  placeholder?: string;
  hint?: Node | string;
}

/** A form whose `submit` receives the trimmed values.  If it fails, the form shows the error and keeps the values. */
function createForm(
  fields: readonly Field[],
  extra: readonly Node[],
  submitLabel: string,
  submit: (values: Record<string, string>) => Promise<unknown>,
  done: () => void,
): HTMLFormElement {
  const notices = new NoticeArea();
  const button = h("button", { type: "submit", class: "primary" }, submitLabel);
  const form = h(
    "form",
    { class: "form" },
    ...fields.map(fieldOf),
    ...extra,
    notices.element,
    h("div", { class: "form-actions" }, button),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()]));
    button.disabled = true;
    const isDone = await notices.attempt(async () => (await submit(values), true));
    button.disabled = false;
    if (isDone) done();
  });
  return form;
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
  hint: h("span", {}, "From ", link(TOKEN_PAGE, "your Atlassian account"), ". It is stored encrypted."),
});

/** Connects Jira and Confluence with one token; each becomes a separate account. */
export function siteForm(sidecar: PageSidecar, done: () => void): HTMLElement {
  const fields: Field[] = [
    { name: "org", label: "Name", placeholder: "Your name for the site" },
    { name: "base_url", label: "Site", placeholder: "https://example.atlassian.net" },
    EMAIL,
    token(),
  ];
  const product = (name: "jira" | "confluence", label: string): HTMLElement =>
    h("label", { class: "choice" }, h("input", { type: "checkbox", name, checked: true }), h("span", {}, label));
  const products = h(
    "fieldset",
    { class: "products" },
    h("legend", {}, "Products"),
    product("jira", "Jira"),
    product("confluence", "Confluence"),
  );
  const connect = async ({ jira, confluence, ...site }: Record<string, string>): Promise<void> => {
    const params = site as { org: string; base_url: string; email: string; api_token: string };
    if (jira === undefined && confluence === undefined) throw new Error("Select Jira, Confluence or both.");
    if (jira !== undefined) await sidecar.jira.accounts.create(params);
    if (confluence !== undefined) await sidecar.confluence.accounts.create(params);
  };
  return createForm(fields, [products], "Connect", connect, done);
}

/** Replaces the token of an account. */
export function tokenForm({ accounts }: PageSidecar["jira" | "confluence"], accountId: string): HTMLElement {
  return createForm(
    [token()],
    [],
    "Connect again",
    ({ api_token = "" }) => accounts.update({ account_id: accountId, api_token }),
    () => undefined,
  );
}

const ADDRESS: Field = {
  name: "address",
  label: "Address",
  type: "password",
  placeholder: "https://…/basic.ics",
  hint: "The secret address in iCal format, from your calendar's settings. It is stored encrypted.",
};

/** Replaces the address of a calendar. */
export function newAddressForm({ calendar }: PageSidecar, accountId: string): HTMLElement {
  return createForm(
    [ADDRESS],
    [],
    "Connect again",
    ({ address = "" }) => calendar.accounts.update({ account_id: accountId, credentials: { address } }),
    () => undefined,
  );
}

/** Connects a calendar by its secret iCal address. */
export function addressForm(sidecar: PageSidecar, provider: CalendarProvider["id"], done: () => void): HTMLElement {
  const create = ({ address = "", email = "" }: Record<string, string>): Promise<unknown> =>
    sidecar.calendar.accounts.create({ provider, email, credentials: { address } });
  return createForm([ADDRESS, EMAIL], [], "Connect", create, done);
}
