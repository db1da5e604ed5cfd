import type { JSX } from "preact";
import * as format from "../format";
import type { Exit } from "../types";
import { Empty } from "../ui/empty";

/** The last ends of processes, newest first. */
export function ExitsPanel({ exits }: { exits: Exit[] }): JSX.Element {
  if (!exits.length) return <Empty title="No process has ended yet" />;
  return (
    <table class="facts">
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">Worker</th>
          <th scope="col">PID</th>
          <th scope="col">End</th>
          <th scope="col">Lived</th>
        </tr>
      </thead>
      <tbody>
        {[...exits].reverse().map((exit) => (
          <tr key={`${exit.time} ${exit.pid}`}>
            <td class="number">{format.dayAndTime(exit.time)}</td>
            <td class="number">
              <span class="unit-narrow">worker </span>
              {exit.wid}
            </td>
            <td class="number">
              <span class="unit-narrow">pid </span>
              {exit.pid}
            </td>
            <td>
              <span class={isBad(exit) ? "end end-bad" : "end"}>{exit.end ?? exit.exit_code}</span>{" "}
              <span class="of">{exit.asked ? "as it was told" : "by itself"}</span>
            </td>
            <td class="number">
              <span class="unit-narrow">lived </span>
              {format.duration(exit.lived)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function isBad({ exit_code: code, asked }: Exit): boolean {
  return !asked && code !== 0;
}
