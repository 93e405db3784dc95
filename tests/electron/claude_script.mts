// Claude's side of the conversation in the screenshots: it finds a bug in a timetable importer and asks to fix it.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Script } from "./example_harness.mts";

const IMPORTER = `from timetable.feed import read_rows


def last_service_minute(day_end: int) -> int:
    return 24 * 60


def stops_of(trip):
    """The stops of a trip in order, those after midnight too."""
    limit = last_service_minute(trip.day_end)
    return [row for row in read_rows(trip) if row.departure < limit]
`;

/** Creates a folder with a small Python project. */
export function timetable(parent: string): string {
  const folder = join(parent, "timetable");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "importer.py"), IMPORTER);
  return folder;
}

export const WHY = "Why does the import skip the last stop of night lines? (TRAM-431)";
export const FIX = "Good. Fix it, please.";

export function script(folder: string): Script {
  const file = join(folder, "importer.py");
  const text = (words: string) => ({ type: "text", text: words });
  const use = (name: string, input: object) => ({ type: "tool_use", name, input });
  return {
    [WHY]: [
      [
        text("I'll look at how the importer decides which stops belong to a trip."),
        use("Bash", { command: "grep -rn last_service_minute .", description: "Find where the limit is used" }),
      ],
      [use("Read", { file_path: file })],
      [
        text(
          "Found it. `stops_of` drops every row that departs at or after **24:00**, and night lines write times past midnight as `24:35` or `25:10`. " +
            "Their last stop is simply cut off.\n\n" +
            "- Let the limit be the end of the *service day*, which the trip already knows as `day_end`.\n" +
            "- Or wrap the times, which would break the order of the stops.\n\n" +
            "I'd take the first: one line, and no stored time changes.",
        ),
      ],
    ],
    [FIX]: [
      [
        use("Edit", {
          file_path: file,
          old_string: "    return 24 * 60\n",
          new_string: "    return max(24 * 60, day_end)\n",
        }),
      ],
      [text("Done. Trips now end with their service day, so `25:10` stays. TRAM-431 can go to review.")],
    ],
  };
}
