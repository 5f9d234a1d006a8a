/* Requests to the server. The listener's token is the fragment of the address, which browsers do not
   send; requests carry it in a header. */

const JSON_SECONDS = 20, MEDIA_SECONDS = 90;

/** The server rejected a request; `reason` as in its reply. */
export class Refused extends Error {
  constructor(reason, sentence) {
    super(sentence);
    this.reason = reason;
  }
}

/** No answer, or none that can be used: the request is to be retried. */
export class Unreachable extends Error {}

/** Requests for the study of the page's address, with a token. */
export function connect(token) {
  const base = location.origin + location.pathname.replace(/\/+$/, '') + '/api/';

  async function ask(path, seconds, settings = {}) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), 1000 * seconds);
    const headers = { Authorization: 'Bearer ' + token, ...settings.headers };
    try {
      const reply = await fetch(base + path, {
        ...settings, headers, signal: stop.signal, cache: 'no-store', credentials: 'same-origin',
      });
      if (reply.ok) return await (settings.read || ((r) => r.json()))(reply);
      const problem = await reply.json();
      if (reply.status >= 500 || !problem.reason) throw new Unreachable(problem.sentence);
      throw new Refused(problem.reason, problem.sentence);
    } catch (error) {
      if (error instanceof Refused || error instanceof Unreachable) throw error;
      throw new Unreachable(String(error));
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    get: (path) => ask(path, JSON_SECONDS),
    post: (act, body) => ask(act, JSON_SECONDS, {
      method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
    }),
    media: (name) => ask('media/' + encodeURIComponent(name), MEDIA_SECONDS, { read: (r) => r.blob() }),
  };
}
