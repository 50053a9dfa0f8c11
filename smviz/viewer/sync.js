// Viewers of one page that share a word follow each other. They meet on the window, as each may have its own module.

const SYNC_EVENT = "smviz-viewer-sync";

class Sync {
  constructor(follow) {
    this.word = null;
    this.following = false;
    this.listen = ({ detail }) => {
      if (this.word === null || detail.word !== this.word || detail.from === this) return;
      this.following = true;
      follow(detail);
      this.following = false;
    };
    window.addEventListener(SYNC_EVENT, this.listen);
  }

  unwire() { window.removeEventListener(SYNC_EVENT, this.listen); }

  // What is told is a part of the state; while following, nothing is told on.
  tell(part) {
    if (this.word === null || this.following) return;
    window.dispatchEvent(new CustomEvent(SYNC_EVENT, { detail: { word: this.word, from: this, ...part } }));
  }
}
