import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { plainText, runs } from "../ansi";
import { address, ask } from "../api";
import * as format from "../format";
import { frames, live, useDaemons, useOverview } from "../live/page_live";
import { queryText, replaceRoute } from "../router";
import { shortEndpoint } from "../shell";
import type { LogLine, LogPage } from "../types";
import { Button } from "../ui/button";
import { Empty } from "../ui/empty";
import { SearchField, Select } from "../ui/field";
import { Icon } from "../ui/icons";
import { Name } from "../ui/name";
import { VirtualList } from "../ui/virtual_list";
import { LogBuffer, type NumberedLine, withoutRepetition } from "./log_buffer";

const ROW_HEIGHT = 20;
const PAST_LINES = 2000;
const FOUND_LINES = 5000;
// So many lines are wrapped at most: their heights differ, so all of them are there.
const WRAPPED_LINES = 600;
const TYPING_MS = 300;
const LONGEST_SHOWN = 4000;

const isWrapped = signal(false);

export function LogsPage({ daemon, watcher }: { daemon: string; watcher: string }): JSX.Element {
  const daemons = useDaemons();
  const shown = daemon && daemons?.daemons[daemon] ? daemon : (daemons?.order[0] ?? "");
  const watchers = Object.keys(useOverview(shown).data?.watchers ?? {}).sort();
  const known = watcher && !watchers.includes(watcher) ? [watcher, ...watchers] : watchers;
  return (
    <>
      <header class="page-header">
        <h1>Logs</h1>
        {daemons && daemons.order.length > 1 && (
          <Select
            label="Daemon"
            value={shown}
            choices={daemons.order.map((id) => ({ value: id, label: shortEndpoint(daemons.daemons[id]?.endpoint ?? id) }))}
            onChange={(id) => replaceRoute({ page: "logs", daemon: id, watcher: "" })}
          />
        )}
        <Select
          label="Watcher"
          value={watcher}
          choices={[{ value: "", label: "All watchers" }, ...known.map((name) => ({ value: name, label: name.slice(0, 80) }))]}
          onChange={(name) => replaceRoute({ page: "logs", daemon: shown, watcher: name })}
        />
      </header>
      {shown && <LogsPanel key={`${shown} ${watcher}`} daemon={shown} watcher={watcher} />}
    </>
  );
}

/** The output of one watcher, or with an empty name of all, as it comes. */
export function LogsPanel({ daemon, watcher }: { daemon: string; watcher: string }): JSX.Element {
  const [stream, setStream] = useState("");
  const [search, setSearch] = useState("");
  const [isFollowing, setFollowing] = useState(true);
  const { lines, missing, lostBytes, hasEnded } = useLines(daemon, watcher, stream);
  const found = useFound(daemon, watcher, stream, search);
  const wanted = search.trim().toLowerCase();
  const shown = useMemo(() => matching(lines, found, wanted), [lines, found, wanted]);
  const download = address(`daemons/${daemon}/logs.txt${queryText({ watcher, stream, search: search.trim() })}`);
  return (
    <section class="logs-panel" aria-label="Output">
      <div class="filters">
        <SearchField label="Search the output" value={search} onInput={setSearch} />
        <Select
          label="Stream"
          value={stream}
          choices={[
            { value: "", label: "stdout and stderr" },
            { value: "stdout", label: "stdout" },
            { value: "stderr", label: "stderr" },
          ]}
          onChange={setStream}
        />
        <Button icon={isFollowing ? "pause" : "down"} pressed={isFollowing} onClick={() => setFollowing(!isFollowing)}>
          Follow
        </Button>
        <Button icon="wrap" pressed={isWrapped.value} onClick={() => (isWrapped.value = !isWrapped.value)}>
          Wrap
        </Button>
        <a class="button button-plain" href={download} download>
          <Icon name="download" size={18} />
          <span>Download</span>
        </a>
        <span class="of" role="status">
          {wanted ? `${format.plural(shown.length, "line")} found` : format.plural(shown.length, "line")}
        </span>
      </div>
      <Notes missing={missing} lostBytes={lostBytes} hasEnded={hasEnded} isAlone={Boolean(watcher)} />
      <Lines lines={shown} wanted={wanted} isFollowing={isFollowing} onScrolledAway={() => setFollowing(false)} />
    </section>
  );
}

interface NotesProps {
  missing: { [watcher: string]: string };
  lostBytes: number;
  hasEnded: boolean;
  isAlone: boolean;
}

/** Why lines may be missing. */
function Notes({ missing, lostBytes, hasEnded, isAlone }: NotesProps): JSX.Element {
  const reasons = Object.entries(missing);
  return (
    <>
      {hasEnded && <p class="note">circusd does not answer. The output goes on when it does.</p>}
      {lostBytes > 0 && <p class="note">{format.bytes(lostBytes)} of the output went by before they could be read.</p>}
      {reasons.length > 0 && isAlone && <p class="note">{reasons[0]?.[1]}</p>}
      {reasons.length > 0 && !isAlone && (
        <details class="without-output">
          <summary>{format.plural(reasons.length, "watcher")} without output here</summary>
          <ul>
            {reasons.slice(0, 200).map(([name, reason]) => (
              <li key={name}>
                <Name value={name} max={60} />: {reason}
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

interface LinesProps {
  lines: readonly NumberedLine[];
  wanted: string;
  isFollowing: boolean;
  onScrolledAway: () => void;
}

function Lines({ lines, wanted, isFollowing, onScrolledAway }: LinesProps): JSX.Element {
  const port = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);
  useLayoutEffect(() => {
    const element = port.current;
    if (element && isFollowing) element.scrollTop = element.scrollHeight;
  });
  const scrolled = (): void => {
    const element = port.current;
    if (!element) return;
    const isUp = element.scrollTop < lastTop.current - 4;
    const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
    lastTop.current = element.scrollTop;
    if (isUp && !isAtEnd && isFollowing) onScrolledAway();
  };
  const row = (index: number): JSX.Element | null => {
    const line = lines[index];
    return line ? <Line key={line.key} line={line} wanted={wanted} /> : null;
  };
  return (
    <div ref={port} class={`log-port ${isWrapped.value ? "wrapped" : ""}`} role="log" aria-live="off" aria-label="Lines" tabIndex={0} onScroll={scrolled}>
      {!lines.length && <Empty title={wanted ? "No line has this text" : "There is no output yet"} />}
      {isWrapped.value ? (
        lines.slice(-WRAPPED_LINES).map((line) => <Line key={line.key} line={line} wanted={wanted} />)
      ) : (
        <VirtualList count={lines.length} rowHeight={ROW_HEIGHT} render={row} scroller="log-port" class="log-lines" />
      )}
    </div>
  );
}

function Line({ line, wanted }: { line: LogLine; wanted: string }): JSX.Element {
  return (
    <div class={`log-line log-${line.stream}`}>
      <time class="log-time" title={format.dayAndTime(line.time)}>
        {format.timeOfDay(line.time, { milliseconds: true })}
      </time>
      <span class="log-source" title={`pid ${line.pid}, ${line.stream}`}>
        <Name value={line.watcher} max={40} />.{line.wid}
      </span>
      <bdi class="log-text" dir="auto">
        {wanted ? marked(plainText(line.message).slice(0, LONGEST_SHOWN), wanted) : coloured(line.message.slice(0, LONGEST_SHOWN))}
      </bdi>
    </div>
  );
}

function coloured(message: string): (JSX.Element | string)[] {
  return runs(message).map(({ text, look }, i) =>
    look.length ? (
      <span key={i} class={look.map((word) => `ansi-${word}`).join(" ")}>
        {text}
      </span>
    ) : (
      text
    ),
  );
}

/** The text with what was searched for marked. */
function marked(text: string, wanted: string): (JSX.Element | string)[] {
  const parts: (JSX.Element | string)[] = [];
  const lower = text.toLowerCase();
  let at = 0;
  for (let hit = lower.indexOf(wanted); hit >= 0 && parts.length < 200; hit = lower.indexOf(wanted, at)) {
    parts.push(text.slice(at, hit), <mark key={hit}>{text.slice(hit, hit + wanted.length)}</mark>);
    at = hit + wanted.length;
  }
  parts.push(text.slice(at));
  return parts;
}

function matching(lines: readonly NumberedLine[], found: readonly LogLine[], wanted: string): readonly NumberedLine[] {
  if (!wanted) return lines;
  return withoutRepetition(found, lines.filter((line) => plainText(line.message).toLowerCase().includes(wanted)));
}

interface LinesState {
  lines: readonly NumberedLine[];
  missing: { [watcher: string]: string };
  lostBytes: number;
  hasEnded: boolean;
}

const NO_LINES: LinesState = { lines: [], missing: {}, lostBytes: 0, hasEnded: false };

function useLines(daemon: string, watcher: string, stream: string): LinesState {
  const [state, setState] = useState(NO_LINES);
  useEffect(() => {
    const buffer = new LogBuffer();
    setState(NO_LINES);
    const request = () => {
      buffer.beginAnew(); // each subscription brings the past again
      return { topic: "logs" as const, daemon, ...(watcher ? { watcher } : {}), ...(stream ? { stream } : {}), lines: PAST_LINES };
    };
    const link = live.subscribe(request, (answer) => {
      if (answer.type === "lines") {
        buffer.add(answer);
        frames.next(buffer, () => setState({ lines: buffer.lines, missing: buffer.missing, lostBytes: buffer.lostBytes, hasEnded: answer.ended }));
      } else if (answer.type === "gone" || answer.type === "problem") {
        setState((before) => ({ ...before, missing: { [watcher]: answer.detail } }));
      }
    });
    return link.end;
  }, [daemon, watcher, stream]);
  return state;
}

/** What the server finds in all that circusd keeps; the page has only the last lines. */
function useFound(daemon: string, watcher: string, stream: string, search: string): readonly LogLine[] {
  const [found, setFound] = useState<readonly LogLine[]>([]);
  const wanted = search.trim();
  useEffect(() => {
    setFound([]);
    if (!wanted) return undefined;
    let isWanted = true;
    const timer = window.setTimeout(() => {
      const query = queryText({ watcher, stream, search: wanted, lines: FOUND_LINES });
      ask<LogPage>("GET", `daemons/${daemon}/logs${query}`).then(
        (page) => isWanted && setFound(page.lines),
        () => undefined, // the lines that are here are searched in any case
      );
    }, TYPING_MS);
    return () => {
      isWanted = false;
      window.clearTimeout(timer);
    };
  }, [daemon, watcher, stream, wanted]);
  return found;
}
