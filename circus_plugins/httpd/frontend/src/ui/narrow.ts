import { signal } from "@preact/signals";

const query = window.matchMedia("(max-width: 800px)");

/** Is there only room for one column, as on a phone? The same width as in styles/tables.css. */
export const isNarrow = signal(query.matches);

query.addEventListener("change", () => {
  isNarrow.value = query.matches;
});
