/**
 * Lines of output as runs of text with a look. Colours and weights of escape sequences are kept, everything else that a terminal
 * would obey (moving the cursor, titles, links, bells) is dropped. What comes out is text, never markup.
 */

export interface Run {
  text: string;
  /** Words of a look, such as `fg1`, `bg12`, `bold`; see styles/logs.css. */
  look: string[];
}

interface Pen {
  foreground: number | null;
  background: number | null;
  flags: Set<string>;
}

// CSI, OSC and other strings up to their end, single-character escapes, and C1.
const ESCAPES =
  /\u001b\[([0-?]*)[ -/]*([@-~])|\u001b[\]PX^_][\s\S]*?(?:\u0007|\u001b\\|\u009c|$)|\u001b[ -/]*[0-~]?|\u009b[0-?]*[ -/]*[@-~]/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const FLAGS: { [code: number]: string } = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck" };
const FLAGS_OFF: { [code: number]: string[] } = {
  22: ["bold", "dim"],
  23: ["italic"],
  24: ["underline"],
  27: ["inverse"],
  29: ["struck"],
};

/** The text alone. */
export function plainText(message: string): string {
  return message.includes("\u001b") || message.includes("\u009b")
    ? message.replace(ESCAPES, "").replace(CONTROLS, "")
    : message.replace(CONTROLS, "");
}

/** The runs of one line; looks do not go on into the next line. */
export function runs(message: string): Run[] {
  if (!message.includes("\u001b")) return [{ text: message.replace(CONTROLS, ""), look: [] }];
  const pen: Pen = { foreground: null, background: null, flags: new Set() };
  const found: Run[] = [];
  let at = 0;
  const put = (text: string): void => {
    const clean = text.replace(CONTROLS, "");
    if (clean) found.push({ text: clean, look: look(pen) });
  };
  for (const match of message.matchAll(ESCAPES)) {
    put(message.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] === "m") dip(pen, match[1] ?? "");
  }
  put(message.slice(at));
  return found;
}

function dip(pen: Pen, parameters: string): void {
  const codes = parameters.split(/[;:]/).map(Number);
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 0) reset(pen);
    else if (FLAGS[code]) pen.flags.add(FLAGS[code]);
    else if (FLAGS_OFF[code]) for (const flag of FLAGS_OFF[code]) pen.flags.delete(flag);
    else if (code === 39) pen.foreground = null;
    else if (code === 49) pen.background = null;
    else if (code >= 30 && code <= 37) pen.foreground = code - 30;
    else if (code >= 40 && code <= 47) pen.background = code - 40;
    else if (code >= 90 && code <= 97) pen.foreground = code - 82;
    else if (code >= 100 && code <= 107) pen.background = code - 92;
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes.slice(i + 1, i + 5));
      if (code === 38) pen.foreground = colour;
      else pen.background = colour;
      i += used;
    }
  }
}

function reset(pen: Pen): void {
  pen.foreground = null;
  pen.background = null;
  pen.flags.clear();
}

/** The colour after 38 or 48 as one of the sixteen that a theme makes readable, and how many codes it took. */
function extended(codes: number[]): [number | null, number] {
  if (codes[0] === 5) return [nearestOfPalette(codes[1] ?? 0), 2];
  if (codes[0] === 2) return [nearest(codes[1] ?? 0, codes[2] ?? 0, codes[3] ?? 0), 4];
  return [null, 1];
}

function nearestOfPalette(index: number): number {
  if (index < 16) return index;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return nearest(grey, grey, grey);
  }
  const steps = [0, 95, 135, 175, 215, 255];
  const cube = index - 16;
  return nearest(
    steps[Math.floor(cube / 36)] ?? 0,
    steps[Math.floor(cube / 6) % 6] ?? 0,
    steps[cube % 6] ?? 0,
  );
}

/** One bit per primary colour that is strong in it, as the sixteen colours are numbered. */
function nearest(red: number, green: number, blue: number): number {
  const greatest = Math.max(red, green, blue);
  if (greatest < 48) return 0;
  const strong = (value: number): number => (value > greatest * 0.6 ? 1 : 0);
  const hue = strong(red) | (strong(green) << 1) | (strong(blue) << 2);
  if (hue === 7) return greatest > 200 ? 15 : greatest > 110 ? 7 : 8;
  return greatest > 200 ? hue + 8 : hue;
}

function look(pen: Pen): string[] {
  const words = [...pen.flags];
  if (pen.foreground !== null) words.push(`fg${pen.foreground}`);
  if (pen.background !== null) words.push(`bg${pen.background}`);
  return words;
}
