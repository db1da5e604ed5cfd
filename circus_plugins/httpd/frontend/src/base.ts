/**
 * Where the dashboard lives, such as `/` or `/ops/circus/` behind a proxy. There is only one page, and all that it shows is in the
 * fragment of its address, so that no prefix has to be known.
 */
export function basePath(pathname: string): string {
  return pathname.slice(0, pathname.lastIndexOf("/") + 1) || "/";
}

/** The address of the websocket beside the page. */
export function liveAddress(location: { protocol: string; host: string; pathname: string }): string {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}${basePath(location.pathname)}api/live`;
}

/**
 * A name as one segment of a path of the API. All but the plainest travel as `~` and base64url: proxies like to
 * unfold `%2F` and dots.
 */
export function segment(name: string): string {
  if (/^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/.test(name)) return name;
  const bytes = new TextEncoder().encode(name);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return `~${btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "")}`;
}
