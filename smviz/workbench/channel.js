// What the components of one run agree on: threshold, IoU, area range and classes. Each is told of every change, in one
// animation frame, so that all are painted together. They meet on the window, as each has its own module.

const CHANNEL_EVENT = "smviz-channel";
const VIEWER_EVENT = "smviz-viewer-sync"; // of smviz/viewer/sync.js: viewers with the same word take part

class Channel {
  // `follow(state, settled)` is called with what was told before, if anything was, and with all that is told from now
  // on, also by this one. `settled` is true when the person has let go: the bar then tells Python.
  constructor(word, follow) {
    this.word = word;
    this.follow = follow;
    this.due = null;
    this.hear = ({ detail }) => { if (detail.word === word) follow(detail.state, detail.settled); };
    this.hearViewer = ({ detail }) => {
      if (detail.word !== word || detail.from === "channel" || detail.choice?.threshold === undefined) return;
      this.take({ threshold: detail.choice.threshold });
      this.send(false);
    };
    window.addEventListener(CHANNEL_EVENT, this.hear);
    if (this.state) follow(this.state, false);
  }

  // The present state; null before anything was told.
  get state() { return channelStates().get(this.word) ?? null; }

  // A part of the state; what is told within one frame is sent once.
  tell(part, settled = false) {
    this.take(part);
    this.settled ||= settled;
    this.due ??= requestAnimationFrame(() => this.flush());
  }

  // At once, for a state that is just being mounted.
  flush() {
    cancelAnimationFrame(this.due);
    const settled = this.settled;
    this.due = null;
    this.settled = false;
    this.send(settled);
    const { threshold } = this.state;
    window.dispatchEvent(new CustomEvent(VIEWER_EVENT, { detail: { word: this.word, from: "channel", threshold } }));
  }

  // One component, the bar, passes on what viewers say.
  passOn() { window.addEventListener(VIEWER_EVENT, this.hearViewer); }

  close() {
    if (this.due !== null) this.flush(); // what was chosen last must not get lost
    window.removeEventListener(CHANNEL_EVENT, this.hear);
    window.removeEventListener(VIEWER_EVENT, this.hearViewer);
  }

  take(part) { channelStates().set(this.word, { ...this.state, ...part }); }

  send(settled) {
    const detail = { word: this.word, state: this.state, settled };
    window.dispatchEvent(new CustomEvent(CHANNEL_EVENT, { detail }));
  }
}

function channelStates() { return (globalThis.smvizChannels ??= new Map()); }
