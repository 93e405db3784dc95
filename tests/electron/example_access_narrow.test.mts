// The example app is accessible in a narrow and in an enlarged window, as in example_access.test.mts.
import { test } from "node:test";
import { isAccessible, openStates } from "./accessible.mts";
import { openSession } from "./example_harness.mts";

/** The second is a window of 1440 by 900 pixels at 200 %. */
const SIZES = [
  { width: 390, height: 844 },
  { width: 720, height: 450 },
];
const app = openStates();

for (const size of SIZES)
  test(`a window of ${size.width} by ${size.height} pixels is accessible`, async () => {
    const { page } = await app;
    await page.setViewportSize(size);
    await openSession(page, null);
    await page.getByText("Claude cannot work yet.").waitFor();
    await isAccessible(page, "head", ".head, .tabs");
    for (const tab of ["Today", "Jobs", "Activity", "Daily", "Claude"]) {
      await page.getByRole("navigation", { name: "Panels" }).getByRole("button", { name: tab }).click();
      await isAccessible(page, tab, `.${tab.toLowerCase()}`);
    }
  });
