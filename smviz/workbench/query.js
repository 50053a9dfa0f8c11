// The filter's language: `fp > 3 and truck`, `truck.fn > 0`, `not (name ~ "night")`. A recursive descent makes a tree
// of functions of the rows and an image's number; nothing of the text is ever run.
//
//   either  = both { "or" both }            both = no { "and" no }         no = "not" no | comparison
//   comparison = sum { ("<" | "<=" | ">" | ">=" | "=" | "!=" | "~" | "!~") sum }
//   sum     = product { ("+" | "-") product }          product = value { ("*" | "/") value }
//   value   = number | text | word | class [ "." word ] | "-" value | "(" either ")"

const NUMBER_WORDS = {
  f1: "f1", p: "precision", precision: "precision", r: "recall", recall: "recall", tp: "tp", fp: "fp", fn: "fn", objects: "objects",
  detections: "detections", mistakes: "mistakes", latency: "latency",
};
const TEXT_WORDS = new Set(["name", "image"]);
const JOINING = new Set(["and", "or", "not"]);
const LATENCY_HAS_NO_CLASS = "latency";
const COMPARE = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b, "=": (a, b) => a === b, "!=": (a, b) => a !== b,
};
const SAME_SIGN = { "==": "=", "≤": "<=", "≥": ">=", "≠": "!=", "&&": "and", "||": "or", "!": "not" };
const TOKEN = /\s*(?:(\d+\.?\d*|\.\d+)|"([^"]*)"|'([^']*)'|([\p{L}_][\p{L}\p{N}_]*)|(!~|<=|>=|!=|==|&&|\|\||[-+*/<>=~!().≤≥≠]))/uy;

function knownNumber(word, words = NUMBER_WORDS) {
  const folded = word.toLowerCase();
  return Object.hasOwn(words, folded) ? words[folded] : undefined;
}

// What is wrong with a text, and where: [at, end) in its characters.
class QueryError extends Error {
  constructor(message, at, end) {
    super(message);
    Object.assign(this, { at, end });
  }
}

// A function of the rows and the number of one that says whether it is shown. `words` are those that stand for numbers,
// with the names that the rows know them by. Throws QueryError.
function parseQuery(text, classNames, words = NUMBER_WORDS) { return new QueryParser(text, classNames, words).all(); }

function tokensOf(text) {
  const tokens = [];
  let at = 0;
  while (text.slice(at).trim()) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    const start = at + (text.slice(at).length - text.slice(at).trimStart().length);
    if (!found) {
      const quote = `"'`.includes(text[start]);
      throw new QueryError(quote ? "This quotation mark is never closed." : `“${text[start]}” means nothing here.`, start, quote ? text.length : start + 1);
    }
    const [, number, double, single, word, sign] = found, end = (at = TOKEN.lastIndex);
    if (number !== undefined) tokens.push({ kind: "number", value: Number(number), start, end });
    else if (double !== undefined || single !== undefined) tokens.push({ kind: "text", value: double ?? single, start, end });
    else if (word !== undefined && JOINING.has(word.toLowerCase())) tokens.push({ kind: "sign", value: word.toLowerCase(), start, end });
    else if (word !== undefined) tokens.push({ kind: "word", value: word, start, end });
    else tokens.push({ kind: "sign", value: SAME_SIGN[sign] ?? sign, start, end });
  }
  return tokens;
}

class QueryParser {
  constructor(text, classNames, words) {
    Object.assign(this, { text, words, tokens: tokensOf(text), place: 0, exact: new Map(), folded: new Map() });
    classNames.forEach((name, k) => {
      if (!this.exact.has(name)) this.exact.set(name, k);
      if (!this.folded.has(name.trim().toLowerCase())) this.folded.set(name.trim().toLowerCase(), k);
    });
  }

  all() {
    const node = this.truth(this.either()), rest = this.tokens[this.place];
    if (rest?.value === ")") this.fail("There is no bracket that this one closes.", rest);
    if (rest) this.fail("Here should be “and”, “or” or the end. A name with blanks goes into quotation marks.", rest);
    return node.of;
  }

  // ---- reading

  take(...signs) {
    const token = this.tokens[this.place];
    if (token?.kind !== "sign" || !signs.includes(token.value)) return null;
    this.place += 1;
    return token;
  }

  fail(message, { start, end } = { start: this.text.length, end: this.text.length + 1 }) { throw new QueryError(message, start, end); }

  classOf(name) { return this.exact.get(name) ?? this.folded.get(name.trim().toLowerCase()) ?? null; }

  either() {
    return this.joined("or", () => this.both(), (a, b) => (rows, i) => a(rows, i) || b(rows, i));
  }

  both() {
    return this.joined("and", () => this.no(), (a, b) => (rows, i) => a(rows, i) && b(rows, i));
  }

  joined(sign, part, join) {
    let left = part();
    while (this.take(sign)) {
      const a = this.truth(left), b = this.truth(part());
      left = { type: "truth", of: join(a.of, b.of), start: a.start, end: b.end };
    }
    return left;
  }

  no() {
    const sign = this.take("not");
    if (!sign) return this.comparison();
    const { of, end } = this.truth(this.no());
    return { type: "truth", of: (rows, i) => !of(rows, i), start: sign.start, end };
  }

  comparison() {
    let left = this.sum(), whole = null;
    for (let sign; (sign = this.take(...Object.keys(COMPARE), "~", "!~")); ) {
      const right = this.sum(), one = this.compared(left, sign, right), before = whole?.of;
      whole = { ...one, of: before ? (rows, i) => before(rows, i) && one.of(rows, i) : one.of, start: whole?.start ?? one.start };
      left = right;
    }
    return whole ?? left;
  }

  sum() { return this.arithmetic(["+", "-"], () => this.product()); }

  product() { return this.arithmetic(["*", "/"], () => this.value()); }

  arithmetic(signs, part) {
    let left = part();
    for (let sign; (sign = this.take(...signs)); ) {
      const a = this.number(left), b = this.number(part());
      const of = {
        "+": (rows, i) => a.of(rows, i) + b.of(rows, i), "-": (rows, i) => a.of(rows, i) - b.of(rows, i),
        "*": (rows, i) => a.of(rows, i) * b.of(rows, i), "/": (rows, i) => a.of(rows, i) / b.of(rows, i),
      }[sign.value];
      left = { type: "number", of, start: a.start, end: b.end };
    }
    return left;
  }

  value() {
    const minus = this.take("-");
    if (minus) {
      const { of, end } = this.number(this.value());
      return { type: "number", of: (rows, i) => -of(rows, i), start: minus.start, end };
    }
    const bracket = this.take("(");
    if (bracket) {
      const inner = this.either();
      if (!this.take(")")) this.fail("This bracket is never closed.", bracket);
      return inner;
    }
    const token = this.tokens[this.place];
    if (!token) this.fail(this.place ? "Something is missing at the end." : "There is nothing to filter by.");
    if (token.kind === "sign") this.fail("Here should be a number, a name or a class.", token);
    this.place += 1;
    if (token.kind === "number") return { type: "number", of: () => token.value, ...token };
    return this.take(".") ? this.ofClass(token) : token.kind === "text" ? this.quoted(token) : this.word(token);
  }

  ofClass(token) {
    const k = this.classOf(token.value), part = this.tokens[this.place++];
    if (k === null) this.fail(`There is no class “${token.value}”.`, token);
    const name = part?.kind === "word" ? knownNumber(part.value, this.words) : undefined;
    if (name === undefined || name === LATENCY_HAS_NO_CLASS) this.fail("After the point of a class comes tp, fp, fn, objects, detections, mistakes, p, r or f1.", part);
    return { type: "number", of: (rows, i) => rows.ofClass(k, name, i), start: token.start, end: part.end };
  }

  quoted(token) { return { type: "text", of: () => token.value, classId: this.classOf(token.value), literal: token.value, start: token.start, end: token.end }; }

  word({ value, start, end }) {
    const folded = value.toLowerCase(), k = this.classOf(value);
    const number = knownNumber(value, this.words);
    if (number !== undefined) return { type: "number", of: (rows, i) => rows.value(number, i), start, end, word: folded };
    if (folded === "perfect") return { type: "truth", of: (rows, i) => rows.perfect(i), start, end };
    if (TEXT_WORDS.has(folded)) return { type: "text", of: (rows, i) => rows.names[i], classId: null, start, end, word: folded };
    if (k !== null) return this.hasClass(k, { start, end });
    return this.fail(`“${value}” is neither a class nor a word that is known here. Text goes into quotation marks.`, { start, end });
  }

  hasClass(k, { start, end }) {
    return { type: "truth", of: (rows, i) => rows.ofClass(k, "objects", i) > 0 || rows.ofClass(k, "detections", i) > 0, start, end };
  }

  // ---- what a part must be

  truth(node) {
    if (node.type === "truth") return node;
    if (node.type === "text" && node.classId !== null) return this.hasClass(node.classId, node);
    if (node.literal !== undefined) return this.fail(`There is no class “${node.literal}”.`, node);
    const such = node.type === "text" ? `${node.word} ~ "night"` : `${node.word ?? "fp + fn"} > 0.5`;
    return this.fail(`This must be compared with something, as in ${such}.`, node);
  }

  number(node) { return node.type === "number" ? node : this.fail("This is no number.", node); }

  compared(left, sign, right) {
    const place = { start: left.start, end: right.end }, { of: a } = left, { of: b } = right;
    if (left.type === "truth" || right.type === "truth") this.fail("This holds or does not; it cannot be compared.", left.type === "truth" ? left : right);
    if (left.type !== right.type) this.fail("A number and a text cannot be compared.", place);
    if (left.type === "number") {
      const holds = COMPARE[sign.value] ?? this.fail("Only texts are searched; compare numbers by <, <=, >, >=, = or !=.", sign);
      // What is undefined is neither more nor less nor other than anything.
      return { type: "truth", of: (rows, i) => { const x = a(rows, i), y = b(rows, i); return x === x && y === y && holds(x, y); }, ...place };
    }
    const low = (of) => (rows, i) => of(rows, i).toLowerCase(), [x, y] = [low(a), low(b)];
    const of = {
      "~": (rows, i) => x(rows, i).includes(y(rows, i)), "!~": (rows, i) => !x(rows, i).includes(y(rows, i)),
      "=": (rows, i) => x(rows, i) === y(rows, i), "!=": (rows, i) => x(rows, i) !== y(rows, i),
    }[sign.value] ?? this.fail("Texts are compared by ~, which searches, !~, = or !=.", sign);
    return { type: "truth", of, ...place };
  }
}
