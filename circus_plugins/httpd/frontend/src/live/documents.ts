import { type Signal, batch, signal } from "@preact/signals";
import type { Answer, Live, Request } from "./connection";
import type { Frames } from "./frames";
import { merged, withoutPrototypes } from "./merge_patch";

export interface Shown<T> {
  /** The newest state, or null before the first snapshot. It stays while the connection is broken. */
  data: T | null;
  /** Why there is nothing (any more), in words. */
  problem: string;
}

// A page that is opened again within this time finds what it showed last.
const LINGER_MS = 10_000;

/** One document of the server that is followed for as long as somebody looks at it. */
class Document {
  readonly shown: Signal<Shown<unknown>> = signal({ data: null, problem: "" });
  users = 0;
  private data: unknown = null;
  private problem = "";
  private seq = -1;
  private link: { resync: () => void; end: () => void } | null = null;

  constructor(
    private readonly live: Live,
    private readonly frames: Frames,
    private readonly request: Request,
  ) {}

  open(): void {
    this.link ??= this.live.subscribe(
      () => this.request,
      (answer) => this.hear(answer),
    );
  }

  close(): void {
    this.link?.end();
    this.link = null;
  }

  private hear(answer: Answer): void {
    if (answer.type === "snapshot") this.replace(withoutPrototypes(answer.data), "", answer.seq);
    else if (answer.type === "delta") this.change(answer.data, answer.seq);
    else if (answer.type === "gone") this.replace(null, answer.detail, -1);
    else if (answer.type === "problem") this.replace(this.data, answer.detail, -1);
    this.frames.next(this, () => {
      this.shown.value = { data: this.data, problem: this.problem };
    });
  }

  private replace(data: unknown, problem: string, seq: number): void {
    this.data = data;
    this.problem = problem;
    this.seq = seq;
  }

  private change(patch: unknown, seq: number): void {
    if (seq === this.seq + 1) {
      this.data = merged(this.data, patch);
      this.seq = seq;
    } else if (this.seq >= 0) {
      this.seq = -1; // until the snapshot comes, further deltas are not for this state
      this.link?.resync();
    }
  }
}

/** All documents that are followed, each once, however many parts of the page show it. */
export class Documents {
  private readonly open = new Map<string, Document>();

  constructor(
    private readonly live: Live,
    private readonly frames: Frames,
  ) {}

  /** Follow a document until `end` is called. */
  follow<T>(request: Request): { shown: Signal<Shown<T>>; end: () => void } {
    const key = JSON.stringify(request);
    const document = this.open.get(key) ?? new Document(this.live, this.frames, request);
    this.open.set(key, document);
    document.users += 1;
    document.open();
    const end = (): void => {
      document.users -= 1;
      if (!document.users) window.setTimeout(() => this.drop(key, document), LINGER_MS);
    };
    return { shown: document.shown as Signal<Shown<T>>, end };
  }

  /** Forget everything, for the next user of this browser. */
  clear(): void {
    batch(() => {
      for (const document of this.open.values()) document.close();
      this.open.clear();
    });
  }

  private drop(key: string, document: Document): void {
    if (document.users || this.open.get(key) !== document) return;
    document.close();
    this.open.delete(key);
  }
}
