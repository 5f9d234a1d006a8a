/* Values that this browser stores for a listener: unsent answers and drafts, under a key from which the
   link cannot be derived. Without storage (some private windows) they last as long as the page. */

/** Storage of values by name for one study and token. */
export function remember(study, token) {
  const prefix = 'savg-listen:' + study + ':' + fingerprint(token) + ':';
  const spare = new Map();

  function write(name, value) {
    const text = JSON.stringify(value);
    try {
      localStorage.setItem(prefix + name, text);
      spare.delete(name);
    } catch {
      spare.set(name, text);
    }
  }

  function read(name) {
    let text = spare.get(name);
    try {
      text ??= localStorage.getItem(prefix + name);
      return text ? JSON.parse(text) : undefined;
    } catch {
      return undefined;
    }
  }

  function forget(name) {
    spare.delete(name);
    try {
      localStorage.removeItem(prefix + name);
    } catch { /* there is nothing */ }
  }

  return { prefix, read, write, forget };
}

/** 64 bits of a text by two FNV-1a hashes; a token has 192, so it cannot be found from them.
    (crypto.subtle is missing on pages of a laboratory's own network, without https.) */
export function fingerprint(text) {
  return [0x811c9dc5, 0x1b873593].map((start) => {
    let hash = start;
    for (const letter of text) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193);
    return (hash >>> 0).toString(16).padStart(8, '0');
  }).join('');
}
