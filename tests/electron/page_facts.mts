// What holds of a page however its letters are drawn: nothing sticks out of the window, and no text is cut off.
import type { Page } from "./fake_electron/chromium.mts";

/** Returns what sticks out of its panel or the window, or is cut off without an ellipsis; `[]` if all is in its place. */
export function misplaced(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const faults: string[] = [];
    const named = (one: Element, text = ""): string =>
      `${one.tagName.toLowerCase()}.${one.className} ${JSON.stringify((text || one.textContent || "").trim().slice(0, 60))}`;
    const isSeen = (one: Element): boolean =>
      one.checkVisibility({ visibilityProperty: true }) && one.closest(".unseen, .status > span") === null;
    const isShortened = (one: Element): boolean =>
      getComputedStyle(one).textOverflow === "ellipsis" || getComputedStyle(one).webkitLineClamp !== "none";
    const scrolls = (one: Element): boolean => ["auto", "scroll"].includes(getComputedStyle(one).overflowX);
    /** The box that a text may not leave: that of its panel, dialog or page.  Null if the text can be scrolled to. */
    const boxOf = (one: Element): DOMRect | null => {
      const frame = one.closest(".panel, dialog, .menu") ?? document.body;
      for (let inner: Element | null = one; inner !== null && inner !== frame; inner = inner.parentElement)
        if (
          isShortened(inner) ||
          (scrolls(inner) && inner.scrollWidth > inner.clientWidth + 1 && inner.matches("pre, .table, .log"))
        )
          return null;
      return frame.getBoundingClientRect();
    };
    if (document.documentElement.scrollWidth > innerWidth)
      faults.push(`the page is ${document.documentElement.scrollWidth} wide`);
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const [text, parent] = [texts.currentNode as Text, texts.currentNode.parentElement!];
      if (text.data.trim() === "" || !isSeen(parent)) continue;
      const range = document.createRange();
      range.selectNodeContents(text);
      const { left, right } = range.getBoundingClientRect();
      const box = boxOf(parent);
      if (box !== null && (left < Math.max(0, box.left) - 1 || right > Math.min(innerWidth, box.right) + 1))
        faults.push(`sticks out: ${named(parent, text.data)}`);
    }
    for (const one of document.querySelectorAll<HTMLElement>("body *")) {
      if (!isSeen(one) || one.textContent === "") continue;
      const { overflowX, overflowY } = getComputedStyle(one);
      const hides = (overflow: string): boolean => ["hidden", "clip"].includes(overflow);
      const isWider = hides(overflowX) && one.scrollWidth > one.clientWidth + 1;
      const isCut = (isWider || (hides(overflowY) && one.scrollHeight > one.clientHeight + 2)) && !isShortened(one);
      if (isCut) faults.push(`is cut off: ${named(one)}`);
    }
    return faults;
  });
}
