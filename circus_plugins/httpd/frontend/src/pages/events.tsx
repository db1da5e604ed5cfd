import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import * as format from "../format";
import { frames, live, useDaemons } from "../live/page_live";
import { type TimedEvent, Timeline } from "../live/timeline";
import { replaceRoute, routeAddress } from "../router";
import { shortEndpoint } from "../shell";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Empty } from "../ui/empty";
import { SearchField, Select } from "../ui/field";
import { Name } from "../ui/name";
import { isNarrow } from "../ui/narrow";
import { VirtualList } from "../ui/virtual_list";
import { weightOf, words } from "./event_words";

const ROW_HEIGHT = 38;
const NARROW_ROW_HEIGHT = 62;

/** What happened, of all daemons, newest first. */
export function EventsPage({ watcher }: { watcher: string }): JSX.Element {
  const daemons = useDaemons();
  const [daemon, setDaemon] = useState("");
  const order = daemons?.order ?? [];
  const choices = [
    { value: "", label: "All daemons" },
    ...order.map((id) => ({ value: id, label: shortEndpoint(daemons?.daemons[id]?.endpoint ?? id) })),
  ];
  return (
    <>
      <header class="page-header">
        <h1>Events</h1>
        {order.length > 1 && <Select label="Daemon" value={daemon} choices={choices} onChange={setDaemon} />}
        <SearchField
          label="Filter by watcher"
          value={watcher}
          onInput={(text) => replaceRoute({ page: "events", watcher: text })}
        />
      </header>
      <EventList daemons={daemon ? [daemon] : order} filter={watcher} isExact={false} />
    </>
  );
}

/** What happened to one watcher. */
export function EventsPanel({ daemon, watcher }: { daemon: string; watcher: string }): JSX.Element {
  return <EventList daemons={[daemon]} filter={watcher} isExact />;
}

interface EventListProps {
  daemons: readonly string[];
  filter: string;
  /** Is the filter the whole name of a watcher? */
  isExact: boolean;
}

function EventList({ daemons, filter, isExact }: EventListProps): JSX.Element {
  const { events, missed } = useTimeline(daemons);
  const [action, setAction] = useState("");
  const [isPaused, setPaused] = useState(false);
  const [chosen, setChosen] = useState<TimedEvent | null>(null);
  const frozen = useRef(events);
  if (!isPaused) frozen.current = events;

  const shown = useMemo(
    () => [...frozen.current].filter((event) => fits(event, filter, isExact, action)).reverse(),
    [frozen.current, filter, isExact, action],
  );
  const actions = useMemo(() => [...new Set(frozen.current.map((event) => event.action))].sort(), [frozen.current]);
  const row = (index: number): JSX.Element | null => {
    const event = shown[index];
    return event ? <EventRow key={event.key} event={event} onChoose={() => setChosen(event)} /> : null;
  };
  return (
    <>
      <div class="filters">
        <Select
          label="Kind of event"
          value={action}
          choices={[{ value: "", label: "All kinds" }, { value: "!", label: "Only trouble" }, ...actions.map((name) => ({ value: name, label: name }))]}
          onChange={setAction}
        />
        <Button icon={isPaused ? "start" : "pause"} pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused ? `Go on${behind(events.length, frozen.current.length)}` : "Pause"}
        </Button>
        <span class="of" role="status">
          {format.plural(shown.length, "event")}
          {missed > 0 && `, ${format.count(missed)} are not remembered any more`}
        </span>
      </div>
      {!shown.length && <Empty title="Nothing has happened that fits">Events appear here as they happen.</Empty>}
      <div class="table events" role="list" aria-label="Events, newest first">
        <VirtualList count={shown.length} rowHeight={isNarrow.value ? NARROW_ROW_HEIGHT : ROW_HEIGHT} render={row} />
      </div>
      {chosen && <EventDialog event={chosen} onClose={() => setChosen(null)} />}
    </>
  );
}

function behind(now: number, then: number): string {
  return now > then ? ` (${format.count(now - then)} new)` : "";
}

function fits(event: TimedEvent, filter: string, isExact: boolean, action: string): boolean {
  if (action === "!" ? weightOf(event) !== "bad" : action && event.action !== action) return false;
  if (isExact) return inTopic(event.watcher) === inTopic(filter);
  return event.watcher.toLowerCase().includes(filter.trim().toLowerCase());
}

/** A name as topics have it, and so events of watchers that circushttpd does not know (any more). */
function inTopic(name: string): string {
  return name.toLowerCase().replaceAll(" ", "_");
}

function EventRow({ event, onChoose }: { event: TimedEvent; onChoose: () => void }): JSX.Element {
  return (
    <div class={`event event-${weightOf(event)}`} role="listitem">
      <time class="event-time number" title={format.dayAndTime(event.time)}>
        {!isToday(event.time) && <span class="event-day">{format.day(event.time)}</span>}
        {format.timeOfDay(event.time)}
      </time>
      <span class="event-mark" aria-hidden="true" />
      {event.watcher ? (
        <a class="event-watcher" href={routeAddress({ page: "watcher", daemon: event.daemon, watcher: event.watcher, tab: "processes" })}>
          <Name value={event.watcher} />
        </a>
      ) : (
        <span class="event-watcher">circusd</span>
      )}
      <button type="button" class="event-action" onClick={onChoose} aria-label={`${event.action}: all that is known`}>
        {event.action}
      </button>
      <span class="event-words" dir="auto">
        {words(event).slice(0, 400)}
      </span>
    </div>
  );
}

function isToday(moment: number): boolean {
  return format.day(moment) === format.day(live.now());
}

function EventDialog({ event, onClose }: { event: TimedEvent; onClose: () => void }): JSX.Element {
  const { time, topic, watcher, action, pid, data } = event;
  return (
    <Dialog title={`${action}, ${format.dayAndTime(time)}`} onClose={onClose} isWide>
      <p dir="auto">
        <strong>
          <Name value={watcher || "circusd"} max={400} />
        </strong>
        : {words(event).slice(0, 2000)}
      </p>
      <pre class="json" dir="ltr" tabIndex={0}>
        {JSON.stringify({ topic, ...(pid == null ? {} : { pid }), ...data }, null, 2).slice(0, 20_000)}
      </pre>
    </Dialog>
  );
}

function useTimeline(daemons: readonly string[]): { events: readonly TimedEvent[]; missed: number } {
  const key = daemons.join(" ");
  const [state, setState] = useState<{ events: readonly TimedEvent[]; missed: number }>({ events: [], missed: 0 });
  useEffect(() => {
    const timeline = new Timeline();
    let missed = 0;
    setState({ events: timeline.all, missed });
    const links = daemons.map((daemon) => {
      const request = () => {
        const after = timeline.after(daemon);
        return { topic: "events" as const, daemon, ...(after === undefined ? {} : { after }) };
      };
      return live.subscribe(request, (answer) => {
        if (answer.type !== "events") return;
        timeline.add(daemon, answer.events, answer.last);
        missed += answer.missed;
        frames.next(timeline, () => setState({ events: timeline.all, missed }));
      });
    });
    return () => {
      for (const link of links) link.end();
    };
  }, [key]);
  return state;
}
