// Formats JSON for reading and changes only white space. Numbers, escapes, the order of keys and repeated keys stay as
// they were sent. JSON.parse and JSON.stringify would change them.

const INDENT = "  ";
// JSON may be nested a thousand levels deep. Below this level, the indentation stays the same.
const MAX_INDENT = 40;
const TOKEN = /"(?:[^"\\]|\\[^])*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]|[ \t\r\n]+/y;

/// Splits a JSON text into formatted lines, each a list of [class, text]. Returns null if it is not JSON. If the text
/// is only the start of a body (`cut`), formats as much as possible and appends the rest to the last line.
export function layOut(text, cut) {
  const start = text.startsWith("\ufeff") ? 1 : 0;
  if (!cut) {
    try {
      JSON.parse(text.slice(start));
    } catch {
      return null;
    }
  }
  const lines = [];
  let line = [];
  let depth = 0;
  const indent = () => INDENT.repeat(Math.min(depth, MAX_INDENT));
  const newLine = () => {
    lines.push(line);
    line = [["", indent()]];
  };
  const tokens = tokensOf(text, start);
  tokens.forEach(({ token, end }, i) => {
    const next = tokens[i + 1]?.token;
    switch (token) {
      case "{":
      case "[":
        line.push(["mark", token]);
        depth += 1;
        if (next !== "}" && next !== "]") newLine();
        break;
      case "}":
      case "]":
        depth = Math.max(0, depth - 1);
        if (!["{", "["].includes(tokens[i - 1]?.token)) newLine();
        line.push(["mark", token]);
        break;
      case ",":
        line.push(["mark", token]);
        newLine();
        break;
      case ":":
        line.push(["mark", ": "]);
        break;
      default:
        line.push([classOf(token, next), token]);
    }
    if (cut && i === tokens.length - 1 && end < text.length) line.push(["string", text.slice(end)]);
  });
  lines.push(line);
  return tokens.length ? lines : null;
}

function tokensOf(text, start) {
  const tokens = [];
  TOKEN.lastIndex = start;
  for (let match; (match = TOKEN.exec(text)); ) {
    if (match[0].trim()) tokens.push({ token: match[0], end: TOKEN.lastIndex });
  }
  return tokens;
}

function classOf(token, next) {
  if (token[0] === '"') return next === ":" ? "key" : "string";
  return /^[-\d]/.test(token) ? "number" : "word";
}

/// Replaces characters that are invisible, or that change the order of others, with their code.
export function visible(text) {
  return text.replace(
    /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]/g,
    (character) => `\u27e8U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`,
  );
}
