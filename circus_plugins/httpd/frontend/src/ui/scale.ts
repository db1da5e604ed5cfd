/** Where the upper edge of a chart is: at a round number, half of which is round too. */

const ROUND = [1, 2, 3, 4, 5, 6, 8, 10];

/** The least round number that is not below `value`; `isBytes`: round in kB, MB, ... of 1024. */
export function roundCeiling(value: number, isBytes: boolean): number {
  if (!(value > 0)) return 1;
  let unit = 1;
  while (isBytes && value / unit > 800) unit *= 1024;
  const power = unit * 10 ** Math.floor(Math.log10(value / unit));
  const factor = ROUND.find((each) => each * power >= value * (1 - 1e-9)) ?? 10;
  return isBytes && factor * power === unit * 1000 ? unit * 1024 : factor * power;
}

/** A label without a decimal that says nothing: `40 %` for `40.0 %`. */
export function plain(label: string): string {
  return label.replace(/\.0(?!\d)/, "");
}
