// Lists that arrive in pages.

export interface ItemPage<Item> {
  items: readonly Item[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/**
 * Returns a function that reads all items of a list that only grows at its end.
 *
 * The first call reads every page.  Later calls start at the page that was the last one, because a full page never
 * changes.
 */
export function pagedReader<Item>(read: (cursor: string | null) => Promise<ItemPage<Item>>): () => Promise<Item[]> {
  const complete: Item[] = [];
  let lastCursor: string | null = null;
  return async () => {
    for (;;) {
      const { items, next_cursor: next } = await read(lastCursor);
      if (next === null) return [...complete, ...items];
      complete.push(...items);
      lastCursor = next;
    }
  };
}
