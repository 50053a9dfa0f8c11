// What every live component does: fetch the columns once, follow the channel, and draw when both are there.

const PAUSES = [300, 1500]; // milliseconds before it is tried again

class Live {
  // `draw(columns, state)` is called at every change; `fail(error)` where the columns cannot be had, and
  // `settled(state)` when a person has let go of what they moved.
  constructor({ draw, fail = () => {}, settled = () => {} }) {
    Object.assign(this, { draw, fail, settled, channel: null, columns: null, url: null });
  }

  // With the data of a rerun. The columns are fetched again only where they are others.
  update({ word, url, layout, state }) {
    this.given = state;
    if (this.channel?.word !== word) {
      this.channel?.close();
      this.channel = new Channel(word, (_, settled) => {
        this.redraw();
        if (settled) this.settled(this.state);
      });
    }
    if (url === this.url) this.redraw();
    else this.load(url, layout);
  }

  // Of the channel, or else Python's.
  get state() { return this.channel.state ?? this.given; }

  tell(part, settled = false) { this.channel.tell(this.channel.state ? part : { ...this.given, ...part }, settled); }

  redraw() { if (this.columns) this.draw(this.columns, this.state); }

  // A rerun that is cut short takes the address away until the next one gives it anew: so it is tried again, also in
  // every rerun that follows.
  load(url, layout, pauses = PAUSES) {
    this.url = url;
    loadColumns(url, layout).then(
      (columns) => {
        if (url !== this.url) return;
        this.columns = columns;
        this.redraw();
      },
      (error) => {
        if (url !== this.url) return;
        if (pauses.length) setTimeout(() => this.again(url, layout, pauses), pauses[0]);
        else {
          this.url = null;
          this.fail(error);
        }
      },
    );
  }

  again(url, layout, pauses) {
    if (url === this.url) this.load(url, layout, pauses.slice(1));
  }

  close() {
    this.url = null;
    this.channel?.close();
  }
}
