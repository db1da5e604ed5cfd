import type { JSX } from "preact";
import * as format from "../format";
import type { Hook, Watcher } from "../types";
import { Name } from "../ui/name";

/** What a watcher is connected with: sockets, hooks, and where its output goes. */
export function WiringPanel({ watcher }: { watcher: Watcher }): JSX.Element {
  const { sockets = [], hooks = {}, streams = {} } = watcher;
  return (
    <div class="cards">
      <section class="card" aria-labelledby="wiring-sockets">
        <h2 id="wiring-sockets">Sockets</h2>
        {!sockets.length && <p class="of">Its processes get none.</p>}
        <ul class="plain">
          {sockets.map((name) => (
            <li key={name}>
              <a href="#/sockets">
                <Name value={name} />
              </a>
            </li>
          ))}
        </ul>
      </section>
      <section class="card" aria-labelledby="wiring-hooks">
        <h2 id="wiring-hooks">Hooks</h2>
        {!Object.keys(hooks).length && <p class="of">There are none.</p>}
        <dl class="pairs">
          {Object.entries(hooks).map(([name, hook]) => (
            <HookEntry key={name} name={name} hook={hook} />
          ))}
        </dl>
      </section>
      <section class="card" aria-labelledby="wiring-streams">
        <h2 id="wiring-streams">Output</h2>
        {!Object.keys(streams).length && <p class="of">It goes where that of circusd goes.</p>}
        {Object.entries(streams).map(([name, stream]) => (
          <dl key={name} class="pairs">
            <dt>{name}</dt>
            <dd class="code">{String(stream["class"] ?? "")}</dd>
            {stream["problem"] ? <dd class="end-bad">{String(stream["problem"])}</dd> : null}
            {Number(stream["dropped_bytes"] ?? 0) > 0 && <dd class="end-bad">{format.bytes(Number(stream["dropped_bytes"]))} lost</dd>}
          </dl>
        ))}
      </section>
      <section class="card" aria-labelledby="wiring-rules">
        <h2 id="wiring-rules">Rules</h2>
        <dl class="pairs">
          <dt>Working directory</dt>
          <dd class="code">
            <Name value={watcher.working_dir || "that of circusd"} />
          </dd>
          <dt>Time to stop</dt>
          <dd>{format.duration(watcher.graceful_timeout)}, then SIGKILL</dd>
          <dt>Replaced by age</dt>
          <dd>{watcher.max_age ? `after ${format.duration(watcher.max_age)}` : "never"}</dd>
          <dt>Started again when it ends</dt>
          <dd>{watcher.respawn === false ? "no" : "yes"}</dd>
          <dt>Priority</dt>
          <dd>{format.count(watcher.priority ?? 0)}</dd>
          <dt>Since it was made</dt>
          <dd>
            {format.count(watcher.spawned)} started, {format.count(watcher.restarts)} restarts, {format.count(watcher.failed_spawns)} failed
          </dd>
        </dl>
      </section>
    </div>
  );
}

function HookEntry({ name, hook }: { name: string; hook: Hook }): JSX.Element {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <span class="code">{hook.target ?? "of a plugin"}</span>
        {hook.ignore_failure && <span class="badge">failures ignored</span>}
        {hook.failed_at !== undefined && (
          <p class="end-bad" dir="auto">
            failed at {format.timeOfDay(hook.failed_at)}: {hook.error}
          </p>
        )}
      </dd>
    </>
  );
}
