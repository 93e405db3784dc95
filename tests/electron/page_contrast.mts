// The contrast of borders and controls with what is around them, which axe does not check (WCAG 1.4.11: 3 to 1).
import type { Page } from "./fake_electron/chromium.mts";

/** Controls, and the cards that are answered like one.  Text alone marks links and buttons of the quiet kind. */
const CONTROLS =
  "input, textarea, select, progress, .composer, .permission, button.primary, button.plain, button.danger, .chip[aria-pressed=true], .attention, .join, .copy, .tabs [aria-current], .strip-day";

/**
 * Returns the controls in sight, within the elements of a selector, of which neither the border, an inner line of a
 * shadow nor the background has 3 to 1 to what is behind it.
 */
export function lowContrasts(page: Page, within: string): Promise<string[]> {
  return page.evaluate(
    ({ within: places, controls }) => {
      type Color = [number, number, number, number];
      const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })!;
      const colorOf = (text: string): Color => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = text;
        context.fillRect(0, 0, 1, 1);
        const [red = 0, green = 0, blue = 0, alpha = 0] = context.getImageData(0, 0, 1, 1).data;
        return [red, green, blue, alpha / 255];
      };
      const over = ([r, g, b, alpha]: Color, [r0, g0, b0]: Color): Color => [
        r * alpha + r0 * (1 - alpha),
        g * alpha + g0 * (1 - alpha),
        b * alpha + b0 * (1 - alpha),
        1,
      ];
      const behind = (one: Element | null): Color => {
        if (one === null) return colorOf("Canvas");
        const color = colorOf(getComputedStyle(one).backgroundColor);
        return color[3] === 1 ? color : over(color, behind(one.parentElement));
      };
      const luminance = (color: Color): number => {
        const [red = 0, green = 0, blue = 0] = color.slice(0, 3).map((part) => {
          const share = part / 255;
          return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      };
      const contrast = (one: Color, other: Color): number => {
        const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (lighter + 0.05) / (darker + 0.05);
      };
      const faults: string[] = [];
      for (const place of document.querySelectorAll(places))
        for (const one of place.querySelectorAll(controls)) {
          if (!one.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
          const isDrawnBySystem = one.matches("[type=radio], [type=checkbox]");
          const isInCard = one.matches(".composer textarea");
          if (isDrawnBySystem || isInCard || one.matches(":disabled, [aria-disabled=true]")) continue;
          const ground = behind(one.parentElement);
          const mark = one.matches(".strip-day") ? one.querySelector(".strip-mark")! : one;
          const style = getComputedStyle(mark);
          const candidates = [over(colorOf(style.backgroundColor), ground)];
          if (parseFloat(style.borderTopWidth) > 0 && style.borderTopStyle !== "none")
            candidates.push(over(colorOf(style.borderTopColor), ground));
          for (const [, color] of style.boxShadow.matchAll(/((?:rgb|color|oklab|oklch)a?\([^)]*\))[^,]*inset/g))
            candidates.push(over(colorOf(color!), ground));
          const best = Math.max(...candidates.map((color) => contrast(color, ground)));
          if (best < 3)
            faults.push(
              `${best.toFixed(2)} ${one.tagName.toLowerCase()}.${one.className} ${one.getAttribute("data-state") ?? ""}`,
            );
        }
      return [...new Set(faults)];
    },
    { within, controls: CONTROLS },
  );
}
