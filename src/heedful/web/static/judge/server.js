// Talking to our own server: JSON both ways, the session's token on every change, and one kind of failure.

const page = document.documentElement;
const PATIENCE_MS = 20000;
let csrf = page.dataset.csrf;

/** Why a call failed. `status` 0: there was no answer at all. */
export class Failure extends Error {
  constructor(status, problem) {
    super(problem?.what || (status ? `status ${status}` : "no answer"));
    this.status = status;
    this.problem = problem || {};
  }

  /** Whether the same call may succeed later, without anybody doing anything. */
  get passing() { return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500; }
}

export const account = page.dataset.account;
export const address = (path) => page.dataset.root + path;

async function once(method, path, body, keepalive) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  let response;
  let data = null;
  try {
    response = await fetch(address(path), {
      method, headers, keepalive, body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    data = await response.json();
  } catch {
    if (!response || response.ok) throw new Failure(0);
  }
  if (response.ok) return data;
  throw new Failure(response.status, data?.error);
}

/** Ask for `path`; throws a Failure. A token that has become old is fetched anew once. */
export async function call(method, path, body, { keepalive = false } = {}) {
  try {
    return await once(method, path, body, keepalive);
  } catch (failure) {
    if (failure.status !== 403 || method === "GET" || keepalive) throw failure;
    await renew();
    return once(method, path, body, keepalive);
  }
}

/** Find out who is logged in now, and take the session's token; throws a Failure (401: nobody is). */
export async function renew() {
  const session = await once("GET", "/judge/api/session");
  if (session.account !== account) throw new Failure(401, { what: "somebody else has logged in" });
  csrf = session.csrf;
}

/** A random UUID; pages without https lack crypto.randomUUID. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
