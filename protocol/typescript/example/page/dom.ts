// Elements without HTML: what comes from outside only ever becomes text.

type Child = Node | string | null | undefined | false;
type Listeners = { readonly [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void };

export interface Properties {
  class?: string;
  on?: Listeners;
  /** Attributes, `aria-*` and `data-*` among them; null and false: without it, true: with it, empty. */
  [attribute: string]: string | number | boolean | null | undefined | Listeners;
}

/** An element: `h("p", { class: "quiet" }, "No events today.")`. */
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
  // A style attribute would be refused by the page's policy, and a handler's text would be code.
  if (name === "style" || name.startsWith("on")) throw new Error(`${name} is not set as text`);
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Children in place of those that are there. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter(isChild));
}

/** Like `fill`, but touches nothing where these children are there already: what is taken out loses focus and scroll. */
export function keep(element: Element, ...children: Array<Node | null>): void {
  const wanted = children.filter((child) => child !== null);
  const isThere =
    wanted.length === element.childNodes.length && wanted.every((one, at) => element.childNodes[at] === one);
  if (!isThere) element.replaceChildren(...wanted);
}

function isChild(child: Child): child is Node | string {
  return child !== null && child !== undefined && child !== false;
}

const SVG = "http://www.w3.org/2000/svg";

/** A 16-pixel drawing in the text's colour; it means nothing by itself. */
export function icon(path: string): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of [
    ["viewBox", "0 0 16 16"],
    ["class", "icon"],
    ["aria-hidden", "true"],
  ] as const)
    svg.setAttribute(name, value);
  const drawn = document.createElementNS(SVG, "path");
  drawn.setAttribute("d", path);
  svg.append(drawn);
  return svg;
}

export interface ButtonOptions extends Properties {
  label?: string;
}

/** A button; while what it does is under way it cannot be pressed again. */
export function button(
  text: Child,
  act: () => unknown,
  { label, class: look = "", ...more }: ButtonOptions = {},
): HTMLButtonElement {
  const made = h("button", { type: "button", class: look, "aria-label": label, title: label, ...more }, text);
  made.addEventListener("click", async () => {
    if (made.getAttribute("aria-disabled") === "true") return;
    made.setAttribute("aria-disabled", "true");
    try {
      await act();
    } finally {
      made.removeAttribute("aria-disabled");
    }
  });
  return made;
}

/** A button that asks once more, in its own place. */
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

/** A link of the web, opened by the main process; any other address stays text. */
export function link(address: string | null, ...children: Child[]): HTMLElement {
  if (address === null || !isOfTheWeb(address)) return h("span", {}, ...children);
  return h("a", { href: address, target: "_blank", rel: "noreferrer noopener" }, ...children);
}

export function isOfTheWeb(address: string): boolean {
  return URL.canParse(address) && ["https:", "http:"].includes(new URL(address).protocol);
}

/** An element of a list; without `update` it is made anew where its item has changed. */
export interface Row<Item> {
  element: Element;
  update?: (item: Item) => void;
}

type Kept<Item> = Row<Item> & { item: Item };

/**
 * Keeps an element for each item: those that stay are the same elements, so that focus, selection and what is unfolded
 * survive every change of the list.
 */
export class Rows<Item> {
  readonly #parent: Element;
  readonly #key: (item: Item) => string;
  readonly #make: (item: Item) => Row<Item>;
  #rows = new Map<string, Kept<Item>>();

  constructor(parent: Element, key: (item: Item) => string, make: (item: Item) => Row<Item>) {
    this.#parent = parent;
    this.#key = key;
    this.#make = make;
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

  #row(item: Item): Kept<Item> {
    const known = this.#rows.get(this.#key(item));
    if (known === undefined || (known.update === undefined && known.item !== item))
      return { ...this.#make(item), item };
    known.update?.(item); // where nothing has changed too: "3 min ago" goes on
    known.item = item;
    return known;
  }
}
