/* Requests to the server. A listener's token is in the address behind the #, which browsers keep to
   themselves; it goes to the server in a header. */

const JSON_SECONDS = 20, MEDIA_SECONDS = 90;

/** The server understood and said no. */
export class Refused extends Error {
  constructor(reason, sentence) {
    super(sentence);
    this.reason = reason;
  }
}

/** No answer, or none that says anything: to be tried again. */
export class Unreachable extends Error {}

/** Requests for the study that the page's address names, with a token. */
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
      const said = await reply.json();
      if (reply.status >= 500 || !said.reason) throw new Unreachable(said.sentence);
      throw new Refused(said.reason, said.sentence);
    } catch (error) {
      if (error instanceof Refused || error instanceof Unreachable) throw error;
      throw new Unreachable(String(error));
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    get: (path) => ask(path, JSON_SECONDS),
    post: (act, said) => ask(act, JSON_SECONDS, {
      method: 'POST', body: JSON.stringify(said), headers: { 'Content-Type': 'application/json' },
    }),
    media: (name) => ask('media/' + encodeURIComponent(name), MEDIA_SECONDS, { read: (r) => r.blob() }),
  };
}
