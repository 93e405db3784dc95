// Pictures as pixels: decoded by Chromium, compared, and stored as PNG files of at most 256 colours, which are small.
import { crc32, deflateSync } from "node:zlib";
import type { Page } from "./fake_electron/chromium.mts";

export interface Picture {
  width: number;
  height: number;
  /** Red, green, blue and alpha of each pixel. */
  data: Buffer;
}

/** Difference of a colour channel, of 255, from which on a pixel is another one. */
const CHANNEL = 48;
const COLOURS = 256;
/** Sum of the differences of the channels up to which two colours share a place, so that rare colours have one. */
const ALIKE = 9;

/** Decodes a PNG file in a page. */
export async function decoded(page: Page, png: Buffer): Promise<Picture> {
  const { width, height, text } = await page.evaluate(async (source) => {
    const bytes = Uint8Array.from(atob(source), (letter) => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const drawing = new OffscreenCanvas(image.width, image.height).getContext("2d")!;
    drawing.drawImage(image, 0, 0);
    const { data } = drawing.getImageData(0, 0, image.width, image.height);
    let text = "";
    for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
    return { width: image.width, height: image.height, text: btoa(text) };
  }, png.toString("base64"));
  return { width, height, data: Buffer.from(text, "base64") };
}

/** Returns the share of pixels in which two PNG files differ, as a page decodes them; 1 if the sizes do. */
export function differing(page: Page, one: Buffer, other: Buffer): Promise<number> {
  return page.evaluate(
    async ({ sources, channel }) => {
      const pixels = async (source: string): Promise<ImageData> => {
        const bytes = Uint8Array.from(atob(source), (letter) => letter.charCodeAt(0));
        const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
        const drawing = new OffscreenCanvas(image.width, image.height).getContext("2d")!;
        drawing.drawImage(image, 0, 0);
        return drawing.getImageData(0, 0, image.width, image.height);
      };
      const [first, second] = await Promise.all(sources.map(pixels));
      if (first === undefined || first.width !== second?.width || first.height !== second.height) return 1;
      let count = 0;
      for (let at = 0; at < first.data.length; at += 4)
        if ([0, 1, 2].some((part) => Math.abs(first.data[at + part]! - second.data[at + part]!) > channel)) count += 1;
      return count / (first.width * first.height);
    },
    { sources: [one, other].map((picture) => picture.toString("base64")), channel: CHANNEL },
  );
}

/** Encodes a picture with its most frequent colours that differ; all others become the nearest of those. */
export function smallPng({ width, height, data }: Picture): Buffer {
  const amounts = new Map<number, number>();
  for (let at = 0; at < data.length; at += 4) {
    const colour = data.readUIntBE(at, 3);
    amounts.set(colour, (amounts.get(colour) ?? 0) + 1);
  }
  const palette: number[] = [];
  for (const [colour] of [...amounts].sort(([, one], [, other]) => other - one))
    if (palette.length < COLOURS && palette.every((other) => distance(colour, other) > ALIKE)) palette.push(colour);
  const places = new Map([...amounts.keys()].map((colour) => [colour, nearest(palette, colour)]));
  const lines = Buffer.alloc(height * (width + 1)); // each begins with the number of its filter, 0
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1)
      lines[y * (width + 1) + x + 1] = places.get(data.readUIntBE((y * width + x) * 4, 3)) ?? 0;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3], 8); // 8 bits a pixel, the number of a colour in the palette
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("PLTE", colours),
    chunk("IDAT", deflateSync(lines, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function distance(one: number, other: number): number {
  const red = Math.abs((one >> 16) - (other >> 16));
  const green = Math.abs(((one >> 8) & 255) - ((other >> 8) & 255));
  return red + green + Math.abs((one & 255) - (other & 255));
}

function nearest(palette: readonly number[], colour: number): number {
  let [best, least] = [0, Infinity];
  for (const [at, other] of palette.entries()) {
    const away = distance(colour, other);
    if (away < least) [best, least] = [at, away];
  }
  return best;
}

function chunk(name: string, content: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, "latin1"), content]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}
