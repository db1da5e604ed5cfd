import type { JSX } from "preact";
import { Ring } from "./ring";

/** The ring of three that perform and one that waits. */
export function Logo({ size = 28 }: { size?: number }): JSX.Element {
  return (
    <span class="logo">
      <Ring wanted={4} running={3} look="accent" size={size} />
    </span>
  );
}
