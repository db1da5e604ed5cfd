/** Runs before the page is drawn, so that a chosen theme does not flash up after the other one. */

import { applyTheme, savedTheme } from "./theme";

applyTheme(savedTheme());
