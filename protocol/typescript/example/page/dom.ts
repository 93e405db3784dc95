// Creates elements without HTML, so that foreign content can only become text.

type Child = Node | string | null | undefined | false;
type Listeners = { readonly [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void };

export interface Properties {
  class?: string;
  on?: Listeners;
  /** Attributes, including `aria-*` and `data-*`; null and false omit the attribute, true sets it to "". */
  [attribute: string]: string | number | boolean | null | undefined | Listeners;
}

/** Creates an element: `h("p", { class: "quiet" }, "No events today.")`. */
export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  { on = {}, ...attributes }: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) setAttribute(element, attribute, value as string | null);
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener as EventListener);
  element.append(...children.filter(isChild));
  return element;
}

export function setAttribute(
  element: Element,
  name: string,
  value: string | number | boolean | null | undefined,
): void {
  // The page's policy forbids style attributes, and the text of an event handler would be code.
  if (name === "style" || name.startsWith("on")) throw new Error(`${name} cannot be set as an attribute`);
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Replaces the children of an element. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter(isChild));
}

/** Like `fill`, but does nothing if the children are the same: a child that is removed loses focus and scroll position. */
export function setChildren(element: Element, ...children: Array<Node | null>): void {
  const wanted = children.filter((child) => child !== null);
  const isSame =
    wanted.length === element.childNodes.length && wanted.every((one, at) => element.childNodes[at] === one);
  if (!isSame) element.replaceChildren(...wanted);
}

function isChild(child: Child): child is Node | string {
  return child !== null && child !== undefined && child !== false;
}

export interface ButtonOptions extends Properties {
  label?: string;
}

/** Creates a button, which is disabled while its action is running. */
export function button(
  text: Child,
  act: () => unknown,
  { label, class: className = "", ...attributes }: ButtonOptions = {},
): HTMLButtonElement {
  const element = h(
    "button",
    { type: "button", class: className, "aria-label": label, title: label, ...attributes },
    text,
  );
  element.addEventListener("click", async () => {
    if (element.getAttribute("aria-disabled") === "true") return;
    element.setAttribute("aria-disabled", "true");
    try {
      await act();
    } finally {
      element.removeAttribute("aria-disabled");
    }
  });
  return element;
}

/** Creates a button that asks for a confirmation in its place. */
export function confirmButton(text: string, question: string, act: () => Promise<unknown>): HTMLElement {
  const place = h("span", { class: "confirmed" });
  const first = (): HTMLElement => place.firstElementChild as HTMLElement;
  const rest = (): void => fill(place, button(text, ask, { class: "quiet-button" }));
  const ask = (): void => {
    const no = button("Keep", () => (rest(), first().focus()), { class: "quiet-button" });
    fill(place, button(question, act, { class: "danger" }), no);
    no.focus();
  };
  rest();
  return place;
}

/** Creates a link to a web address, which the main process opens; other addresses become plain text. */
export function link(address: string | null, ...children: Child[]): HTMLElement {
  if (address === null || !isWebAddress(address)) return h("span", {}, ...children);
  return h("a", { href: address, target: "_blank", rel: "noreferrer noopener" }, ...children);
}

export function isWebAddress(address: string): boolean {
  return URL.canParse(address) && ["https:", "http:"].includes(new URL(address).protocol);
}

/** The element of an item.  Without `update` it is replaced when the item changes. */
export interface Row<Item> {
  element: Element;
  update?: (item: Item) => void;
}

type KnownRow<Item> = Row<Item> & { item: Item };

/** Shows a list of items and reuses their elements, so that focus, selection and open details survive changes. */
export class Rows<Item> {
  readonly #parent: Element;
  readonly #key: (item: Item) => string;
  readonly #createRow: (item: Item) => Row<Item>;
  #rows = new Map<string, KnownRow<Item>>();

  constructor(parent: Element, key: (item: Item) => string, createRow: (item: Item) => Row<Item>) {
    this.#parent = parent;
    this.#key = key;
    this.#createRow = createRow;
  }

  show(items: readonly Item[]): void {
    const rows = new Map(items.map((item) => [this.#key(item), this.#row(item)]));
    for (const [key, { element }] of this.#rows) if (rows.get(key)?.element !== element) element.remove();
    let next = this.#parent.firstElementChild;
    for (const { element } of rows.values()) {
      if (element === next) next = next.nextElementSibling;
      else this.#parent.insertBefore(element, next);
    }
    this.#rows = rows;
  }

  #row(item: Item): KnownRow<Item> {
    const known = this.#rows.get(this.#key(item));
    if (known === undefined || (known.update === undefined && known.item !== item))
      return { ...this.#createRow(item), item };
    known.update?.(item); // also if nothing has changed, for texts such as "3 min ago"
    known.item = item;
    return known;
  }
}
